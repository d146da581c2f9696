#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tunnel/engine_inside.h"
#include "common/clock.h"

void engine_peer_post(struct engine_peer *peer, unsigned bits)
{
	mailbox_post(&peer->engine->lane.mailbox, &peer->lane.mail_to_lane, bits);
}

/* ---- life ---- */

static struct engine_peer *new_peer(struct engine *engine, const struct engine_peer_config *config)
{
	struct engine_peer *peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->engine = engine;
	peer->user = config->user;
	peer->lane.key = config->key;
	peer->lane.filter_id = config->filter_id;
	peer->lane.keeps_sealed = !engine->roaming;
	backlog_pair_init(&peer->lane.waiting, WAITING_HALF_BYTES, WAITING_PACKETS);
	if (peer->lane.keeps_sealed)
		resend_init(&peer->lane.sealed);
	return peer;
}

void engine_peer_free(void *arg)
{
	struct engine_peer *peer = arg;

	backlog_pair_wipe(&peer->lane.waiting);
	resend_wipe(&peer->lane.sealed);
	free(peer->prefixes);
	free(peer);
}

static void link_last(struct engine *engine, struct engine_peer *peer)
{
	peer->prev = engine->last;
	if (engine->last)
		engine->last->next = peer;
	else
		engine->first = peer;
	engine->last = peer;
}

static void unlink_peer(struct engine *engine, struct engine_peer *peer)
{
	if (peer->prev)
		peer->prev->next = peer->next;
	else
		engine->first = peer->next;
	if (peer->next)
		peer->next->prev = peer->prev;
	else
		engine->last = peer->prev;
}

static bool has_memory(const struct engine_peer *peer)
{
	const struct lane_peer *lane = &peer->lane;

	return backlog_pair_is_whole(&lane->waiting) &&
	       (!lane->keeps_sealed || backlog_pair_is_whole(&lane->sealed.kept));
}

int engine_peer_add(struct engine *engine, const struct engine_peer_config *config,
		    struct engine_peer **out)
{
	struct engine_peer *peer = new_peer(engine, config);

	if (!peer)
		return -ENOMEM;
	int err = has_memory(peer) ? wg_device_add_peer(engine->device, &config->key, config->psk,
							&peer->lane.traffic, &peer->lane, &peer->wg)
				   : -ENOMEM;
	if (err) {
		engine_peer_free(peer);
		return err;
	}
	link_last(engine, peer);
	engine_do_effects(engine);
	*out = peer;
	return 0;
}

void engine_peer_remove(struct engine_peer *peer)
{
	struct engine *engine = peer->engine;

	/* First all that leads lanes to the peer, then the order to let it go. */
	peer->is_removed = true;
	unlink_peer(engine, peer);
	allowed_ips_remove_peer(engine->routes, &peer->lane);
	engine_publish_routes(engine);
	atomic_store(&peer->lane.keypair, NULL);
	wg_device_remove_peer(engine->device, peer->wg);
	peer->wg = NULL;
	engine_do_effects(engine);
	choice_withdraw(&peer->lane.choice, &engine->view.quiet);
	peer->next = engine->leaving;
	engine->leaving = peer;
	engine_peer_post(peer, LANE_LEAVE);
}

static void stop_leaving(struct engine_peer *peer)
{
	struct engine_peer **at = &peer->engine->leaving;

	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
}

void engine_peer_on_left(struct engine_peer *peer)
{
	/* Records that name it were pushed before the lane's word: they are still in the ring. */
	engine_read_all_records(peer->engine);
	stop_leaving(peer);
	engine_retire(peer->engine, peer, engine_peer_free);
}

/* ---- finding ---- */

struct engine_peer *engine_peer_find(struct engine *engine, const struct public_key *key)
{
	struct wg_peer *wg = wg_device_find_peer(engine->device, key);

	return wg ? engine_peer_of_lane(wg_peer_user(wg)) : NULL;
}

struct engine_peer *engine_peer_next(struct engine *engine, const struct engine_peer *peer)
{
	return peer ? peer->next : engine->first;
}

const struct public_key *engine_peer_key(const struct engine_peer *peer)
{
	return &peer->lane.key;
}

void *engine_peer_user(const struct engine_peer *peer)
{
	return peer->user;
}

/* ---- settings ---- */

void engine_peer_set_psk(struct engine_peer *peer, const struct secret_key *psk)
{
	wg_device_set_psk(peer->wg, psk);
}

const struct secret_key *engine_peer_psk(const struct engine_peer *peer)
{
	return wg_peer_psk(peer->wg);
}

void engine_peer_set_keepalive(struct engine_peer *peer, uint16_t interval_s)
{
	struct wg_moment at = engine_moment();

	wg_device_set_keepalive(peer->engine->device, peer->wg, interval_s, &at);
	engine_do_effects(peer->engine);
}

uint16_t engine_peer_keepalive(const struct engine_peer *peer)
{
	return wg_peer_keepalive_s(peer->wg);
}

void engine_peer_set_allowed_ips(struct engine_peer *peer, const struct prefix *prefixes, size_t n)
{
	struct allowed_ips *routes = peer->engine->routes;

	allowed_ips_remove_peer(routes, &peer->lane);
	for (size_t i = 0; i < n; i++) {
		/* Without memory the peer has fewer prefixes: its packets are dropped and counted.
		 */
		if (allowed_ips_insert(routes, &prefixes[i], &peer->lane) != 0)
			break;
	}
	engine_publish_routes(peer->engine);
}

