#include "agent/tunnel/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/tunnel/engine_inside.h"
#include "common/clock.h"

enum { RECORDS_PER_ROUND = 64, RECLAIM_US = 50 * 1000 };

static_assert(offsetof(struct engine_peer, lane) == 0, "lanes hand around the first member");

static const char *const drop_names[] = {
	[DROP_NO_PEER] = "no-peer",
	[DROP_NO_CHOICE] = "no-choice",
	[DROP_NO_KEYPAIR] = "no-keypair",
	[DROP_STAGING_FULL] = "staging-full",
	[DROP_FILTER_OUT] = "filter-out",
	[DROP_FILTER_IN] = "filter-in",
	[DROP_SEND_FAILED] = "send-failed",
	[DROP_RELAY_FULL] = "relay-full",
	[DROP_BAD_OUTGOING] = "bad-outgoing",
	[DROP_BAD_INNER] = "bad-inner",
	[DROP_SHORT] = "short",
	[DROP_UNKNOWN_TYPE] = "unknown-type",
	[DROP_UNKNOWN_INDEX] = "unknown-index",
	[DROP_FORGED] = "forged",
	[DROP_REPLAYED] = "replayed",
	[DROP_EXPIRED] = "expired",
	[DROP_SOURCE] = "source",
	[DROP_TUN_WRITE] = "tun-write",
	[DROP_MAIN_FULL] = "main-full",
	[DROP_HANDSHAKE] = "handshake",
};
static_assert(sizeof(drop_names) / sizeof(drop_names[0]) == DROP_REASONS, "a name for each");

const char *engine_drop_name(enum engine_drop reason)
{
	return drop_names[reason];
}

static const char *const flow_names[] = {
	[FLOW_TUN_READ] = "tun-read",
	[FLOW_KEEPALIVE_MADE] = "keepalive-made",
	[FLOW_SENT_AGAIN] = "sent-again",
	[FLOW_SENT_UDP] = "sent-udp",
	[FLOW_SENT_RELAY] = "sent-relay",
	[FLOW_UDP_READ] = "udp-read",
	[FLOW_RELAY_READ] = "relay-read",
	[FLOW_TUN_WRITTEN] = "tun-written",
	[FLOW_KEEPALIVE_READ] = "keepalive-read",
	[FLOW_TO_MAIN] = "to-main",
};
static_assert(sizeof(flow_names) / sizeof(flow_names[0]) == ENGINE_FLOWS, "a name for each");

const char *engine_flow_name(enum engine_flow flow)
{
	return flow_names[flow];
}

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
		engine_peer_post(peer, LANE_CONFIRM);
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

static void on_device_deadline(void *arg, uint64_t now_us)
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

/* ---- reclaiming ---- */

void engine_reclaim(struct engine *engine)
{
	if (quiet_reclaim(&engine->view.quiet) > 0)
		loop_timer_set(engine->reclaim_timer, clock_now_us() + RECLAIM_US);
}

static void on_reclaim(void *arg, uint64_t now_us)
{
	(void)now_us;
	engine_reclaim(arg);
}

void engine_retire(struct engine *engine, void *ptr, void (*release)(void *))
{
	quiet_retire(&engine->view.quiet, ptr, release);
	engine_reclaim(engine);
}

static void free_snapshot(void *routes)
{
	allowed_ips_snapshot_free(routes);
}

void engine_publish_routes(struct engine *engine)
{
	struct allowed_ips_snapshot *fresh = allowed_ips_snapshot(engine->routes);
	struct allowed_ips_snapshot *old = atomic_exchange(&engine->view.routes, fresh);

	engine_retire(engine, old, free_snapshot);
}

/* ---- sockets ---- */

static void free_udp(void *arg)
{
	struct udp *udp = arg;

	udp_close(udp);
	free(udp);
}

