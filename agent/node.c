#include "agent/node_inside.h"

#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "agent/filter/filter.h"
#include "agent/filter/filter_rules.h"
#include "agent/system/interface.h"
#include "agent/tunnel/uapi_socket.h"
#include "common/clock.h"
#include "common/statefile.h"

static_assert(sizeof(struct relay_ring_head) == sizeof(struct engine_relay_head) &&
		      offsetof(struct relay_ring_head, key) ==
			      offsetof(struct engine_relay_head, key) &&
		      (int)RELAY_RING_COPY == (int)ENGINE_RELAY_COPY &&
		      (int)RELAY_RING_SPARSE == (int)ENGINE_RELAY_SPARSE &&
		      (int)RELAY_RING_URGENT == (int)ENGINE_RELAY_URGENT,
	      "the lane and the relay thread speak of the same ring records");

enum {
	TO_RELAY_BYTES = 1 << 20,
	FROM_RELAY_BYTES = 1 << 20,
	INNER_MTU = 1280, /* until the path MTU is known */
	SERIALS_RESERVED = 1 << 20,
};

static const uint64_t flows_every_us = 1 * US_PER_S;
static const uint64_t late_from_us = 50 * US_PER_MS;
static const uint64_t asleep_from_us = 2 * US_PER_S;

/* ---- small services ---- */

struct peer *node_find_peer(struct node *node, uint32_t id)
{
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].id == id)
			return node->peers[i].peer;
	return NULL;
}

static void warn_state(struct node *node, int err)
{
	if (err != 0 && err != -ENOENT)
		log_warn("state", log_event("disk"), log_str("error", node->state.error));
}

static void on_save_failed(void *arg, const char *path, int err)
{
	struct node *node = arg;

	state_explain_write(&node->state, path, err);
	warn_state(node, err);
}

void node_save_identity(struct node *node)
{
	warn_state(node, state_save_identity(&node->state, &node->id));
}

void node_record(struct node *node, const struct event *event)
{
	int before = recorder_error(node->recorder);

	recorder_add_event(node->recorder, event);
	int now = recorder_error(node->recorder);
	if (now != before && now != 0)
		log_warn("history", log_event("memory-only"), log_str("error", strerror(-now)));
}

/* Numbers are reserved on disk in blocks, so that a crash reuses none. */
uint64_t node_next_serial(void *arg)
{
	struct node *node = arg;

	if (node->serial >= node->reserve.serial) {
		node->reserve.serial = node->serial + SERIALS_RESERVED;
		warn_state(node, state_save_reserve(&node->state, &node->reserve));
	}
	return ++node->serial;
}

/* ---- the engine's events ---- */

/* Other threads' times lag a little behind main's: cores are given main's, so that for them time
 * never goes back. */
static void on_datagram(void *arg, enum engine_datagram kind, const uint8_t *buf, size_t len,
			const struct endpoint *from, uint64_t lane_us)
{
	struct node *node = arg;
	uint64_t now_us = clock_now_us();
	struct public_key sender;
	struct way way = way_direct(*from);

	(void)lane_us;
	if (kind == ENGINE_STUN) {
		node_reach_on_stun(node, buf, len, from, now_us);
		return;
	}
	struct peer *peer = disco_sender(buf, len, &sender) == 0
				    ? key_map_find(&node->by_disco, &sender)
				    : NULL;
	if (!peer)
		node->strangers++;
	else if (peer_on_disco(peer, buf, len, &way, now_us) != 0)
		node->refused_disco++;
	node_arm(node);
}

static void on_handshake_send(void *arg, void *user, const uint8_t *buf, size_t len,
			      const struct way *reply_to, bool is_retry)
{
	(void)is_retry;
	if (user)
		peer_on_handshake_send(user, buf, len, reply_to, clock_now_us());
	node_arm(arg);
}

static void on_handshake_done(void *arg, void *user, uint64_t lane_us)
{
	(void)lane_us;
	peer_on_handshake_done(user, clock_now_us());
	log_debug("wg", log_event("handshake"), log_str("peer", peer_full_name(user)));
	node_commands_on_change(arg);
	node_arm(arg);
}

