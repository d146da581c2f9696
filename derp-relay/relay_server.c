#include "derp-relay/relay_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "common/log.h"
#include "common/metric.h"
#include "common/net/http.h"
#include "common/net/resolve.h"
#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "derp-relay/gatekeeper.h"
#include "derp-relay/hub.h"
#include "derp-relay/mesh.h"
#include "derp-relay/relay_entry.h"
#include "derp-relay/relay_identity.h"
#include "derp-relay/relay_metrics.h"
#include "derp-relay/switchboard.h"
#include "derp-relay/worker.h"
#include "stun/stun_udp.h"

enum { WORKERS_MAX = HUB_WORKERS_MAX - 1 };

/* What may wait in all queues together. */
static const size_t queued_bytes_max = 256 * 1024 * 1024;

struct relay_server {
	const struct relay_settings *settings;
	struct relay_identity id;
	struct event_base *base;
	void (*ended)(void *arg);
	void *arg;

	struct resolver *resolver;
	struct tls_context *client_tls;
	struct switchboard *switchboard;
	struct event *wake_event;
	struct worker *workers[WORKERS_MAX];
	uint16_t n_workers, next_worker, drained;
	struct tcp_listener *listener, *plain_listener;
	struct stun_udp *stun;
	struct mesh *mesh;
	struct gatekeeper *gatekeeper;
	struct http_metrics *metrics;
	bool draining;
};

/* ---- events -------------------------------------------------------------------------------- */

static uint16_t own_seat(const struct relay_server *r)
{
	return r->n_workers;
}

static void tell_workers(struct relay_server *r, const struct message *m)
{
	for (uint16_t i = 0; i < r->n_workers; i++)
		switchboard_tell(r->switchboard, i, m);
}

static void hand_over(struct relay_server *r, int fd, const struct endpoint *from, bool plain)
{
	struct message m = {.kind = MESSAGE_ACCEPTED, .fd = fd, .from = *from, .plain = plain};

	switchboard_tell(r->switchboard, r->next_worker, &m);
	r->next_worker = (uint16_t)((r->next_worker + 1) % r->n_workers);
}

static void on_accepted(void *arg, int fd, const struct endpoint *from)
{
	hand_over(arg, fd, from, false);
}

static void on_plain_accepted(void *arg, int fd, const struct endpoint *from)
{
	hand_over(arg, fd, from, true);
}

static void on_message(struct relay_server *r, const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_CONNECT:
	case MESSAGE_DISCONNECT:
		if (r->gatekeeper)
			gatekeeper_on_message(r->gatekeeper, m);
		return;
	case MESSAGE_DRAINED:
		if (++r->drained == r->n_workers)
			r->ended(r->arg);
		return;
	case MESSAGE_ACCEPTED:
	case MESSAGE_DECISION:
	case MESSAGE_RELOAD:
	case MESSAGE_DRAIN:
		return; /* for workers */
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct relay_server *r = arg;
	struct message m;

	(void)fd;
	(void)what;
	switchboard_rest(r->switchboard, own_seat(r));
	while (switchboard_hear(r->switchboard, own_seat(r), &m))
		on_message(r, &m);
	if (r->mesh)
		mesh_serve(r->mesh);
}

void relay_server_drain(struct relay_server *r)
{
	struct message drain = {.kind = MESSAGE_DRAIN, .fd = -1};

	if (r->draining) {
		r->ended(r->arg);
		return;
	}
	r->draining = true;
	tcp_listener_free(r->listener);
	tcp_listener_free(r->plain_listener);
	r->listener = r->plain_listener = NULL;
	tell_workers(r, &drain);
}

void relay_server_reload(struct relay_server *r, uint64_t rate_bytes, uint64_t burst_bytes)
{
	struct message m = {.kind = MESSAGE_RELOAD,
			    .fd = -1,
			    .rate_bytes = rate_bytes,
			    .burst_bytes = burst_bytes};

	tell_workers(r, &m);
}