int engine_peer_add_allowed_ip(struct engine_peer *peer, const struct prefix *prefix)
{
	int err = allowed_ips_insert(peer->engine->routes, prefix, &peer->lane);

	if (!err)
		engine_publish_routes(peer->engine);
	return err;
}

int engine_peer_remove_allowed_ip(struct engine_peer *peer, const struct prefix *prefix)
{
	int err = allowed_ips_remove(peer->engine->routes, prefix, &peer->lane);

	if (!err)
		engine_publish_routes(peer->engine);
	return err;
}

size_t engine_peer_allowed_ips(const struct engine_peer *const_peer, const struct prefix **prefixes)
{
	/* The cache of an answer is no change of the peer. */
	struct engine_peer *peer = (struct engine_peer *)(uintptr_t)const_peer;
	const struct allowed_ips *routes = peer->engine->routes;
	size_t n = 0, cursor = 0;
	struct prefix p;

	while (allowed_ips_next(routes, &peer->lane, &cursor, &p))
		n++;
	struct prefix *list = realloc(peer->prefixes, (n ? n : 1) * sizeof(*list));
	if (!list)
		return 0;
	peer->prefixes = list;
	n = cursor = 0;
	while (allowed_ips_next(routes, &peer->lane, &cursor, &p))
		list[n++] = p;
	*prefixes = list;
	return n;
}

/* ---- where packets go ---- */

void engine_peer_set_choice(struct engine_peer *peer, const struct way *first,
			    const struct way *copy)
{
	choice_publish(&peer->lane.choice, first, copy, &peer->engine->view.quiet);
	engine_reclaim(peer->engine);
	engine_peer_post(peer, LANE_FLUSH);
}

struct way engine_peer_way(const struct engine_peer *peer)
{
	const struct choice *choice = atomic_load(&peer->lane.choice.now);

	return choice ? choice->first : way_none();
}

void engine_peer_on_heard(struct engine_peer *peer, const struct way *from)
{
	struct engine *engine = peer->engine;

	if (from->kind != WAY_DIRECT)
		return;
	peer->last_from = from->addr;
	struct way now = engine_peer_way(peer);
	if (way_equal(&now, from))
		return;
	if (engine->roaming)
		engine_peer_set_choice(peer, from, NULL);
	if (engine->ops.on_roamed)
		engine->ops.on_roamed(engine->arg, peer->user, &from->addr);
}

void engine_peer_resend(struct engine_peer *peer)
{
	engine_peer_post(peer, LANE_RESEND);
}

void engine_peer_hold(struct engine_peer *peer, uint64_t until_us)
{
	atomic_store(&peer->lane.hold_until_us, until_us);
}

void engine_peer_start_handshake(struct engine_peer *peer, bool force)
{
	struct wg_moment at = engine_moment();

	wg_device_start_handshake(peer->engine->device, peer->wg, force, &at);
	engine_do_effects(peer->engine);
}

void engine_peer_confirm(struct engine_peer *peer, const struct way *heard)
{
	const struct engine *engine = peer->engine;
	uint8_t pkt[TRANSPORT_OVERHEAD];
	struct way chosen = engine_peer_way(peer);

	engine_peer_post(peer, LANE_CONFIRM);
	if (heard->kind == WAY_NONE || way_equal(heard, &chosen) || !engine->ops.on_handshake_send)
		return;
	if (wg_device_seal_keepalive(engine->device, peer->wg, clock_now_us(), pkt) != 0)
		return;
	peer->handshake_tx_bytes += sizeof(pkt);
	engine->ops.on_handshake_send(engine->arg, peer->user, pkt, sizeof(pkt), heard, true);
}

/* ---- numbers ---- */

struct engine_way_stats engine_peer_way_stats(const struct engine_peer *peer, enum way_kind kind)
{
	const struct lane_way_counters *c = &peer->lane.way[kind];

	return (struct engine_way_stats){
		.data_sent = counter_read(&c->data_sent),
		.data_received = counter_read(&c->data_received),
		.last_sent_us = counter_read(&c->last_sent_us),
		.last_received_us = counter_read(&c->last_received_us),
		.last_data_sent_us = counter_read(&c->last_data_sent_us),
		.last_data_received_us = counter_read(&c->last_data_received_us),
	};
}

void engine_peer_stats(const struct engine_peer *peer, struct engine_peer_stats *out)
{
	const struct lane_peer *lane = &peer->lane;

	memset(out, 0, sizeof(*out));
	out->rx_bytes = counter_read(&lane->rx_bytes) + peer->handshake_rx_bytes;
	out->tx_bytes = counter_read(&lane->tx_bytes) + peer->handshake_tx_bytes;
	for (int kind = WAY_NONE; kind <= WAY_RELAY; kind++)
		out->way[kind] = engine_peer_way_stats(peer, (enum way_kind)kind);
	out->last_handshake_unix_us = wg_peer_last_handshake_unix_us(peer->wg);
	out->last_from = peer->last_from;
	for (size_t i = 0; i < DROP_REASONS; i++)
		out->drops[i] = counter_read(&lane->drops[i]);
}
