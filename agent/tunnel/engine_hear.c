#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/tunnel/engine_inside.h"
#include "common/clock.h"

enum { RECORDS_PER_ROUND = 64 };

struct wg_moment engine_moment(void)
{
	struct wg_moment at = {.now_us = clock_now_us(), .unix_us = clock_unix_us()};

	randombytes_buf(at.random, sizeof(at.random));
	return at;
}

/* ---- what the core asks for ---- */

static void send_handshake(struct engine *engine, const struct wg_effect *effect)
{
	struct engine_peer *peer =
		effect->peer ? engine_peer_of_lane(wg_peer_user(effect->peer)) : NULL;
	struct way to = effect->message == WG_INITIATION ? way_none() : engine->reply_to;

	if (peer)
		peer->handshake_tx_bytes += effect->len;
	if (peer && engine->ops.on_handshake_send) {
		engine->ops.on_handshake_send(engine->arg, peer->user, effect->bytes, effect->len,
					      &to, effect->is_retry);
		return;
	}
	if (to.kind == WAY_NONE && peer)
		to = engine_peer_way(peer);
	/* What the network answers to a handshake shows in the next try's answer, or its absence.
	 */
	if (to.kind == WAY_DIRECT)
		(void)engine_send_udp(engine, &to.addr, effect->bytes, effect->len);
}

static void set_current(struct engine *engine, struct engine_peer *peer, struct keypair *kp)
{
	assert(peer); /* an effect that always has one */
	atomic_store(&peer->lane.keypair, kp);
	if (!kp) {
		engine_peer_post(peer, LANE_FORGET);
		return;
	}
	atomic_store(&peer->lane.hold_until_us, 0);
	engine_peer_post(peer, LANE_FLUSH);
	if (engine->ops.on_handshake_done)
		engine->ops.on_handshake_done(engine->arg, peer->user, clock_now_us());
}

static void gave_up(struct engine *engine, struct engine_peer *peer)
{
	assert(peer);
	engine_peer_post(peer, LANE_GIVE_UP);
	if (engine->ops.on_handshake_failed)
		engine->ops.on_handshake_failed(engine->arg, peer->user);
}

static void free_keypair(void *kp)
{
	keypair_free(kp);
}

static void do_effect(struct engine *engine, const struct wg_effect *effect)
{
	struct engine_peer *peer =
		effect->peer ? engine_peer_of_lane(wg_peer_user(effect->peer)) : NULL;

	switch (effect->kind) {
	case WG_SEND:
		send_handshake(engine, effect);
		break;
	case WG_CURRENT:
		set_current(engine, peer, effect->keypair);
		break;
	case WG_CONFIRM:
		engine_peer_confirm(peer, &engine->reply_to);
		break;
	case WG_KEEPALIVE:
		engine_peer_post(peer, LANE_KEEPALIVE);
		break;
	case WG_RETIRED:
		quiet_retire(&engine->view.quiet, effect->keypair, free_keypair);
		engine_reclaim(engine);
		break;
	case WG_GAVE_UP:
		gave_up(engine, peer);
		break;
	case WG_RESERVE:
		if (engine->ops.on_tai_reserved)
			engine->ops.on_tai_reserved(engine->arg, effect->unix_us);
		break;
	}
}

void engine_do_effects(struct engine *engine)
{
	struct wg_effect effect;

	while (wg_device_next_effect(engine->device, &effect))
		do_effect(engine, &effect);
	sodium_memzero(&effect, sizeof(effect));
	loop_timer_set(engine->device_timer, wg_device_next_deadline_us(engine->device));
}

void engine_on_device_deadline(void *arg, uint64_t now_us)
{
	struct engine *engine = arg;
	struct wg_moment at = engine_moment();

	(void)now_us;
	wg_device_on_deadline(engine->device, &at);
	engine_do_effects(engine);
}

/* ---- what lanes tell ---- */

static void on_handshake_packet(struct engine *engine, const uint8_t *pkt, size_t len,
				const struct way *from, const struct public_key *key,
				uint64_t now_us)
{
	bool by_relay = from->kind == WAY_RELAY;
	struct wg_source source = by_relay ? wg_source_from_relay(from->region, key)
					   : wg_source_from_endpoint(&from->addr);
	struct wg_moment at = engine_moment();
	struct wg_peer *proven = NULL;

	/* Who comes by a relay was let in there and cannot lie about being someone else. */
	bool under_load = !by_relay && load_on_message(&engine->load, now_us);
	engine->reply_to = *from;
	int err = wg_device_on_handshake_packet(engine->device, pkt, len, &source, under_load, &at,
						&proven, NULL);
	if (err)
		engine->handshake_drops++;
	else
		engine->handshakes_taken++;
	if (proven) {
		struct engine_peer *peer = engine_peer_of_lane(wg_peer_user(proven));

		peer->handshake_rx_bytes += len;
		engine_peer_on_heard(peer, from);
	}
	engine_do_effects(engine);
	engine->reply_to = way_none();
}