static int new_udp(uint16_t port, uint32_t fwmark, struct udp **out)
{
	struct udp *udp = malloc(sizeof(*udp));
	if (!udp)
		return -ENOMEM;
	int err = udp_open(port, fwmark, udp);
	if (err) {
		free(udp);
		return err;
	}
	*out = udp;
	return 0;
}

uint16_t engine_port(const struct engine *engine)
{
	return atomic_load(&engine->view.udp)->port;
}

const char *engine_tun_name(const struct engine *engine)
{
	return engine->tun.name;
}

int engine_set_port(struct engine *engine, uint16_t port)
{
	struct udp *old = atomic_load(&engine->view.udp), *fresh;

	if (port != 0 && port == old->port)
		return 0;
	int err = new_udp(port, engine->fwmark, &fresh);
	if (err)
		return err;
	err = lane_thread_watch_udp(engine->lane_thread, fresh);
	if (err) {
		free_udp(fresh);
		return err;
	}
	atomic_store(&engine->view.udp, fresh);
	lane_thread_unwatch_udp(engine->lane_thread, old);
	engine_retire(engine, old, free_udp);
	return 0;
}

int engine_set_fwmark(struct engine *engine, uint32_t fwmark)
{
	int err = udp_set_fwmark(atomic_load(&engine->view.udp), fwmark);

	if (!err)
		engine->fwmark = fwmark;
	return err;
}

uint32_t engine_fwmark(const struct engine *engine)
{
	return engine->fwmark;
}

void engine_set_mtu(struct engine *engine, unsigned mtu_bytes)
{
	atomic_store(&engine->view.mtu_bytes, mtu_bytes);
}

int engine_send_udp(struct engine *engine, const struct endpoint *to, const void *buf, size_t len)
{
	return udp_send(atomic_load(&engine->view.udp), to, buf, len);
}

void engine_on_relay_packet(struct engine *engine, uint32_t region, const struct public_key *from,
			    const uint8_t *buf, size_t len, uint64_t now_us)
{
	struct way way = way_relay(region);

	on_handshake_packet(engine, buf, len, &way, from, now_us);
}

/* ---- identity ---- */

void engine_set_secret_key(struct engine *engine, const struct secret_key *secret)
{
	struct public_key ours;

	engine->secret = *secret;
	secret_key_public(secret, &ours);
	struct engine_peer *self = engine_peer_find(engine, &ours);
	if (self)
		engine_peer_remove(self);
	wg_device_set_secret(engine->device, secret);
	engine_do_effects(engine);
}

struct secret_key engine_secret_key(const struct engine *engine)
{
	return engine->secret;
}

struct public_key engine_public_key(const struct engine *engine)
{
	return *wg_device_public_key(engine->device);
}

void engine_drops(const struct engine *engine, uint64_t out[static DROP_REASONS])
{
	for (size_t i = 0; i < DROP_REASONS; i++)
		out[i] = counter_read(&engine->lane.drops[i]);
	out[DROP_HANDSHAKE] += engine->handshake_drops;
}

void engine_flows(const struct engine *engine, uint64_t out[static ENGINE_FLOWS])
{
	for (size_t i = 0; i < ENGINE_FLOWS; i++)
		out[i] = counter_read(&engine->lane.flows[i]);
}

uint64_t engine_waiting(const struct engine *engine)
{
	return counter_read(&engine->lane.waiting);
}

uint64_t engine_handshakes_taken(const struct engine *engine)
{
	return engine->handshakes_taken;
}

uint64_t engine_handshake_drops(const struct engine *engine, enum wg_drop reason)
{
	return wg_device_dropped(engine->device, reason);
}

void engine_save_filter(struct engine *engine)
{
	struct lane *lane = &engine->lane;

	if (!engine->view.filter || engine->is_saving || engine->is_stopped)
		return;
	lane->save_cap = filter_save_max(engine->view.filter);
	lane->save_buf = malloc(lane->save_cap);
	if (!lane->save_buf)
		return;
	engine->is_saving = true;
	lane_tell(lane, LANE_SAVE);
}

