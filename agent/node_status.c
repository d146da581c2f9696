/*
 * node_status: what `warren status` shows, and /metrics.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/filter/filter.h"
#include "agent/local/status_view.h"
#include "agent/node_inside.h"
#include "common/clock.h"
#include "common/metric.h"
#include "common/version.h"

enum { WARNING_LEN = 256 };

/* ---- state ---- */

static bool reaches_someone(const struct node *node)
{
	if (node->link_up)
		return true;
	for (size_t i = 0; i < node->n_relays; i++)
		if (node->relays[i].status.up)
			return true;
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer &&
		    path_peer_choice(peer_path(node->peers[i].peer))->first.kind != WAY_NONE)
			return true;
	return false;
}

const char *node_state(const struct node *node)
{
	bool has_address = node->id.id != 0;
	bool has_network = node->network.n_addresses > 0;

	if (!node->on || !has_network)
		return "offline";
	if (node->refused && node->n_peers == 0) /* relays stand, but nobody is behind them */
		return "connecting";
	return has_address && node->has_map && reaches_someone(node) ? "online" : "connecting";
}

/* ---- the view ---- */

static const char *endpoint_kind(enum control_endpoint_kind kind)
{
	return control_endpoint_kind_str(kind);
}

/* A time of the clock that never steps, as wall time. */
static uint64_t wall(uint64_t at_us)
{
	uint64_t now_us = clock_now_us();

	return at_us == 0 || at_us > now_us ? 0 : clock_unix_us() - (now_us - at_us);
}

/* Only the choice has a reason of its own; another way is waiting, asking or silent. */
static const char *code_of(const struct path_view *v, const struct path_choice *choice)
{
	if (v->in_use)
		return choice->why_code[0] ? choice->why_code : "unknown";
	return v->state == PATH_SUSPECT || v->state == PATH_DOWN ? "path-silent" : "unknown";
}

static struct status_path view_path(const struct path_view *v, const struct path_choice *choice)
{
	return (struct status_path){
		.way = v->way,
		.state = path_state_str(v->state),
		.rtt_us = v->rtt_us,
		.jitter_us = v->jitter_us,
		.loss = v->loss,
		.since_unix_us = wall(v->since_us),
		.why = v->why,
		.why_code = code_of(v, choice),
	};
}

/* Views of one peer's paths, which its status_peer borrows. */
struct peer_paths {
	struct path_view views[PATH_SLOTS];
	struct status_path paths[PATH_SLOTS];
};

static struct status_path view_choice(const struct path_choice *choice,
				      const struct peer_paths *all, size_t n)
{
	struct status_path path = {.way = choice->first,
				   .loss = -1,
				   .since_unix_us = wall(choice->since_us),
				   .why = choice->why,
				   .why_code = choice->why_code[0] ? choice->why_code : "unknown"};

	for (size_t i = 0; i < n; i++) {
		if (!all->views[i].in_use)
			continue;
		path.rtt_us = all->views[i].rtt_us;
		path.jitter_us = all->views[i].jitter_us;
		path.loss = all->views[i].loss;
	}
	return path;
}

/* Why there is no way, for a peer that nobody has sent anything to, or that is away. */
static void explain_none(struct status_peer *out, const struct node *node)
{
	if (out->path.why && out->path.why[0])
		return;
	if (!out->online) {
		out->path.why = "the peer is not connected to the coordinator";
		out->path.why_code = "peer-offline";
	} else if (!reaches_someone(node)) {
		out->path.why = "this node reaches no relay and no coordinator";
		out->path.why_code = "no-relay";
	} else {
		out->path.why = "idle: the first packet opens a path";
		out->path.why_code = "unknown";
	}
}

static void view_peer(const struct node *node, const struct peer *peer, uint64_t now_us,
		      struct peer_paths *all, struct status_peer *out)
{
	const struct control_peer *p = peer_info(peer);
	size_t n = path_peer_list(peer_path(peer), all->views, PATH_SLOTS);
	struct engine_peer_stats stats;

	const struct path_choice *choice = path_peer_choice(peer_path(peer));
	engine_peer_stats(peer_engine(peer), &stats);
	for (size_t i = 0; i < n; i++)
		all->paths[i] = view_path(&all->views[i], choice);
	*out = (struct status_peer){
		.id = p->id,
		.name = p->name,
		.owner = p->owner,
		.role = control_role_str(p->role),
		.v4 = p->v4,
		.v6 = p->v6,
		.node_key = p->node_key.key,
		.online = p->online,
		.active = peer_is_active(peer, now_us),
		.path = view_choice(choice, all, n),
		.paths = all->paths,
		.n_paths = n,
		.last_handshake_unix_us = stats.last_handshake_unix_us,
		.rx_bytes = stats.rx_bytes,
		.tx_bytes = stats.tx_bytes,
	};
	explain_none(out, node);
}