static void on_handshake_failed(void *arg, void *user)
{
	(void)arg;
	log_info("wg", log_event("handshake-gave-up"), log_str("peer", peer_full_name(user)));
}

static void on_traffic(void *arg, void *user, uint64_t lane_us)
{
	(void)lane_us;
	peer_on_traffic(user, clock_now_us());
	node_arm(arg);
}

static void on_send_error(void *arg, void *user, int error)
{
	peer_on_send_error(user, error, clock_now_us());
	node_arm(arg);
}

static void on_tai_reserved(void *arg, uint64_t unix_us)
{
	struct node *node = arg;

	node->reserve.tai_unix_us = unix_us;
	warn_state(node, state_save_reserve(&node->state, &node->reserve));
}

static void on_filter_saved(void *arg, const uint8_t *buf, size_t len)
{
	struct node *node = arg;

	warn_state(node, state_save_flows(&node->state, buf, len));
}

static const struct engine_ops engine_ops = {
	.on_datagram = on_datagram,
	.on_handshake_send = on_handshake_send,
	.on_handshake_done = on_handshake_done,
	.on_handshake_failed = on_handshake_failed,
	.on_traffic = on_traffic,
	.on_send_error = on_send_error,
	.on_tai_reserved = on_tai_reserved,
	.on_filter_saved = on_filter_saved,
};

/* ---- the peers' events ---- */

static void on_moved(void *arg, struct peer *peer, const struct path_choice *choice)
{
	char from[WAY_TEXT_LEN], to[WAY_TEXT_LEN];

	way_str(&choice->from, from);
	way_str(&choice->first, to);
	log_info("path", log_event("moved"), log_str("peer", peer_full_name(peer)),
		 log_str("from", from), log_str("to", to), log_str("code", choice->why_code),
		 log_str("why", choice->why));
	struct node *node = arg;
	if (node->warm_save_us == US_NEVER)
		node->warm_save_us = clock_now_us() + US_PER_S;
	node_commands_on_change(node);
}

static void on_peer_event(void *arg, const struct event *event)
{
	node_record(arg, event);
}

static void on_peer_sample(void *arg, const struct sample *sample)
{
	struct node *node = arg;

	recorder_add_sample(node->recorder, sample);
}

static void on_peer_pong(void *arg, struct peer *peer, const uint8_t txid[static DISCO_TXID_LEN],
			 uint64_t now_us)
{
	node_commands_on_pong(arg, peer, txid, now_us);
}

static void init_env(struct node *node)
{
	node->env = (struct peer_env){
		.engine = node->engine,
		.disco_secret = &node->id.disco,
		.rules = &node->rules,
		.relay_only = node->settings->relay_only,
		.send_relay = node_reach_send_relay,
		.next_serial = node_next_serial,
		.own_endpoints = node_reach_own_endpoints,
		.ask_endpoints = node_reach_ask,
		.on_moved = on_moved,
		.on_event = on_peer_event,
		.on_sample = on_peer_sample,
		.on_pong = on_peer_pong,
		.arg = node,
	};
	secret_key_public(&node->id.disco, &node->env.disco_public);
	secret_key_public(&node->id.node, &node->env.node_public);
}

/* ---- time ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_deadline_us(const struct node *node)
{
	uint64_t next_us = node_commands_deadline_us(node);

	if (node->on) {
		next_us = sooner(next_us, node_reach_deadline_us(node));
		next_us = sooner(next_us, node->flows_due_us);
		next_us = sooner(next_us, node->map_save_us);
		next_us = sooner(next_us, node->warm_save_us);
		for (size_t i = 0; i < node->n_peers; i++)
			if (node->peers[i].peer)
				next_us = sooner(next_us, peer_deadline_us(node->peers[i].peer));
	}
	return next_us;
}

/* What is due already ("at once" is written as 0) counts as due from now on, so that armed_us says
 * truly how late the timer then comes. */
void node_arm(struct node *node)
{
	uint64_t next_us = next_deadline_us(node), now_us = clock_now_us();

	if (next_us <= now_us) {
		if (node->armed_us <= now_us)
			return; /* the timer is on its way */
		next_us = now_us;
	}
	if (next_us != node->armed_us) {
		node->armed_us = next_us;
		loop_timer_set(node->timer, next_us);
	}
}

