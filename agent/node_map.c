/*
 * node_map: what the coordinator says: welcome, relays and the network map, and what follows from
 * it for the peers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/filter/filter.h"
#include "agent/filter/filter_rules.h"
#include "agent/node_inside.h"
#include "agent/system/interface.h"
#include "common/clock.h"
#include "common/version.h"

enum { INNER_MTU = 1280, MAP_WARN_AFTER_S = 3 * 24 * 3600, WARM_FOR_S = 120 };

static const uint64_t map_save_after_us = 200 * US_PER_MS;
static const uint64_t warm_every_us = 30 * US_PER_S;

static uint64_t unix_s(void)
{
	return clock_unix_us() / US_PER_S;
}

/* ---- hello ---- */

static struct control_key own_key(const struct secret_key *secret, uint64_t serial)
{
	struct control_key key = {.serial = serial};

	secret_key_public(secret, &key.key);
	return key;
}

/* The name we join under: our own once we have one, else --name's or the token's. */
static void own_name(const struct node *node, char name[static CONTROL_NAME_LEN],
		     char owner[static CONTROL_NAME_LEN])
{
	char token_name[CONTROL_NAME_LEN];

	snprintf(name, CONTROL_NAME_LEN, "%s", node->id.name);
	snprintf(owner, CONTROL_NAME_LEN, "%s", node->id.owner);
	if (node->id.id != 0 || control_token_split(node->token, token_name, owner, NULL) != 0)
		return;
	if (!name[0])
		memcpy(name, token_name, sizeof(token_name));
}

static void sign_keys(const struct node *node, const char *name, const char *owner,
		      struct control_key *node_key, struct control_key *disco_key)
{
	*node_key = own_key(&node->id.node, node->id.node_serial);
	*disco_key = own_key(&node->id.disco, node->id.disco_serial);
	if (!name[0] || !owner[0])
		return;
	control_key_sign(CONTROL_NODE_KEY, &node->id.machine, name, owner, node_key);
	control_key_sign(CONTROL_DISCO_KEY, &node->id.machine, name, owner, disco_key);
}

static void make_hello(void *arg, struct control_hello *out)
{
	struct node *node = arg;

	out->machine_key = node->id.machine_public;
	own_name(node, out->name, out->owner);
	sign_keys(node, out->name, out->owner, &out->node_key, &out->disco_key);
	memcpy(out->token, node->token, sizeof(out->token)); /* empty once it is spent */
	out->role = node->id.role;
	snprintf(out->version, sizeof(out->version), "%s", version_number());
	out->caps = CONTROL_CAPS_ALL;
	if (node->has_map && !node->token[0]) { /* a join wants the whole map */
		out->epoch = node->map.epoch;
		out->map_number = node->map.map.number;
	}
	out->endpoints = node->where.endpoints;
	out->home_region = node->where.home_region;
}

/* ---- welcome ---- */

static struct interface_config interface_of(const struct node *node)
{
	struct interface_config config = {.name = node->tun.name, .mtu_bytes = INNER_MTU};

	if (!ip_is_none(&node->id.v4)) {
		config.addresses[config.n_addresses++] = (struct prefix){node->id.v4, 32};
		config.routes[config.n_routes++] = node->id.mesh_v4;
	}
	if (!ip_is_none(&node->id.v6)) {
		config.addresses[config.n_addresses++] = (struct prefix){node->id.v6, 128};
		config.routes[config.n_routes++] = node->id.mesh_v6;
	}
	return config;
}

int node_configure_tun(struct node *node, char error[static NODE_ERROR_LEN])
{
	struct interface_config config = interface_of(node);
	enum interface_step step;

	node->rules.mesh[0] = node->id.mesh_v4;
	node->rules.mesh[1] = node->id.mesh_v6;
	node->rules.mesh_n = 2;
	int err = interface_configure(&config, &step);
	if (err == -EEXIST)
		snprintf(error, NODE_ERROR_LEN,
			 "another interface of this machine already routes the mesh's addresses");
	else if (err != 0)
		snprintf(error, NODE_ERROR_LEN, "cannot set addresses and routes of %s: %s",
			 node->tun.name, strerror(-err));
	return err;
}