static size_t view_relays(const struct node *node, struct status_relay *out)
{
	size_t n = 0;

	for (size_t i = 0; node->relay_map && i < node->relay_map->n_regions; i++) {
		const struct derp_region *r = &node->relay_map->regions[i];

		if (n == NODE_REGIONS_MAX)
			break;
		out[n] = (struct status_relay){
			.region = r->id, .code = r->code, .home = r->id == node->home.home};
		for (size_t k = 0; k < node->n_relays; k++) {
			if (node->relays[k].status.region != r->id)
				continue;
			out[n].connected = node->relays[k].status.up;
			out[n].rtt_us = node->relays[k].status.rtt_us;
			if (!out[n].connected && node->relays[k].status.reason[0])
				out[n].error = node->relays[k].status.reason;
		}
		n++;
	}
	return n;
}

static void view_self(const struct node *node, struct status_view *view)
{
	view->version = version_number();
	view->role = control_role_str(node->id.role);
	view->state = node_state(node);
	view->id = node->id.id;
	view->name = node->id.name;
	view->v4 = node->id.v4;
	view->v6 = node->id.v6;
	secret_key_public(&node->id.node, &view->node_key);
	view->home_region = node->home.home;
	view->coordinator_url = node->id.url;
	view->coordinator_connected = node->link_up;
	view->coordinator_since_unix_us = node->link_since_unix_us;
	view->coordinator_error = node->link_error[0] ? node->link_error : NULL;
}

static const char *warning_of(const struct node *node, char out[static WARNING_LEN])
{
	uint64_t unix_s = clock_unix_us() / US_PER_S;
	uint64_t age_s = node->has_map && unix_s > node->map.heard_unix_s
				 ? unix_s - node->map.heard_unix_s
				 : 0;

	for (size_t i = 0; i < node->trust.count; i++) {
		const struct trust_entry *e = &node->trust.entries[i];

		if (!e->has_offer)
			continue;
		snprintf(out, WARNING_LEN,
			 "%s came with another identity and is not used: warren trust %s",
			 e->known.name, e->known.name);
		return out;
	}
	if (!node->link_up && age_s > 3 * 86400) {
		snprintf(out, WARNING_LEN,
			 "the map is %u days old: the coordinator has not been heard",
			 (unsigned)(age_s / 86400));
		return out;
	}
	return NULL;
}

struct json *node_status_json(struct node *node)
{
	struct status_endpoint endpoints[CONTROL_MAX_ENDPOINTS];
	struct status_relay relays[NODE_REGIONS_MAX];
	struct status_peer *peers = calloc(node->n_peers + 1, sizeof(*peers));
	struct peer_paths *paths = calloc(node->n_peers + 1, sizeof(*paths));
	struct status_view view = {.endpoints = endpoints, .relays = relays, .peers = peers};
	uint64_t now_us = clock_now_us();
	char warning[WARNING_LEN];

	view_self(node, &view);
	for (size_t i = 0; i < node->where.endpoints.count; i++) {
		const struct control_endpoint *e = &node->where.endpoints.list[i];

		endpoints[view.n_endpoints++] =
			(struct status_endpoint){e->addr, endpoint_kind(e->kind)};
	}
	view.n_relays = view_relays(node, relays);
	for (size_t i = 0; peers && paths && i < node->n_peers; i++)
		if (node->peers[i].peer)
			view_peer(node, node->peers[i].peer, now_us, &paths[i],
				  &peers[view.n_peers++]);
	view.warning = warning_of(node, warning);
	struct json *doc = status_view_json(&view);
	free(paths);
	free(peers);
	return doc;
}

/* ---- metrics ---- */

static void fill_drops(const struct node *node, struct metric_page *page)
{
	uint64_t drops[DROP_REASONS];

	engine_drops(node->engine, drops);
	metric_counter(page, "warren_dropped_packets_total", "Packets dropped, by reason.");
	for (int i = 0; i < DROP_REASONS; i++)
		metric_u64(page,
			   &(struct metric_label){"reason", engine_drop_name((enum engine_drop)i)},
			   1, drops[i]);
	metric_u64(page, &(struct metric_label){"reason", "disco-stranger"}, 1,
		   node->disco_strangers);
	metric_u64(page, &(struct metric_label){"reason", "disco-refused"}, 1, node->disco_refused);
	metric_u64(page, &(struct metric_label){"reason", "stun-stranger"}, 1,
		   node->stun_strangers);
}

/* With the drops they add up (docs/TESTING.md, the ledger). */
static void count_step(struct metric_page *page, const char *step, uint64_t n)
{
	metric_u64(page, &(struct metric_label){"step", step}, 1, n);
}