/* How long the machine has slept: the clock that counts in sleep runs ahead of the one that stops.
 */
static uint64_t slept_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	uint64_t awake_us = (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / 1000;
	return clock_now_us() - awake_us;
}

static void notice_sleep(struct node *node, uint64_t now_us)
{
	uint64_t asleep_us = slept_us();
	uint64_t nap_us = asleep_us > node->asleep_us ? asleep_us - node->asleep_us : 0;

	if (nap_us < asleep_from_us)
		return;
	node->asleep_us = asleep_us;
	uint64_t unix_us = clock_unix_us();
	struct event event = event_make(EVENT_SLEEP, CODE_ASLEEP, 0, NULL, NULL, unix_us - nap_us);
	event.end_unix_us = unix_us;
	node_record(node, &event);
	log_info("node", log_event("woke"), log_u64("slept_s", nap_us / US_PER_S));
	if (node->on)
		node_reach_changed(node, "asleep", now_us);
}

static void notice_lateness(struct node *node, uint64_t now_us)
{
	uint64_t late_us = now_us > node->armed_us ? now_us - node->armed_us : 0;

	if (late_us < late_from_us)
		return;
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer)
			peer_on_late(node->peers[i].peer, late_us);
}

static void peers_on_deadline(struct node *node, uint64_t now_us)
{
	for (size_t i = 0; i < node->n_peers; i++) {
		struct peer *peer = node->peers[i].peer;

		if (peer && peer_deadline_us(peer) <= now_us)
			peer_on_deadline(peer, now_us);
	}
}

static void on_saves_due(struct node *node, uint64_t now_us)
{
	if (now_us >= node->map_save_us) {
		node->map_save_us = US_NEVER;
		node_save_map(node);
	}
	if (now_us >= node->warm_save_us) {
		node->warm_save_us = US_NEVER;
		node_save_warm(node);
	}
	if (now_us >= node->flows_due_us) {
		uint64_t changes = filter_changes(node->filter);

		node->flows_due_us = now_us + flows_every_us;
		if (changes != node->flows_saved_changes)
			engine_save_filter(node->engine);
		node->flows_saved_changes = changes;
	}
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct node *node = arg;

	notice_sleep(node, now_us);
	notice_lateness(node, now_us);
	node->armed_us = US_NEVER;
	node_commands_on_deadline(node, now_us);
	if (node->on) {
		node_reach_on_deadline(node, now_us);
		peers_on_deadline(node, now_us);
		on_saves_due(node, now_us);
	}
	node_arm(node);
}

/* ---- on and off ---- */

static int explain_tun(const struct node *node, int err, char error[static NODE_ERROR_LEN])
{
	const char *name = node->settings->tun;

	if (err == -EBUSY)
		snprintf(error, NODE_ERROR_LEN,
			 "the interface %s is held by another process: stop that one, or choose "
			 "another name with --tun",
			 name);
	else if (err == -EPERM || err == -EACCES)
		snprintf(error, NODE_ERROR_LEN,
			 "not allowed to make the interface %s: run as root, or give warrend "
			 "CAP_NET_ADMIN and access to /dev/net/tun",
			 name);
	else if (err == -ENOENT || err == -ENXIO || err == -ENODEV)
		snprintf(error, NODE_ERROR_LEN,
			 "this machine has no /dev/net/tun: load the tun module, or give the "
			 "container that device");
	else
		snprintf(error, NODE_ERROR_LEN, "cannot make the interface %s: %s", name,
			 strerror(-err));
	return err;
}

static int open_tun(struct node *node, char error[static NODE_ERROR_LEN])
{
	struct tun_config config = {
		.name = node->settings->tun, .persistent = true, .mtu_bytes = INNER_MTU};
	int err = tun_open(&config, &node->tun);

	return err == 0 ? 0 : explain_tun(node, err, error);
}