void node_hold_tun(struct node *node)
{
	struct interface_config config = interface_of(node);
	int err = config.n_routes > 0 ? interface_hold(&config) : 0;

	if (err != 0)
		log_warn("node", log_event("hold"), log_str("error", strerror(-err)));
}

static void warn_of_overlap(struct node *node)
{
	for (size_t i = 0; i < node->network.n_addresses; i++) {
		const struct ip_addr *own = &node->network.addresses[i];
		char text[IP_TEXT_LEN];

		if (!prefix_contains(&node->id.mesh_v4, own) &&
		    !prefix_contains(&node->id.mesh_v6, own))
			continue;
		ip_str(own, text);
		log_warn("node", log_event("address-overlap"), log_str("own", text));
		struct event event = event_make(EVENT_NETWORK, CODE_ADDRESS_OVERLAP, 0, NULL, NULL,
						clock_unix_us());
		node_record(node, &event);
	}
}

void node_send_keys(struct node *node)
{
	struct control_keys keys;

	sign_keys(node, node->id.name, node->id.owner, &keys.node_key, &keys.disco_key);
	coordinator_link_send_keys(node->link, &keys);
}

static bool is_who_we_are(const struct control_welcome *w, const struct state_identity *id)
{
	return w->id == id->id && strcmp(w->name, id->name) == 0 &&
	       strcmp(w->owner, id->owner) == 0 && ip_equal(&w->v4, &id->v4) &&
	       ip_equal(&w->v6, &id->v6) && prefix_equal(&w->mesh_v4, &id->mesh_v4) &&
	       prefix_equal(&w->mesh_v6, &id->mesh_v6);
}

static void on_welcome(struct node *node, const struct control_welcome *w)
{
	char signed_name[CONTROL_NAME_LEN], signed_owner[CONTROL_NAME_LEN];
	char error[NODE_ERROR_LEN];
	bool is_news = !is_who_we_are(w, &node->id);

	own_name(node, signed_name, signed_owner);
	node->id.id = w->id;
	memcpy(node->id.name, w->name, sizeof(node->id.name));
	memcpy(node->id.owner, w->owner, sizeof(node->id.owner));
	node->id.v4 = w->v4;
	node->id.v6 = w->v6;
	node->id.mesh_v4 = w->mesh_v4;
	node->id.mesh_v6 = w->mesh_v6;
	sodium_memzero(node->token, sizeof(node->token));
	if (is_news) {
		node_save_identity(node);
		if (node_configure_tun(node, error) != 0)
			log_error("node", log_event("interface"), log_str("error", error));
		warn_of_overlap(node);
	}
	node->keys_due_us = clock_now_us();
	if (strcmp(signed_name, w->name) != 0 || strcmp(signed_owner, w->owner) != 0)
		node_send_keys(node);
	if (node->map.epoch != w->epoch)
		node->map.map.number = 0;
	node->map.epoch = w->epoch;
}

/* ---- whom to use ---- */

static void log_peer_trouble(const char *mod, const char *event, const struct control_peer *p,
			     const char *error)
{
	char name[EVENT_PEER_LEN];

	snprintf(name, sizeof(name), "%s.%s", p->name, p->owner);
	log_warn(mod, log_event(event), log_str("peer", name), log_str("error", error));
}

static bool is_signed_right(const struct control_peer *p)
{
	return control_key_verify(CONTROL_NODE_KEY, &p->machine_key, p->name, p->owner,
				  &p->node_key) &&
	       control_key_verify(CONTROL_DISCO_KEY, &p->machine_key, p->name, p->owner,
				  &p->disco_key);
}

static bool is_inside_mesh(const struct node *node, const struct control_peer *p)
{
	bool v4_fits = ip_is_none(&p->v4) || prefix_contains(&node->id.mesh_v4, &p->v4);
	bool v6_fits = ip_is_none(&p->v6) || prefix_contains(&node->id.mesh_v6, &p->v6);

	return v4_fits && v6_fits;
}

