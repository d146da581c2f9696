#include "agent/local/status_view.h"

#include <math.h>

#include "agent/local/view_field.h"
#include "common/clock.h"

static void append_ip(struct json *array, const struct ip_addr *ip)
{
	char text[IP_TEXT_LEN];

	if (ip_is_none(ip))
		return;
	ip_str(ip, text);
	json_append_str(array, text);
}

/* IPv4 first, without prefix lengths. */
static void add_addresses(struct json *obj, const struct ip_addr *v4, const struct ip_addr *v6)
{
	struct json *array = json_add_array(obj, "addresses");

	append_ip(array, v4);
	append_ip(array, v6);
}

static void add_node_key(struct json *obj, const struct public_key *key)
{
	char text[KEY_TEXT_LEN];

	public_key_str(key, "nodekey", text);
	json_add_str(obj, "node_key", public_key_is_zero(key) ? NULL : text);
}

static void add_self(struct json *tree, const struct status_view *view)
{
	struct json *self = json_add_object(tree, "self");

	json_add_u64(self, "id", view->id);
	json_add_str(self, "name", view->name ? view->name : "");
	add_addresses(self, &view->v4, &view->v6);
	add_node_key(self, &view->node_key);
	struct json *endpoints = json_add_array(self, "endpoints");
	for (size_t i = 0; i < view->n_endpoints; i++) {
		struct json *item = json_append_object(endpoints);

		view_add_endpoint(item, "addr", &view->endpoints[i].addr);
		json_add_str(item, "kind", view->endpoints[i].kind);
	}
	view_add_region(self, "home_region", view->home_region);
}

static void add_coordinator(struct json *tree, const struct status_view *view)
{
	struct json *coordinator = json_add_object(tree, "coordinator");

	json_add_str(coordinator, "url", view->coordinator_url ? view->coordinator_url : "");
	json_add_bool(coordinator, "connected", view->coordinator_connected);
	view_add_time(coordinator, "since", view->coordinator_since_unix_us);
	json_add_str(coordinator, "last_error", view->coordinator_error);
}

static void add_relays(struct json *tree, const struct status_view *view)
{
	struct json *relays = json_add_array(tree, "relays");

	for (size_t i = 0; i < view->n_relays; i++) {
		const struct status_relay *relay = &view->relays[i];
		struct json *item = json_append_object(relays);

		json_add_u64(item, "region", relay->region);
		json_add_str(item, "code", relay->code ? relay->code : "");
		json_add_bool(item, "connected", relay->connected);
		json_add_bool(item, "home", relay->home);
		view_add_ms(item, "rtt_ms", relay->rtt_us);
		json_add_str(item, "last_error", relay->error);
	}
}

static void fill_path(struct json *obj, const struct status_path *path)
{
	json_add_str(obj, "kind", view_way_kind(&path->way));
	view_add_way_place(obj, &path->way);
	if (path->state)
		json_add_str(obj, "state", path->state);
	view_add_ms(obj, "rtt_ms", path->rtt_us);
	/* A jitter of nothing is a figure once there was a round trip. */
	json_add_f64(obj, "jitter_ms", path->rtt_us ? (double)path->jitter_us / US_PER_MS : NAN);
	json_add_f64(obj, "loss_pct", path->loss >= 0 ? path->loss * 100 : NAN);
	view_add_time(obj, "since", path->since_unix_us);
	json_add_str(obj, "why", path->why ? path->why : "");
	json_add_str(obj, "why_code", path->why_code ? path->why_code : "unknown");
}

static void fill_peer(struct json *obj, const struct status_peer *peer)
{
	json_add_u64(obj, "id", peer->id);
	json_add_str(obj, "name", peer->name);
	json_add_str(obj, "owner", peer->owner);
	json_add_str(obj, "role", peer->role);
	add_addresses(obj, &peer->v4, &peer->v6);
	add_node_key(obj, &peer->node_key);
	json_add_bool(obj, "online", peer->online);
	json_add_bool(obj, "active", peer->active);
	fill_path(json_add_object(obj, "path"), &peer->path);
	struct json *paths = json_add_array(obj, "paths");
	for (size_t i = 0; i < peer->n_paths; i++)
		fill_path(json_append_object(paths), &peer->paths[i]);
	view_add_time(obj, "last_handshake", peer->last_handshake_unix_us);
	json_add_u64(obj, "rx_bytes", peer->rx_bytes);
	json_add_u64(obj, "tx_bytes", peer->tx_bytes);
}

struct json *status_view_json(const struct status_view *view)
{
	struct json *tree = json_object_new();

	json_add_str(tree, "version", view->version);
	json_add_str(tree, "role", view->role);
	json_add_str(tree, "state", view->state);
	add_self(tree, view);
	add_coordinator(tree, view);
	add_relays(tree, view);
	struct json *peers = json_add_array(tree, "peers");
	for (size_t i = 0; i < view->n_peers; i++)
		fill_peer(json_append_object(peers), &view->peers[i]);
	if (view->warning)
		json_add_str(tree, "warning", view->warning);
	return tree;
}