/* ---- life ---- */

static int make_view(struct engine *engine, const struct engine_config *config)
{
	struct lane_view *view = &engine->view;
	struct udp *udp;
	unsigned mtu_bytes = 0;

	quiet_init(&view->quiet, 1);
	view->to_main.fd = -1;
	view->indices = index_table_new();
	if (!view->indices)
		return -ENOMEM;
	int err = mailbox_open(&view->to_main);
	if (!err)
		err = new_udp(config->port, config->fwmark, &udp);
	if (err)
		return err;
	atomic_store(&view->udp, udp);
	if (tun_get_mtu(config->tun->name, &mtu_bytes) == 0)
		atomic_store(&view->mtu_bytes, mtu_bytes);
	view->mss_mtu_bytes = config->mss_mtu_bytes;
	view->filter = config->filter;
	view->to_relay = config->to_relay;
	return 0;
}

static int make_core(struct engine *engine, const struct engine_config *config)
{
	struct wg_moment at = engine_moment();

	engine->device = wg_device_new(&config->secret, engine->view.indices,
				       config->tai_reserved_us, at.random);
	engine->routes = allowed_ips_new();
	engine->device_timer = loop_timer_new(engine->base, on_device_deadline, engine);
	engine->reclaim_timer = loop_timer_new(engine->base, on_reclaim, engine);
	return engine->device && engine->routes ? 0 : -ENOMEM;
}

static int watch_lane(struct engine *engine)
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

int engine_new(const struct engine_config *config, struct engine **out)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	if (!engine)
		return -ENOMEM;
	engine->base = config->base;
	engine->arg = config->arg;
	if (config->ops)
		engine->ops = *config->ops;
	engine->roaming = config->roaming;
	engine->fwmark = config->fwmark;
	engine->secret = config->secret;
	engine->tun.fd = -1;
	engine->lane.mailbox.fd = -1;
	engine->is_stopped = true;

	int err = make_view(engine, config);
	if (!err)
		err = make_core(engine, config);
	if (!err)
		err = lane_init(&engine->lane, &engine->view, 0, config->tun, config->from_relay);
	if (!err)
		err = lane_thread_start(&engine->lane, &engine->lane_thread);
	if (!err) {
		engine->is_stopped = false;
		err = watch_lane(engine);
	}
	if (err) {
		engine_free(engine);
		return err;
	}
	engine->tun = *config->tun;
	*out = engine;
	return 0;
}

void engine_stop(struct engine *engine)
{
	if (engine->is_stopped)
		return;
	engine->is_stopped = true;
	lane_thread_stop(engine->lane_thread);
	engine->lane_thread = NULL;
}

static void free_events(struct engine *engine)
{
	if (engine->on_mail)
		event_free(engine->on_mail);
	if (engine->on_ring)
		event_free(engine->on_ring);
	loop_timer_free(engine->device_timer);
	loop_timer_free(engine->reclaim_timer);
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	engine_stop(engine);
	while (engine->first)
		engine_peer_remove(engine->first);
	while (engine->leaving) { /* no lane is left to say so */
		struct engine_peer *peer = engine->leaving;

		engine->leaving = peer->next;
		engine_peer_free(peer);
	}
	wg_device_free(engine->device);
	quiet_wipe(&engine->view.quiet);
	free_events(engine);
	free(engine->lane.save_buf);
	lane_wipe(&engine->lane);
	allowed_ips_free(engine->routes);
	allowed_ips_snapshot_free(atomic_load(&engine->view.routes));
	index_table_free(engine->view.indices);
	mailbox_close(&engine->view.to_main);
	if (atomic_load(&engine->view.udp))
		free_udp(atomic_load(&engine->view.udp));
	tun_close(&engine->tun);
	sodium_memzero(engine, sizeof(*engine));
	free(engine);
}