static void tell_identity(struct node *node, const struct control_peer *p,
			  enum trust_verdict verdict)
{
	static const char *const what[] = {
		[TRUST_KEY_CHANGED] = "came with another machine key",
		[TRUST_ADDRESS_TAKEN] = "came with an address that belongs to another node",
		[TRUST_SERIAL_LOWER] = "came with keys older than those known",
		[TRUST_BOOK_FULL] = "does not fit the list of remembered nodes",
	};
	char cause[2 * EVENT_CAUSE_LEN], name[EVENT_PEER_LEN];

	snprintf(name, sizeof(name), "%s.%s", p->name, p->owner);
	snprintf(cause, sizeof(cause), "%s %s: not used; see `warren trust %s`", name,
		 what[verdict], name);
	struct event event = event_make(EVENT_IDENTITY, CODE_IDENTITY_CHANGED, p->id, name, cause,
					clock_unix_us());
	node_record(node, &event);
	log_warn("trust", log_event("refused"), log_str("peer", name),
		 log_str("reason", what[verdict]));
}

/* True where the peer may be used. What may not is told once, and again when the reason changes. */
static bool is_trusted(struct node *node, const struct control_peer *p, enum trust_verdict *told)
{
	struct introduction in = {
		.machine_key = p->machine_key,
		.v4 = p->v4,
		.v6 = p->v6,
		.node_serial = p->node_key.serial,
		.disco_serial = p->disco_key.serial,
	};

	if (!is_signed_right(p) || !is_inside_mesh(node, p)) {
		log_peer_trouble("trust", "unsigned", p, "no valid signature of its machine key");
		return false;
	}
	memcpy(in.name, p->name, sizeof(in.name));
	memcpy(in.owner, p->owner, sizeof(in.owner));
	enum trust_verdict verdict = trust_judge(&node->trust, &in);
	if (verdict != TRUST_USED && verdict != *told)
		tell_identity(node, p, verdict);
	*told = verdict;
	return verdict == TRUST_USED;
}

/* ---- peers ---- */

static struct node_peer *find_entry(struct node *node, uint32_t id)
{
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].id == id)
			return &node->peers[i];
	return NULL;
}