void engine_on_relay_packet(struct engine *engine, uint32_t region, const struct public_key *from,
			    const uint8_t *buf, size_t len, uint64_t now_us)
{
	struct way way = way_relay(region);

	on_handshake_packet(engine, buf, len, &way, from, now_us);
}

static void on_record(struct engine *engine, const struct lane_record *record, const uint8_t *body,
		      size_t len)
{
	struct engine_peer *peer;
	enum engine_datagram kind = ENGINE_STUN;

	switch (record->kind) {
	case RECORD_HANDSHAKE:
		on_handshake_packet(engine, body, len, &record->way, &record->key, record->now_us);
		return;
	case RECORD_ROAMED:
		peer = engine_peer_of_lane(record->peer);
		if (!peer->is_removed)
			engine_peer_on_heard(peer, &record->way);
		return;
	case RECORD_DISCO:
		kind = ENGINE_DISCO;
		break;
	case RECORD_STUN:
		break;
	}
	if (engine->ops.on_datagram)
		engine->ops.on_datagram(engine->arg, kind, body, len, &record->way.addr,
					record->now_us);
}

/* True: drained. */
static bool read_records(struct engine *engine, unsigned at_most)
{
	struct ring *ring = engine->lane.to_main;
	const uint8_t *bytes;
	size_t len;

	for (unsigned n = 0; n < at_most; n++) {
		struct lane_record record;

		if (!ring_peek(ring, &bytes, &len))
			return true;
		memcpy(&record, bytes, sizeof(record));
		on_record(engine, &record, bytes + sizeof(record), len - sizeof(record));
		ring_pop(ring);
	}
	return false;
}

void engine_read_all_records(struct engine *engine)
{
	while (!read_records(engine, RECORDS_PER_ROUND))
		;
}

static void on_ring(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;

	(void)fd, (void)what;
	ring_disarm(engine->lane.to_main);
	if (!read_records(engine, RECORDS_PER_ROUND) || !ring_arm(engine->lane.to_main))
		event_active(engine->on_ring, EV_READ, 0); /* others first, then the rest */
}

static void on_saved(struct engine *engine)
{
	struct lane *lane = &engine->lane;

	if (engine->ops.on_filter_saved && lane->save_len > 0)
		engine->ops.on_filter_saved(engine->arg, lane->save_buf, lane->save_len);
	free(lane->save_buf);
	lane->save_buf = NULL;
	engine->is_saving = false;
}

static void on_peer_mail(struct engine *engine, struct engine_peer *peer, unsigned bits)
{
	const struct engine_ops *ops = &engine->ops;
	struct wg_moment at = engine_moment();

	if (bits & MAIN_LEFT) {
		engine_peer_on_left(peer);
		return;
	}
	if (peer->is_removed)
		return;
	if (bits & MAIN_FIRST_PACKET)
		wg_device_on_first_packet(engine->device, atomic_load(&peer->lane.first_index),
					  &at);
	if (bits & MAIN_TRAFFIC)
		wg_device_on_traffic(engine->device, peer->wg, &at);
	if ((bits & MAIN_WANT_HANDSHAKE))
		wg_device_start_handshake(engine->device, peer->wg, false, &at);
	engine_do_effects(engine);
	if ((bits & MAIN_TRAFFIC) && ops->on_traffic)
		ops->on_traffic(engine->arg, peer->user, at.now_us);
	if ((bits & MAIN_SEND_ERROR) && !peer->is_removed && ops->on_send_error)
		ops->on_send_error(engine->arg, peer->user, atomic_load(&peer->lane.send_error));
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;
	struct mail *mail = mailbox_take(&engine->view.to_main), *next;

	(void)fd, (void)what;
	for (; mail; mail = next) {
		next = mail->next;
		unsigned bits = mail_open(mail);

		if (mail == &engine->lane.mail_to_main)
			on_saved(engine);
		else
			on_peer_mail(engine, engine_peer_of_lane(lane_peer_of_mail_to_main(mail)),
				     bits);
	}
}

int engine_listen(struct engine *engine)
{
	engine->on_mail = event_new(engine->base, engine->view.to_main.fd, EV_READ | EV_PERSIST,
				    on_mail, engine);
	engine->on_ring = event_new(engine->base, ring_fd(engine->lane.to_main),
				    EV_READ | EV_PERSIST, on_ring, engine);
	if (!engine->on_mail || !engine->on_ring || event_add(engine->on_mail, NULL) != 0 ||
	    event_add(engine->on_ring, NULL) != 0)
		return -ENOMEM;
	event_active(engine->on_ring, EV_READ, 0); /* arms it */
	return 0;
}
