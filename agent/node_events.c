/*
 * node_events: what the engine and the peers tell, and what the node lends the peers.
 */
#include "agent/node_inside.h"

#include <sodium.h>

#include "common/clock.h"

/* ---- the engine's events ---- */

/* Other threads' times lag a little behind main's: cores are given main's, so that for them time
 * never goes back. */
void node_on_disco(struct node *node, const uint8_t *buf, size_t len, const struct way *from,
		   const struct public_key *vouched)
{
	struct public_key sender;
	struct peer *peer = disco_sender(buf, len, &sender) == 0
				    ? key_map_find(&node->by_disco, &sender)
				    : NULL;

	if (!peer || (vouched && key_map_find(&node->by_node, vouched) != peer))
		node->disco_strangers++;
	else if (peer_on_disco(peer, buf, len, from, clock_now_us()) != 0)
		node->disco_refused++;
	else
		node->disco_taken++;
	node_arm(node);
}

static void on_datagram(void *arg, enum engine_datagram kind, const uint8_t *buf, size_t len,
			const struct endpoint *from, uint64_t lane_us)
{
	struct node *node = arg;
	struct way way = way_direct(*from);

	(void)lane_us;
	if (kind == ENGINE_STUN)
		node_reach_on_stun(node, buf, len, from, clock_now_us());
	else
		node_on_disco(node, buf, len, &way, NULL);
}

static void on_handshake_send(void *arg, void *user, const uint8_t *buf, size_t len,
			      const struct way *reply_to, bool is_retry)
{
	if (user)
		peer_on_handshake_send(user, buf, len, reply_to, is_retry, clock_now_us());
	node_arm(arg);
}

static void on_handshake_done(void *arg, void *user, uint64_t lane_us)
{
	(void)lane_us;
	peer_on_handshake_done(user, clock_now_us());
	log_debug("wg", log_event("handshake"), log_str("peer", peer_full_name(user)));
	node_plan_warm_save(arg);
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
	node_warn_state(node, state_save_reserve(&node->state, &node->reserve));
}

static void on_filter_saved(void *arg, const uint8_t *buf, size_t len)
{
	struct node *node = arg;

	node_warn_state(node, state_save_flows(&node->state, buf, len));
}

const struct engine_ops node_engine_ops = {
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
	node_plan_warm_save(node);
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

void node_init_env(struct node *node)
{
	node->env = (struct peer_env){
		.engine = node->engine,
		.disco_keys = &node->disco_keys,
		.rules = &node->rules,
		.obstacle = node->settings->relay_only ? PATH_RELAY_ONLY : PATH_NO_OBSTACLE,
		.send_relay = node_relays_send,
		.next_serial = node_next_serial,
		.own_endpoints = node_reach_own_endpoints,
		.ask_endpoints = node_reach_ask,
		.on_moved = on_moved,
		.on_event = on_peer_event,
		.on_sample = on_peer_sample,
		.on_pong = on_peer_pong,
		.arg = node,
	};
	disco_keys_set(&node->disco_keys, &node->id.disco, &node->id.disco_old);
	secret_key_public(&node->id.node, &node->env.node_public);
}