static int open_filter(struct node *node, char error[static NODE_ERROR_LEN])
{
	uint8_t seed[FILTER_SEED_LEN], *flows;
	size_t len;

	randombytes_buf(seed, sizeof(seed));
	node->filter = filter_new(FILTER_FLOWS_DEFAULT, seed);
	if (!node->filter) {
		snprintf(error, NODE_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	int err = state_load_flows(&node->state, &flows, &len);
	warn_state(node, err);
	if (err != 0)
		return 0;
	if (filter_load(node->filter, flows, len, clock_now_us()) != 0)
		log_warn("filter", log_event("flows-damaged"));
	free(flows);
	return 0;
}

/* The port of last time, so that NATs and firewalls that know it go on knowing it; any other where
 * somebody has taken it meanwhile and nobody asked for exactly this one. */
static int open_engine(struct node *node, char error[static NODE_ERROR_LEN])
{
	struct engine_config config = {
		.base = node->base,
		.tun = &node->tun,
		.secret = node->id.node,
		.mss_mtu_bytes = INNER_MTU,
		.to_relay = node->to_relay,
		.from_relay = node->from_relay,
		.filter = node->filter,
		.tai_reserved_us = node->reserve.tai_unix_us,
		.ops = &engine_ops,
		.arg = node,
	};
	bool fixed = node->settings->port != 0;

	config.port = fixed ? (uint16_t)node->settings->port : node->id.port;
	int err = engine_new(&config, &node->engine);
	if (err == -EADDRINUSE && !fixed && config.port != 0) {
		config.port = 0;
		err = engine_new(&config, &node->engine);
	}
	secret_key_wipe(&config.secret);
	if (err == -EADDRINUSE)
		snprintf(error, NODE_ERROR_LEN,
			 "UDP port %u is in use: stop what uses it, or choose another --port",
			 config.port);
	else if (err != 0)
		snprintf(error, NODE_ERROR_LEN, "cannot open UDP sockets: %s", strerror(-err));
	return err;
}

static int start_relays(struct node *node, char error[static NODE_ERROR_LEN])
{
	struct relay_thread_config config = {
		.base = node->base,
		.node_secret = node->id.node,
		.ca_file = node->settings->ca_file,
		.from_lane = node->to_relay,
		.to_lane = node->from_relay,
		.ops = &node_relay_ops,
		.arg = node,
	};
	int err = relay_thread_start(&config, &node->relay_thread, error);

	secret_key_wipe(&config.node_secret);
	return err;
}

static int start_link(struct node *node, char error[static NODE_ERROR_LEN])
{
	struct coordinator_link_config config = {
		.base = node->base,
		.url = node->id.url,
		.pin = node->id.has_pin ? node->id.pin : NULL,
		.ca_file = node->settings->ca_file,
		.machine = &node->id.machine,
		.ops = &node_link_ops,
		.arg = node,
	};

	return coordinator_link_new(&config, &node->link, error);
}

/* `wg show` on our interface, read-only. Another process's socket of that name is left alone. */
static void start_uapi(struct node *node)
{
	const char *name = engine_tun_name(node->engine);
	int err = uapi_socket_open(name, &node->uapi);

	if (err == 0)
		err = uapi_socket_serve(node->uapi, node->base, node->engine, false, NULL, NULL);
	if (err != 0) {
		log_warn("uapi", log_event("unavailable"), log_str("interface", name),
			 log_str("error", strerror(-err)));
		uapi_socket_close(node->uapi);
		node->uapi = NULL;
	}
}

static int turn_on_parts(struct node *node, char error[static NODE_ERROR_LEN])
{
	int err = open_tun(node, error);

	if (err == 0)
		err = open_filter(node, error);
	if (err != 0)
		return err;
	node->to_relay = ring_new(TO_RELAY_BYTES);
	node->from_relay = ring_new(FROM_RELAY_BYTES);
	if (!node->to_relay || !node->from_relay) {
		snprintf(error, NODE_ERROR_LEN, "out of memory or file descriptors");
		return -ENOMEM;
	}
	err = open_engine(node, error);
	if (err == 0)
		err = start_relays(node, error);
	if (err != 0)
		return err;
	init_env(node);
	err = node_reach_start(node, error);
	if (err == 0 && node->id.id != 0)
		err = node_configure_tun(node, error);
	return err;
}

/* The lanes have ended by then, so the table is ours to save. */
static void save_flows_at_exit(struct node *node)
{
	size_t cap = filter_save_max(node->filter), len;
	uint8_t *buf = malloc(cap);

	if (buf && filter_save(node->filter, buf, cap, &len, clock_now_us()) == 0)
		warn_state(node, state_save_flows(&node->state, buf, len));
	free(buf);
}

static void close_filter(struct node *node)
{
	if (!node->filter)
		return;
	save_flows_at_exit(node);
	const struct filter_rules *rules = filter_publish(node->filter, NULL);
	filter_rules_free((struct filter_rules *)(uintptr_t)rules);
	filter_free(node->filter);
	node->filter = NULL;
}

/* Everything but the interface itself goes, in reverse; commands first, which borrow the rest. */
static void stop_parts(struct node *node)
{
	node_commands_on_off(node);
	coordinator_link_free(node->link);
	node->link = NULL;
	node->link_up = false;
	node_drop_map(node);
	node_reach_stop(node);
	relay_thread_stop(node->relay_thread);
	node->relay_thread = NULL;
	uapi_socket_close(node->uapi);
	node->uapi = NULL;
	if (node->engine)
		engine_free(node->engine); /* closes the TUN's queue */
	else if (node->tun.fd >= 0)
		tun_close(&node->tun);
	node->engine = NULL;
	node->tun.fd = -1;
	ring_free(node->to_relay);
	ring_free(node->from_relay);
	node->to_relay = node->from_relay = NULL;
	close_filter(node);
	node->on = false;
}

static void tell_peers(struct node *node, enum disco_notice_reason reason)
{
	uint64_t now_us = clock_now_us();

	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer && peer_is_active(node->peers[i].peer, now_us))
			peer_send_notice(node->peers[i].peer, reason);
}

/* Without a word, as where coming up failed half-way. */
static void turn_off(struct node *node)
{
	char name[TUN_NAME_LEN];

	memcpy(name, node->tun.name, sizeof(name));
	stop_parts(node);
	node->tun.name[0] = '\0';
	if (name[0] && tun_delete(name) != 0)
		log_warn("node", log_event("interface-stays"), log_str("interface", name));
	node_arm(node);
}

void node_turn_off(struct node *node)
{
	if (!node->on)
		return;
	tell_peers(node, DISCO_LEAVING);
	turn_off(node);
	log_info("node", log_event("off"));
}

int node_turn_on(struct node *node, char error[static NODE_ERROR_LEN])
{
	uint64_t now_us = clock_now_us();

	node->on = true;
	node->refused = false;
	node->map_save_us = node->warm_save_us = US_NEVER;
	node->link_error[0] = '\0';
	node->link_since_unix_us = 0;
	int err = turn_on_parts(node, error);
	if (err == 0)
		err = start_link(node, error);
	if (err != 0) {
		turn_off(node);
		return err;
	}
	start_uapi(node);
	if (node->id.port != engine_port(node->engine)) {
		node->id.port = engine_port(node->engine);
		node_save_identity(node);
	}
	node->flows_due_us = now_us + flows_every_us;
	node_load_map(node, now_us);
	node_warm_start(node, now_us);
	log_info("node", log_event("on"), log_str("interface", engine_tun_name(node->engine)),
		 log_u64("port", engine_port(node->engine)));
	node_arm(node);
	return 0;
}

/* The process ends, the interface stays: what is for the mesh is dropped meanwhile, never sent in
 * the clear. */
static void leave_for_restart(struct node *node)
{
	tell_peers(node, DISCO_RESTARTING);
	node->reserve.stopped_unix_us = clock_unix_us();
	warn_state(node, state_save_reserve(&node->state, &node->reserve));
	node_save_warm(node);
	if (node->map_save_us != US_NEVER)
		node_save_map(node);
	stop_parts(node);
}

/* ---- life ---- */

static int load_identity(struct node *node, char error[static NODE_ERROR_LEN])
{
	uint8_t random[96];
	int err = state_load_identity(&node->state, &node->id);

	if (err == -ENOENT) {
		randombytes_buf(random, sizeof(random));
		state_identity_new(&node->id, random);
		sodium_memzero(random, sizeof(random));
		err = state_save_identity(&node->state, &node->id);
	}
	if (err != 0)
		snprintf(error, NODE_ERROR_LEN, "%s", node->state.error);
	return err;
}

static int load_state(struct node *node, char error[static NODE_ERROR_LEN])
{
	int err = state_open(&node->state, node->settings->state_dir);

	if (err == 0)
		err = load_identity(node, error);
	else
		snprintf(error, NODE_ERROR_LEN, "%s", node->state.error);
	if (err != 0)
		return err;
	err = state_load_reserve(&node->state, &node->reserve);
	if (err == 0 || err == -ENOENT)
		err = state_load_trust(&node->state, &node->trust);
	if (err == -ENOENT)
		err = 0;
	if (err != 0)
		snprintf(error, NODE_ERROR_LEN, "%s", node->state.error);
	node->serial = node->reserve.serial;
	return err;
}

/* The token of --token, --token-file or an invitation; a saved identity needs none. */
static int read_token(struct node *node, const struct invitation *invitation,
		      char error[static NODE_ERROR_LEN])
{
	const struct settings *s = node->settings;
	char *text = NULL;
	size_t len;

	if (invitation->token[0]) {
		snprintf(node->token, sizeof(node->token), "%s", invitation->token);
	} else if (s->token) {
		snprintf(node->token, sizeof(node->token), "%s", s->token);
	} else if (s->token_file) {
		int err = statefile_read(s->token_file, CONTROL_TOKEN_LEN - 1, &text, &len);

		if (err != 0) {
			snprintf(error, NODE_ERROR_LEN, "cannot read the token file %s: %s",
				 s->token_file, strerror(-err));
			return err;
		}
		snprintf(node->token, sizeof(node->token), "%s", text);
		node->token[strcspn(node->token, "\r\n \t")] = '\0';
		sodium_memzero(text, len);
		free(text);
	}
	return 0;
}

static int parse_coordinator(const char *text, struct invitation *out,
			     char error[static NODE_ERROR_LEN])
{
	struct http_url url;

	*out = (struct invitation){0};
	if (strncmp(text, "warren:", 7) == 0) {
		if (invitation_parse(text, out) == 0)
			return 0;
		snprintf(error, NODE_ERROR_LEN,
			 "that is no invitation: paste the whole line, "
			 "warren://host:port/#token=...&pin=...");
		return -EINVAL;
	}
	if (http_url_parse(text, &url) != 0 || !url.tls || strlen(text) >= sizeof(out->url)) {
		snprintf(error, NODE_ERROR_LEN,
			 "--coordinator: not https://host[:port] and no invitation");
		return -EINVAL;
	}
	snprintf(out->url, sizeof(out->url), "%s", text);
	size_t len = strlen(out->url);
	if (out->url[len - 1] == '/')
		out->url[len - 1] = '\0';
	return 0;
}

static int apply_coordinator(struct node *node, char error[static NODE_ERROR_LEN])
{
	const struct settings *s = node->settings;
	struct invitation invitation = {0};

	if (s->role && node->id.id == 0 && control_role_parse(s->role, &node->id.role) != 0)
		return -EINVAL;
	if (s->name && node->id.id == 0) {
		if (!control_name_valid(s->name)) {
			snprintf(error, NODE_ERROR_LEN,
				 "--name: 1 to 63 of a-z, 0-9 and '-', such as dev-2");
			return -EINVAL;
		}
		snprintf(node->id.name, sizeof(node->id.name), "%s", s->name);
	}
	if (!s->coordinator)
		return 0;
	int err = parse_coordinator(s->coordinator, &invitation, error);
	if (err != 0)
		return err;
	if (node->id.url[0] && strcmp(node->id.url, invitation.url) != 0) {
		snprintf(error, NODE_ERROR_LEN,
			 "this node belongs to %s, not to %s: use another --state-dir to join a "
			 "second mesh",
			 node->id.url, invitation.url);
		return -EINVAL;
	}
	if (node->id.id == 0) {
		memcpy(node->id.url, invitation.url, sizeof(node->id.url));
		node->id.has_pin = invitation.has_pin;
		memcpy(node->id.pin, invitation.pin, sizeof(node->id.pin));
		node->id.up = true;
		err = read_token(node, &invitation, error);
	}
	sodium_memzero(&invitation, sizeof(invitation));
	return err;
}

static int operator_uid(const char *name, uid_t *out, char error[static NODE_ERROR_LEN])
{
	*out = LOCAL_NO_OPERATOR;
	if (!name)
		return 0;
	const struct passwd *pw = getpwnam(name);
	if (!pw) {
		snprintf(error, NODE_ERROR_LEN, "--operator: there is no user %s", name);
		return -EINVAL;
	}
	*out = pw->pw_uid;
	return 0;
}

static void on_stop(void *arg)
{
	struct node *node = arg;

	loop_notify_stopping();
	if (node->on)
		leave_for_restart(node);
	loop_stop(node->base);
}

/* When the process before us ended: it said so, or it crashed after the last sample that it wrote.
 * 0: there was none. */
static uint64_t last_end_unix_us(const struct node *node)
{
	struct sample last;

	if (node->reserve.stopped_unix_us != 0)
		return node->reserve.stopped_unix_us;
	return recorder_last_sample(node->recorder, 0, &last) ? last.unix_us : 0;
}

static void record_restart(struct node *node)
{
	uint64_t unix_us = clock_unix_us(), start_unix_us = last_end_unix_us(node);

	/* From here on nothing is said of our own end: the next save of the reserve has it. */
	node->reserve.stopped_unix_us = 0;
	if (start_unix_us == 0 || start_unix_us > unix_us)
		return;
	struct event event = event_make(EVENT_DAEMON, CODE_RESTARTED, 0, NULL, NULL, start_unix_us);
	event.end_unix_us = unix_us;
	node_record(node, &event);
}

static int open_shells(struct node *node, char error[static NODE_ERROR_LEN])
{
	const struct settings *s = node->settings;
	uid_t operator;
	int err = operator_uid(s->operator, & operator, error);

	if (err == 0)
		err = local_server_new(node->base, s->socket, operator, & node_local_ops, node,
				       &node->local, error);
	if (err == 0 && s->metrics)
		err = http_metrics_start(node->base, s->metrics, node_fill_metrics, node,
					 &node->metrics, error);
	return err;
}

int node_new(const struct settings *settings, struct node **out, char error[static NODE_ERROR_LEN])
{
	struct node *node = calloc(1, sizeof(*node));
	int disk;

	if (!node) {
		snprintf(error, NODE_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	node->settings = settings;
	node->tun.fd = -1;
	node->armed_us = US_NEVER;
	node->asleep_us = slept_us();
	node->base = loop_base_new();
	node->timer = loop_timer_new(node->base, on_timer, node);
	node->signals = loop_signals_new(node->base, on_stop, NULL, node);
	int err = load_state(node, error);
	if (err == 0)
		err = apply_coordinator(node, error);
	if (err == 0) {
		node->saver = saver_new(node->base, on_save_failed, node);
		node->state.saver = node->saver;
		err = open_shells(node, error);
	}
	if (err == 0) {
		node->recorder = recorder_open(node->state.dir, &disk);
		if (disk != 0)
			log_warn("history", log_event("memory-only"),
				 log_str("error", strerror(-disk)));
		record_restart(node);
		if (node->id.url[0] && node->id.up)
			err = node_turn_on(node, error);
	}
	if (err != 0) {
		node_free(node);
		return err;
	}
	*out = node;
	return 0;
}

int node_run(struct node *node)
{
	if (!node->on)
		log_info("node", log_event("waiting"), log_str("hint", "warren up INVITATION"));
	loop_notify_ready();
	loop_run(node->base);
	return 0;
}

void node_free(struct node *node)
{
	if (!node)
		return;
	if (node->on)
		stop_parts(node);
	node_commands_drop(node);
	http_metrics_free(node->metrics);
	local_server_free(node->local);
	if (node->recorder)
		recorder_close(node->recorder);
	saver_free(node->saver);
	trust_book_free(&node->trust);
	loop_signals_free(node->signals);
	loop_timer_free(node->timer);
	loop_base_free(node->base);
	sodium_memzero(node, sizeof(*node));
	free(node);
}
