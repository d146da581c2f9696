#include "derp-relay/relay_metrics.h"

#include "common/clock.h"
#include "common/metric.h"
#include "common/net/http.h"
#include "derp-relay/hub.h"
#include "derp-relay/worker.h"

static void by_direction(struct metric_page *page, uint64_t in, uint64_t out)
{
	metric_u64(page, &(struct metric_label){"direction", "in"}, 1, in);
	metric_u64(page, &(struct metric_label){"direction", "out"}, 1, out);
}

static void fill_drops(struct metric_page *page, const struct hub_counters *n)
{
	static const char *const kinds[PACKET_KINDS] = {
		[PACKET_DISCO] = "disco", [PACKET_OTHER] = "other"};

	metric_counter(page, "warren_relay_drops_total", "Packets dropped.");
	for (unsigned reason = 0; reason < DROP_REASONS; reason++) {
		for (unsigned kind = 0; kind < PACKET_KINDS; kind++) {
			struct metric_label labels[] = {{"reason", drop_reason_str(reason)},
							{"kind", kinds[kind]}};
			metric_u64(page, labels, 2, n->drops[reason][kind]);
		}
	}
}

static void fill_waits(struct metric_page *page, const struct hub_counters *n)
{
	double bounds[HUB_WAIT_BUCKETS - 1];

	for (unsigned i = 0; i < HUB_WAIT_BUCKETS - 1; i++)
		bounds[i] = (double)hub_wait_bounds_us[i] / US_PER_S;
	metric_histogram(page, "warren_relay_write_latency_seconds",
			 "From a packet's arrival to its being written to its receiver.");
	metric_buckets(page, NULL, 0, bounds, n->waits, HUB_WAIT_BUCKETS - 1,
		       (double)n->wait_sum_us / US_PER_S);
}

void relay_metrics_hub(struct metric_page *page, const struct hub_counters *n)
{
	metric_one_gauge(page, "warren_relay_connections",
			 "Clients connected, mesh peers included.", (double)n->connections);
	metric_one_gauge(page, "warren_relay_keys", "Keys known, those of mesh peers included.",
			 (double)n->keys);
	metric_one_gauge(page, "warren_relay_homes", "Clients that call this relay home.",
			 (double)n->homes);
	metric_one_gauge(page, "warren_relay_watchers", "Mesh peers that watch this relay.",
			 (double)n->watchers);
	metric_one_gauge(page, "warren_relay_forwarders", "Keys reached through mesh peers.",
			 (double)n->forwarders);
	metric_one_counter(page, "warren_relay_logins_total", "Logins admitted.", n->logins);
	metric_counter(page, "warren_relay_packets_total", "Packets relayed.");
	by_direction(page, n->packets_in, n->packets_out);
	metric_counter(page, "warren_relay_bytes_total", "Payload bytes relayed.");
	by_direction(page, n->bytes_in, n->bytes_out);
	metric_counter(page, "warren_relay_forwarded_total", "Packets from and to mesh peers.");
	by_direction(page, n->forwarded_in, n->forwarded_out);
	fill_drops(page, n);
	metric_one_counter(page, "warren_relay_notes_dropped_total",
			   "News of peers lost to clients that did not read.", n->notes_dropped);
	fill_waits(page, n);
}

void relay_metrics_workers(struct metric_page *page, struct worker *const *workers, uint16_t n)
{
	uint64_t closed[CLOSE_REASONS] = {0}, websockets = 0;
	struct http_server_counts http = {0};

	for (uint16_t i = 0; i < n; i++) {
		const struct relay_host_counters *c = worker_counters(workers[i]);

		for (unsigned reason = 0; reason < CLOSE_REASONS; reason++)
			closed[reason] += c->closed[reason];
		websockets += c->websockets;
		worker_add_http_counts(workers[i], &http);
	}
	http_server_counts_fill(&http, "warren_relay_http_ended_total", "warren_relay_http_open",
				page);
	metric_counter(page, "warren_relay_closed_total", "Connections closed.");
	for (unsigned reason = 0; reason < CLOSE_REASONS; reason++)
		metric_u64(page, &(struct metric_label){"reason", close_reason_str(reason)}, 1,
			   closed[reason]);
	metric_one_counter(page, "warren_relay_websockets_total", "Clients that came by WebSocket.",
			   websockets);
}