/* ---- what it says of itself ---------------------------------------------------------------- */

void relay_server_count(const struct relay_server *r, struct hub_counters *out)
{
	struct hub *hub = switchboard_lock(r->switchboard);

	hub_count(hub, out);
	(void)switchboard_unlock(r->switchboard, own_seat(r));
}

static void fill_metrics(void *arg, struct metric_page *page)
{
	struct relay_server *r = arg;
	struct hub_counters n;

	relay_server_count(r, &n);
	relay_metrics_hub(page, &n);
	relay_metrics_workers(page, r->workers, r->n_workers);
	if (r->mesh)
		metric_one_gauge(page, "warren_relay_mesh_links",
				 "Sessions to other relays that are up.", mesh_count_up(r->mesh));
	if (r->gatekeeper)
		gatekeeper_fill(r->gatekeeper, page);
	if (r->stun)
		stun_udp_metrics(r->stun, page);
}

char *relay_server_entry(const struct relay_server *r)
{
	const struct relay_settings *s = r->settings;
	char why[TLS_ERROR_LEN];
	struct tls_context *tls;
	struct relay_entry entry = {
		.region_id = (uint32_t)s->region_id,
		.region_code = s->region_code,
		.region_name = s->region_name,
		.host = r->id.host,
		.derp_port = tcp_listener_port(r->listener),
		.stun_port = r->stun ? stun_udp_port(r->stun) : 0,
		.has_port80 = r->plain_listener && tcp_listener_port(r->plain_listener) == 80,
	};

	if (tls_server_context_new(r->id.cert_file, r->id.key_file, &tls, why) < 0)
		return NULL;
	tls_context_cert_hash(tls, entry.pin);
	tls_context_free(tls);
	return relay_entry_print(&entry);
}

void relay_server_log_ready(const struct relay_server *r)
{
	char key[KEY_TEXT_LEN];

	if (!r->gatekeeper)
		log_warn("relay", log_event("open"),
			 log_str("why", "without --admit-url anybody may use this relay"));
	public_key_str(&r->id.env.pub, "nodekey", key);
	log_info("relay", log_event("ready"), log_str("listen", r->settings->listen),
		 log_str("host", r->id.host), log_u64("threads", r->n_workers),
		 log_str("key", key));
}

/* ---- start --------------------------------------------------------------------------------- */

static int fail(char error[static RELAY_SERVER_ERROR_LEN], int err, const char *what,
		const char *why)
{
	snprintf(error, RELAY_SERVER_ERROR_LEN, "%.120s: %.180s", what, why);
	return err;
}

static int start_workers(struct relay_server *r, char error[static RELAY_SERVER_ERROR_LEN])
{
	uint16_t n = relay_settings_threads(r->settings, sysconf(_SC_NPROCESSORS_ONLN));
	bool has_tls = relay_settings_tls(r->settings) != RELAY_TLS_OFF;
	uint8_t seed[HUB_SEED_LEN];

	randombytes_buf(seed, sizeof(seed));
	r->switchboard = switchboard_new(hub_new(seed, queued_bytes_max), (uint16_t)(n + 1));
	if (!r->switchboard)
		return fail(error, -ENOMEM, "start", "out of memory or descriptors");
	for (uint16_t i = 0; i < n; i++) {
		struct worker_config cfg = {
			.switchboard = r->switchboard,
			.seat = i,
			.main_seat = n,
			.asks_admission = r->settings->admit_url != NULL,
			.env = &r->id.env,
			.cert_file = has_tls ? r->id.cert_file : NULL,
			.key_file = r->id.key_file,
		};
		int err = worker_start(&cfg, &r->workers[i], error);
		if (err < 0)
			return err;
		r->n_workers++;
	}
	r->wake_event = event_new(r->base, switchboard_fd(r->switchboard, n), EV_READ | EV_PERSIST,
				  on_wake, r);
	event_add(r->wake_event, NULL);
	return 0;
}

