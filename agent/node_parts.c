/*
 * node_parts: on and off. Opens and closes TUN, filter, engine, relay thread, links and watches, in
 * order and in reverse.
 */
#include "agent/node_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/filter/filter.h"
#include "agent/filter/filter_rules.h"
#include "agent/tunnel/uapi_socket.h"
#include "common/clock.h"

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
};

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
	node_warn_state(node, err);
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
		.ops = &node_engine_ops,
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
		.ops = &node_coordinator_ops,
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
	node_init_env(node);
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
		node_warn_state(node, state_save_flows(&node->state, buf, len));
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
void node_stop_parts(struct node *node)
{
	node_commands_on_off(node);
	coordinator_link_free(node->link);
	node->link = NULL;
	node->link_up = false;
	node_drop_peers(node);
	node_keys_drop(node);
	disco_keys_wipe(&node->disco_keys);
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

static void save_at_exit(struct node *node)
{
	node_save_refused(node);
	node_save_warm(node); /* who talked with us hears of it when we are back soon */
	node_map_heard(node);
	node_save_due_map(node);
}

void node_turn_off(struct node *node)
{
	char name[TUN_NAME_LEN];

	if (!node->on)
		return;
	memcpy(name, node->tun.name, sizeof(name));
	tell_peers(node, DISCO_LEAVING);
	save_at_exit(node);
	node_stop_parts(node);
	node->tun.name[0] = '\0';
	if (name[0] && tun_delete(name) != 0)
		log_warn("node", log_event("interface-stays"), log_str("interface", name));
	log_info("node", log_event("off"));
	node_arm(node);
}

int node_turn_on(struct node *node, char error[static NODE_ERROR_LEN])
{
	uint64_t now_us = clock_now_us();

	node->on = true;
	node->refused = node->is_removed = false;
	node->map_save_us = node->warm_save_us = US_NEVER;
	node->keys_due_us = now_us;
	node->link_error[0] = '\0';
	node->link_since_unix_us = 0;
	int err = turn_on_parts(node, error);
	if (err == 0)
		err = start_link(node, error);
	if (err != 0) { /* the interface stays: without it, what is for the mesh would leave in the
			 * clear */
		node_stop_parts(node);
		node_arm(node);
		return err;
	}
	start_uapi(node);
	if (node->id.port != engine_port(node->engine)) {
		node->id.port = engine_port(node->engine);
		node_save_identity(node);
	}
	node->flows_due_us = now_us + node_flows_every_us;
	node_load_map(node, now_us);
	node_warm_start(node, now_us);
	log_info("node", log_event("on"), log_str("interface", engine_tun_name(node->engine)),
		 log_u64("port", engine_port(node->engine)));
	node_arm(node);
	return 0;
}

void node_leave_for_restart(struct node *node)
{
	node_hold_tun(node);
	tell_peers(node, DISCO_RESTARTING);
	node_warn_state(node, state_save_stopped(&node->state, clock_unix_us()));
	save_at_exit(node);
	node_stop_parts(node);
}