static struct node_peer *add_entry(struct node *node, uint32_t id)
{
	if (node->n_peers == node->cap_peers) {
		size_t cap = node->cap_peers ? 2 * node->cap_peers : 8;
		struct node_peer *grown = realloc(node->peers, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		node->peers = grown;
		node->cap_peers = cap;
	}
	struct node_peer *entry = &node->peers[node->n_peers++];
	*entry = (struct node_peer){.id = id};
	return entry;
}

static void unindex(struct key_map *map, const struct public_key *key, const struct peer *peer)
{
	if (key_map_find(map, key) == peer)
		key_map_remove(map, key);
}

static void drop_peer(struct node *node, struct node_peer *entry)
{
	if (!entry->peer)
		return;
	const struct control_peer *info = peer_info(entry->peer);
	unindex(&node->by_disco, &info->disco_key.key, entry->peer);
	unindex(&node->by_disco, &entry->disco_before, entry->peer);
	unindex(&node->by_node, &info->node_key.key, entry->peer);
	node_commands_on_peer_gone(node, entry->peer);
	peer_free(entry->peer);
	entry->peer = NULL;
}

static int index_peer(struct node *node, struct peer *peer)
{
	const struct control_peer *info = peer_info(peer);

	/* Disco keys are no secret: who names another's as its own would hear in its place. */
	if (key_map_find(&node->by_disco, &info->disco_key.key))
		return -EEXIST;
	int err = key_map_put(&node->by_disco, &info->disco_key.key, peer);
	return err != 0 ? err : key_map_put(&node->by_node, &info->node_key.key, peer);
}

static int new_peer(struct node *node, struct node_peer *entry, const struct control_peer *p,
		    uint64_t now_us)
{
	int err = peer_new(&node->env, p, now_us, &entry->peer);

	if (err != 0) {
		entry->peer = NULL;
		return err;
	}
	err = index_peer(node, entry->peer);
	if (err != 0) {
		drop_peer(node, entry);
		return err;
	}
	node_reach_tell_peer(node, entry->peer, now_us);
	if (node->where.endpoints.count > 0)
		peer_on_own_endpoints(entry->peer, now_us);
	return 0;
}

static int update_peer(struct node *node, struct node_peer *entry, const struct control_peer *p,
		       uint64_t now_us)
{
	struct public_key disco_before = peer_info(entry->peer)->disco_key.key;
	uint32_t home_before = peer_info(entry->peer)->home_region;
	const struct peer *holder = key_map_find(&node->by_disco, &p->disco_key.key);

	if (holder && holder != entry->peer)
		return -EEXIST;
	int err = peer_update(entry->peer, p, now_us);
	if (err == -EKEYREJECTED) { /* another node key is another WireGuard peer */
		drop_peer(node, entry);
		return new_peer(node, entry, p, now_us);
	}
	if (err == 0 && !public_key_equal(&disco_before, &p->disco_key.key)) {
		unindex(&node->by_disco, &entry->disco_before, entry->peer);
		entry->disco_before = disco_before; /* heard on, for a day */
		err = key_map_put(&node->by_disco, &p->disco_key.key, entry->peer);
	}
	if (p->home_region != home_before)
		node_reach_tell_peer(node, entry->peer, now_us);
	return err;
}

static void apply_peer(struct node *node, const struct control_peer *p, uint64_t now_us)
{
	struct node_peer *entry = find_entry(node, p->id);

	if (!entry)
		entry = add_entry(node, p->id);
	if (!entry)
		return;
	if (!is_trusted(node, p, &entry->told)) {
		drop_peer(node, entry);
		return;
	}
	int err = entry->peer ? update_peer(node, entry, p, now_us)
			      : new_peer(node, entry, p, now_us);
	if (err != 0)
		log_peer_trouble("map", "peer-unusable", p,
				 err == -EEXIST ? "another node has one of its keys"
						: strerror(-err));
}

static void remove_entry(struct node *node, uint32_t id)
{
	struct node_peer *entry = find_entry(node, id);

	if (!entry)
		return;
	drop_peer(node, entry);
	*entry = node->peers[--node->n_peers];
}

/* ---- filter rules ---- */

static size_t convert_rules(const struct control_rules *from, struct filter_rule *to)
{
	static const enum filter_proto proto[] = {[CONTROL_ANY] = FILTER_ANY,
						  [CONTROL_TCP] = FILTER_TCP,
						  [CONTROL_UDP] = FILTER_UDP,
						  [CONTROL_ICMP] = FILTER_ICMP};

	for (size_t i = 0; i < from->count; i++)
		to[i] = (struct filter_rule){proto[from->list[i].proto], from->list[i].port_first,
					     from->list[i].port_last};
	return from->count;
}

static void release_rules(void *rules)
{
	filter_rules_free(rules);
}

static void publish_rules(struct node *node)
{
	struct filter_rules *rules = filter_rules_new(++node->rules_generation);

	if (!rules)
		return; /* the old ones stay in force */
	for (size_t i = 0; i < node->n_peers; i++) {
		struct filter_rule in[CONTROL_MAX_RULES], out[CONTROL_MAX_RULES];

		if (!node->peers[i].peer)
			continue;
		const struct control_peer *p = peer_info(node->peers[i].peer);
		size_t n_in = convert_rules(&p->access_in, in);
		size_t n_out = convert_rules(&p->access_out, out);
		if (filter_rules_add(rules, p->id, in, n_in, out, n_out) != 0)
			log_peer_trouble("filter", "rule-left-out", p, "out of memory");
	}
	const struct filter_rules *old = filter_publish(node->filter, rules);
	engine_retire(node->engine, (void *)(uintptr_t)old, release_rules);
}

/* ---- the map as heard ---- */

static struct control_peer *find_in_map(struct control_map *map, uint32_t id)
{
	for (size_t i = 0; i < map->n_peers; i++)
		if (map->peers[i].id == id)
			return &map->peers[i];
	return NULL;
}

static int upsert(struct control_map *map, const struct control_peer *p)
{
	struct control_peer *known = find_in_map(map, p->id);

	if (!known) {
		struct control_peer *grown =
			realloc(map->peers, (map->n_peers + 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		map->peers = grown;
		known = &map->peers[map->n_peers++];
	}
	*known = *p;
	return 0;
}

static void remove_from_map(struct control_map *map, uint32_t id)
{
	struct control_peer *known = find_in_map(map, id);

	if (known)
		*known = map->peers[--map->n_peers];
}

static bool is_in(const struct control_map *map, uint32_t id)
{
	for (size_t i = 0; i < map->n_peers; i++)
		if (map->peers[i].id == id)
			return true;
	return false;
}

/* A full map: whoever is not in it is gone. */
static void forget_absent(struct node *node, const struct control_map *news)
{
	for (size_t i = node->n_peers; i-- > 0;) {
		uint32_t id = node->peers[i].id;

		if (is_in(news, id))
			continue;
		remove_from_map(&node->map.map, id);
		remove_entry(node, id);
	}
}

static void take_map(struct node *node, const struct control_map *news, uint64_t now_us)
{
	if (news->full)
		forget_absent(node, news);
	for (size_t i = 0; i < news->n_removed; i++) {
		remove_from_map(&node->map.map, news->removed[i]);
		remove_entry(node, news->removed[i]);
	}
	for (size_t i = 0; i < news->n_peers; i++) {
		if (upsert(&node->map.map, &news->peers[i]) != 0)
			log_error("map", log_event("out-of-memory"));
		apply_peer(node, &news->peers[i], now_us);
	}
	node->map.map.number = news->number;
	node->map.heard_unix_s = unix_s();
	node->has_map = true;
	publish_rules(node);
	node_reach_hold(node);
}

static void save_trust(struct node *node)
{
	if (!node->trust.changed)
		return;
	node->trust.changed = false;
	node_warn_state(node, state_save_trust(&node->state, &node->trust));
}

static void on_map(struct node *node, const struct control_map *news)
{
	uint64_t now_us = clock_now_us();

	take_map(node, news, now_us);
	coordinator_link_ack(node->link, news->number);
	if (node->map_save_us == US_NEVER)
		node->map_save_us = now_us + map_save_after_us;
	node_commands_on_change(node);
	node_arm(node);
}

static void on_relays(struct node *node, const char *text)
{
	struct json_error err = {0};
	struct derp_map *map;

	if (derp_map_parse(text, strlen(text), &map, &err) != 0) {
		log_warn("map", log_event("relay-map-refused"), log_str("error", err.text));
		return;
	}
	node_warn_state(node, state_save_relays(&node->state, text));
	node_reach_set_relay_map(node, map, clock_now_us());
}

/* ---- the link ---- */

static void record_return(struct node *node)
{
	struct event event = event_make(EVENT_COORDINATOR, CODE_COORDINATOR_UNREACHABLE, 0, NULL,
					NULL, node->link_since_unix_us);

	event.end_unix_us = clock_unix_us();
	node_record(node, &event);
}

static void on_state(void *arg, bool connected, const char *error)
{
	struct node *node = arg;

	if (connected && !node->link_up && node->link_error[0] && node->link_since_unix_us != 0)
		record_return(node);
	if (connected != node->link_up)
		node->link_since_unix_us = clock_unix_us();
	if (connected)
		log_info("coordinator", log_event("connected"), log_str("url", node->id.url));
	else if (node->link_up || strcmp(node->link_error, error ? error : "") != 0)
		log_warn("coordinator", log_event("unreachable"), log_str("error", error));
	node->link_up = connected;
	node->refused = node->refused && !connected;
	snprintf(node->link_error, sizeof(node->link_error), "%s",
		 connected || !error ? "" : error);
	if (!connected)
		node_commands_on_link_failed(node);
	node_commands_on_change(node);
	node_arm(node);
}

static void on_message(void *arg, const struct control_message *m)
{
	struct node *node = arg;

	if (m->type == CONTROL_WELCOME)
		on_welcome(node, &m->welcome);
	else if (m->type == CONTROL_RELAYS)
		on_relays(node, m->relays);
	else if (m->type == CONTROL_MAP)
		on_map(node, &m->map);
	node_commands_on_change(node);
	node_arm(node);
}

static void on_refused(void *arg, const struct control_error *error)
{
	struct node *node = arg;

	log_error("coordinator", log_event("refused"),
		  log_str("code", control_error_str(error->code)), log_str("error", error->text));
	node->refused = true;
	node->link_up = false;
	snprintf(node->link_error, sizeof(node->link_error), "%s", error->text);
	node_commands_on_refused(node, error->text);
	if (error->code == CONTROL_REMOVED) { /* nobody in the mesh knows us any more */
		node->map.map.number = 0;
		while (node->n_peers > 0)
			remove_entry(node, node->peers[0].id);
		node->map.map.n_peers = 0;
		publish_rules(node);
	}
	node_arm(node);
}

const struct coordinator_link_ops node_coordinator_ops = {
	.make_hello = make_hello,
	.on_state = on_state,
	.on_message = on_message,
	.on_refused = on_refused,
};

/* ---- disk ---- */

static void load_relays(struct node *node, uint64_t now_us)
{
	struct json_error err = {0};
	struct derp_map *map;
	char *text;
	int rc = state_load_relays(&node->state, &text);

	node_warn_state(node, rc);
	if (rc != 0)
		return;
	if (derp_map_parse(text, strlen(text), &map, &err) == 0)
		node_reach_set_relay_map(node, map, now_us);
	else
		log_warn("state", log_event("relay-map-damaged"), log_str("error", err.text));
	free(text);
}

void node_load_map(struct node *node, uint64_t now_us)
{
	uint64_t age_s, max_s = node->settings->map_max_age_us / US_PER_S;
	struct state_map saved;

	if (node->id.id == 0)
		return;
	load_relays(node, now_us);
	int rc = state_load_map(&node->state, &saved);
	node_warn_state(node, rc);
	if (rc != 0)
		return;
	age_s = unix_s() > saved.heard_unix_s ? unix_s() - saved.heard_unix_s : 0;
	if (age_s > max_s) {
		log_warn("map", log_event("too-old"), log_u64("days", age_s / 86400));
		state_map_wipe(&saved);
		return;
	}
	if (age_s > MAP_WARN_AFTER_S)
		log_warn("map", log_event("old"), log_u64("days", age_s / 86400));
	node->map.epoch = saved.epoch;
	take_map(node, &saved.map, now_us);
	node->map.heard_unix_s = saved.heard_unix_s;
	state_map_wipe(&saved);
}

void node_apply_map(struct node *node, uint64_t now_us)
{
	save_trust(node);
	if (!node->on)
		return;
	for (size_t i = 0; i < node->map.map.n_peers; i++)
		apply_peer(node, &node->map.map.peers[i], now_us);
	publish_rules(node);
	node_arm(node);
}

void node_save_map(struct node *node)
{
	save_trust(node);
	node_warn_state(node, state_save_map(&node->state, &node->map));
}

void node_drop_map(struct node *node)
{
	while (node->n_peers > 0)
		remove_entry(node, node->peers[0].id);
	free(node->peers);
	node->peers = NULL;
	node->cap_peers = 0;
	key_map_free(&node->by_disco);
	key_map_free(&node->by_node);
	state_map_wipe(&node->map);
	node->has_map = false;
}

void node_save_warm(struct node *node)
{
	struct state_warm list[STATE_WARM_MAX];
	uint64_t now_us = clock_now_us();
	size_t n = 0;

	for (size_t i = 0; i < node->n_peers && n < STATE_WARM_MAX; i++) {
		struct peer *peer = node->peers[i].peer;

		if (!peer || !peer_is_active(peer, now_us))
			continue;
		const struct way *way = &path_peer_choice(peer_path(peer))->first;
		list[n] = (struct state_warm){.id = node->peers[i].id, .active_unix_s = unix_s()};
		if (way->kind == WAY_DIRECT)
			list[n].endpoint = way->addr;
		n++;
	}
	node_warn_state(node, state_save_warm(&node->state, list, n));
	if (n > 0)
		node->warm_save_us = now_us + warm_every_us;
}

void node_warm_start(struct node *node, uint64_t now_us)
{
	struct state_warm list[STATE_WARM_MAX];
	size_t n = STATE_WARM_MAX;

	node_warn_state(node, state_load_warm(&node->state, list, &n));
	for (size_t i = 0; i < n; i++) {
		struct peer *peer = node_find_peer(node, list[i].id);

		if (peer && list[i].active_unix_s + WARM_FOR_S >= unix_s())
			peer_warm(peer, &list[i].endpoint, now_us);
	}
}