static void fill_flows(const struct node *node, struct metric_page *page)
{
	struct relay_thread_counters relay;
	uint64_t flows[ENGINE_FLOWS];

	engine_flows(node->engine, flows);
	relay_thread_read_counters(node->relay_thread, &relay);
	metric_counter(page, "warren_packets_total", "Packets by where they passed.");
	for (int i = 0; i < ENGINE_FLOWS; i++)
		count_step(page, engine_flow_name((enum engine_flow)i), flows[i]);
	count_step(page, "relay-from-lane", relay.taken_from_lane);
	count_step(page, "relay-from-main", relay.taken_from_main);
	count_step(page, "relay-sent", relay.sent_packets);
	count_step(page, "relay-received", relay.received_packets);
	count_step(page, "relay-to-main", node->from_relays);
	count_step(page, "handshake-taken", engine_handshakes_taken(node->engine));
	count_step(page, "disco-taken", node->disco_taken);
	count_step(page, "stun-taken", node->stun_taken);
	metric_one_gauge(page, "warren_waiting_packets",
			 "Packets that wait for a path or a handshake.",
			 (double)engine_waiting(node->engine));
}

static void fill_handshakes(const struct node *node, struct metric_page *page)
{
	metric_counter(page, "warren_handshake_dropped_total", "Handshake packets refused.");
	for (int i = 0; i < WG_DROP_COUNT; i++)
		metric_u64(page, &(struct metric_label){"reason", wg_drop_str((enum wg_drop)i)}, 1,
			   engine_handshake_drops(node->engine, (enum wg_drop)i));
}

static void fill_filter(const struct node *node, struct metric_page *page)
{
	struct filter_counters c;

	filter_read_counters(node->filter, &c);
	metric_counter(page, "warren_filter_packets_total", "Packets judged by the filter.");
	for (int i = 0; i < FILTER_VERDICTS; i++) {
		const char *verdict = filter_verdict_str((enum filter_verdict)i);

		metric_u64(page, (struct metric_label[]){{"direction", "in"}, {"verdict", verdict}},
			   2, c.in[i]);
		metric_u64(page,
			   (struct metric_label[]){{"direction", "out"}, {"verdict", verdict}}, 2,
			   c.out[i]);
	}
	metric_one_gauge(page, "warren_filter_flows", "Flows in the table.", (double)c.flows);
}

static void fill_peers(const struct node *node, struct metric_page *page)
{
	size_t direct = 0, relayed = 0;

	for (size_t i = 0; i < node->n_peers; i++) {
		if (!node->peers[i].peer)
			continue;
		enum way_kind kind = path_peer_choice(peer_path(node->peers[i].peer))->first.kind;
		direct += kind == WAY_DIRECT;
		relayed += kind == WAY_RELAY;
	}
	metric_gauge(page, "warren_peers", "Peers of the map, by the path in use.");
	metric_u64(page, &(struct metric_label){"path", "direct"}, 1, direct);
	metric_u64(page, &(struct metric_label){"path", "relay"}, 1, relayed);
	metric_u64(page, &(struct metric_label){"path", "none"}, 1,
		   node->n_peers - direct - relayed);
}

static void fill_path_drops(const struct node *node, struct metric_page *page)
{
	uint64_t drops[PATH_DROPS] = {0};

	for (size_t i = 0; i < node->n_peers; i++)
		for (int k = 0; node->peers[i].peer && k < PATH_DROPS; k++)
			drops[k] += peer_path(node->peers[i].peer)->drops[k];
	metric_counter(page, "warren_path_dropped_total", "Disco messages and probes left out.");
	for (int k = 0; k < PATH_DROPS; k++)
		metric_u64(page, &(struct metric_label){"reason", path_drop_str((enum path_drop)k)},
			   1, drops[k]);
}

static void fill_relays(const struct node *node, struct metric_page *page)
{
	struct relay_thread_counters c;

	relay_thread_read_counters(node->relay_thread, &c);
	metric_counter(page, "warren_relay_bytes_total", "Bytes through relays.");
	metric_u64(page, &(struct metric_label){"direction", "sent"}, 1, c.sent_bytes);
	metric_u64(page, &(struct metric_label){"direction", "received"}, 1, c.received_bytes);
	metric_counter(page, "warren_relay_dropped_total", "Packets for a relay left out.");
	metric_u64(page, &(struct metric_label){"reason", "no-session"}, 1, c.dropped_no_session);
	metric_u64(page, &(struct metric_label){"reason", "queue-full"}, 1, c.dropped_queue_full);
	metric_u64(page, &(struct metric_label){"reason", "copy-late"}, 1, c.dropped_copy_late);
	metric_u64(page, &(struct metric_label){"reason", "receiver-full"}, 1,
		   c.dropped_receiver_full);
	metric_one_gauge(page, "warren_relay_queued_packets", "Packets that wait for a relay.",
			 (double)c.queued);
	metric_one_counter(page, "warren_relay_news_dropped_total",
			   "News lost between main and the relay thread.", c.dropped_news);
}

void node_fill_metrics(void *arg, struct metric_page *page)
{
	const struct node *node = arg;

	metric_one_gauge(page, "warren_coordinator_connected", "1 while the session stands.",
			 node->link_up);
	if (!node->on)
		return;
	fill_peers(node, page);
	fill_flows(node, page);
	fill_drops(node, page);
	fill_handshakes(node, page);
	fill_filter(node, page);
	fill_path_drops(node, page);
	fill_relays(node, page);
}