static int listen_on(struct relay_server *r, char error[static RELAY_SERVER_ERROR_LEN])
{
	int err =
		tcp_listener_new(r->base, r->settings->listen, on_accepted, r, &r->listener, error);

	if (err == 0 && !relay_settings_is_off(r->settings->http))
		err = tcp_listener_new(r->base, r->settings->http, on_plain_accepted, r,
				       &r->plain_listener, error);
	return err;
}

static int start_stun(struct relay_server *r, char error[static RELAY_SERVER_ERROR_LEN])
{
	struct stun_udp_config cfg = {.n_listen = 1, .threads = 1};

	if (relay_settings_is_off(r->settings->stun))
		return 0;
	if (endpoint_parse(r->settings->stun, &cfg.listen[0]) < 0)
		return fail(error, -EINVAL, "--stun", "not ADDR:PORT, :PORT or off");
	return stun_udp_start(&cfg, &r->stun, error);
}

static int start_outgoing(struct relay_server *r, char error[static RELAY_SERVER_ERROR_LEN])
{
	int err = tls_client_context_new(r->settings->ca_file, &r->client_tls, error);

	if (err < 0)
		return err;
	r->resolver = resolver_new(r->base);
	if (r->settings->mesh_with) {
		struct mesh_config cfg = {
			.base = r->base,
			.resolver = r->resolver,
			.tls = r->client_tls,
			.switchboard = r->switchboard,
			.seat = own_seat(r),
			.env = &r->id.env,
			.hosts = r->settings->mesh_with,
		};
		err = mesh_new(&cfg, &r->mesh, error);
	}
	if (err < 0 || !r->settings->admit_url)
		return err;
	struct gatekeeper_config cfg = {
		.base = r->base,
		.resolver = r->resolver,
		.tls = r->client_tls,
		.switchboard = r->switchboard,
		.workers = r->n_workers,
		.url = r->settings->admit_url,
		.secret = r->settings->admit_key_file ? r->id.secret : NULL,
		.cache_file = r->id.cache_file,
		.fail_open = r->settings->admit_fail_open,
	};
	return gatekeeper_new(&cfg, &r->gatekeeper, error);
}

static int open_all(struct relay_server *r, char error[static RELAY_SERVER_ERROR_LEN])
{
	int err = relay_identity_load(r->settings, &r->id, error);

	if (err == 0)
		err = start_workers(r, error);
	if (err == 0)
		err = listen_on(r, error);
	if (err == 0)
		err = start_stun(r, error);
	if (err == 0)
		err = start_outgoing(r, error);
	if (err == 0 && r->settings->metrics)
		err = http_metrics_start(r->base, r->settings->metrics, fill_metrics, r,
					 &r->metrics, error);
	return err;
}

int relay_server_start(const struct relay_server_config *config, struct relay_server **out,
		       char error[static RELAY_SERVER_ERROR_LEN])
{
	struct relay_server *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->settings = config->settings;
	r->base = config->base;
	r->ended = config->ended;
	r->arg = config->arg;
	int err = open_all(r, error);
	if (err < 0)
		relay_server_free(r);
	else
		*out = r;
	return err;
}

void relay_server_free(struct relay_server *r)
{
	if (!r)
		return;
	http_metrics_free(r->metrics);
	gatekeeper_free(r->gatekeeper);
	mesh_free(r->mesh);
	stun_udp_stop(r->stun);
	tcp_listener_free(r->listener);
	tcp_listener_free(r->plain_listener);
	for (uint16_t i = 0; i < r->n_workers; i++)
		worker_free(r->workers[i]);
	if (r->wake_event)
		event_free(r->wake_event);
	switchboard_free(r->switchboard);
	resolver_free(r->resolver);
	tls_context_free(r->client_tls);
	relay_identity_wipe(&r->id);
	free(r);
}
