/*
 * peer_act: what a peer's path asks for, carried out; everything that leaves for the peer but data.
 */
#include "agent/peer_inside.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "agent/wg/noise.h"
#include "common/clock.h"

/* Between two copies of an initiation: a peer that takes them for a flood drops the second. */
static const uint64_t apart_us = 2 * NOISE_FLOOD_US;

enum { NOTICE_WAYS_MAX = 16, FAILED_SENDS_MAX = 16 };

/* Sends that the network refused while actions were carried out: path hears of them afterwards. */
struct failed_sends {
	struct failed_send {
		struct way way;
		int error; /* positive errno */
	} list[FAILED_SENDS_MAX];
	size_t n;
};

/* ---- sending ---- */

int peer_send_by(struct peer *peer, const struct way *way, const uint8_t *packet, size_t len)
{
	const struct peer_env *env = peer->env;

	switch (way->kind) {
	case WAY_DIRECT:
		return engine_send_udp(env->engine, &way->addr, packet, len);
	case WAY_RELAY:
		env->send_relay(env->arg, way->region, &peer->info.node_key.key, packet, len);
		return 0;
	case WAY_NONE:
		break;
	}
	return -ENETUNREACH;
}

static int send_disco(struct peer *peer, const struct way *way, const struct disco_message *m)
{
	uint8_t nonce[DISCO_NONCE_LEN], packet[DISCO_PACKET_MAX];
	size_t len;
	int err = 0;

	for (size_t copy = 0; err == 0 && copy < disco_box_copies(&peer->box); copy++) {
		randombytes_buf(nonce, sizeof(nonce));
		err = disco_box_seal(&peer->box, copy, m, nonce, packet, sizeof(packet), &len);
		if (err == 0)
			err = peer_send_by(peer, way, packet, len);
	}
	return err;
}

enum disco_way peer_disco_way(const struct way *way)
{
	return way->kind == WAY_RELAY ? DISCO_WAY_RELAY : DISCO_WAY_DIRECT;
}

/* A way that lost one direction brings no news of the other, but another way may. */
static void tell_counts(struct peer *peer, enum disco_way way, enum way_kind kind,
			struct disco_report *report)
{
	struct engine_way_stats stats = engine_peer_way_stats(peer->engine, kind);

	report->data_sent[way] = (uint32_t)stats.data_sent;
	report->data_heard[way] = (uint32_t)stats.data_received;
}

static struct disco_report report_to_wire(struct peer *peer, const struct path_action *a)
{
	enum disco_way way = peer_disco_way(&a->way);
	struct disco_report report = {
		.serial = peer->env->next_serial(peer->env->arg),
		.probe = a->report.number,
		.heard_probe = a->report.heard,
	};

	tell_counts(peer, DISCO_WAY_DIRECT, WAY_DIRECT, &report);
	tell_counts(peer, DISCO_WAY_RELAY, WAY_RELAY, &report);
	report.data_sent[way] = a->report.data_sent;
	report.data_heard[way] = a->report.data_heard;
	return report;
}

/* ---- path's actions ---- */

bool peer_is_in_use(const struct peer *peer, const struct way *way)
{
	return way_equal(way, &path_peer_choice(&peer->path)->first);
}

static int send_ping(struct peer *peer, const struct path_action *a)
{
	struct disco_message m = {.type = DISCO_PING};

	memcpy(m.ping.txid, a->txid, DISCO_TXID_LEN);
	m.ping.has_node_key = true;
	m.ping.node_key = peer->env->node_public;
	m.ping.has_report = true;
	m.ping.report = report_to_wire(peer, a);
	if (peer_is_in_use(peer, &a->way))
		observer_on_probe(&peer->observer);
	return send_disco(peer, &a->way, &m);
}

static int send_pong(struct peer *peer, const struct path_action *a)
{
	struct disco_message m = {.type = DISCO_PONG};

	memcpy(m.pong.txid, a->txid, DISCO_TXID_LEN);
	m.pong.seen = a->observed;
	m.pong.has_report = true;
	m.pong.report = report_to_wire(peer, a);
	return send_disco(peer, &a->way, &m);
}

static int send_call_me_maybe(struct peer *peer, const struct path_action *a)
{
	struct disco_message m = {.type = DISCO_CALL_ME_MAYBE};

	m.call_me_maybe.n = peer->env->own_endpoints(peer->env->arg, m.call_me_maybe.endpoints,
						     DISCO_ENDPOINTS_MAX);
	return send_disco(peer, &a->way, &m);
}

static int send_notice(struct peer *peer, const struct way *way, enum disco_notice_reason reason,
		       enum way_kind about)
{
	struct disco_message m = {.type = DISCO_NOTICE};

	m.notice.serial = peer->env->next_serial(peer->env->arg);
	m.notice.reason = reason;
	m.notice.way = about == WAY_RELAY ? DISCO_WAY_RELAY : DISCO_WAY_DIRECT;
	return send_disco(peer, way, &m);
}

static enum disco_notice_reason notice_to_wire(enum path_notice notice)
{
	switch (notice) {
	case PATH_LEAVING:
		return DISCO_LEAVING;
	case PATH_RESTARTING:
		return DISCO_RESTARTING;
	case PATH_NOT_HEARING:
		break;
	}
	return DISCO_NOT_HEARING;
}

void peer_tell(struct peer *peer, struct event *event)
{
	event->peer_id = peer->info.id;
	memcpy(event->peer, peer->full_name, sizeof(event->peer));
	peer->env->on_event(peer->env->arg, event);
}

static void tell_move(struct peer *peer, const struct path_choice *choice)
{
	enum code code = code_find(choice->why_code);
	struct event event = event_make(EVENT_PATH, code, 0, NULL, choice->why, clock_unix_us());

	event.from = choice->from;
	event.to = choice->first;
	peer_tell(peer, &event);
	peer->env->on_moved(peer->env->arg, peer, choice);
}

/* What ends a gap is no cause of it. */
static void note_cause(struct peer *peer, const struct path_choice *choice)
{
	enum code code = code_find(choice->why_code);
	bool is_trouble = choice->moved || choice->copy.kind != WAY_NONE;

	if (is_trouble && code != CODE_PATH_FIRST && code != CODE_PATH_BETTER &&
	    code != CODE_PATH_BACK)
		observer_on_cause(&peer->observer, code, clock_now_us());
}

void peer_send_initiation_by(struct peer *peer, const struct way *way)
{
	struct initiation *last = &peer->initiation;

	if (last->len == 0 || last->n_ways == PEER_HANDSHAKE_WAYS_MAX ||
	    way_among(last->ways, last->n_ways, way))
		return;
	last->ways[last->n_ways++] = *way;
	last->went_us = clock_now_us();
	(void)peer_send_by(peer, way, last->bytes, last->len);
}

void peer_send_initiation(struct peer *peer)
{
	struct way ways[PEER_HANDSHAKE_WAYS_MAX];
	size_t n = path_peer_handshake_ways(&peer->path, ways, PEER_HANDSHAKE_WAYS_MAX);

	for (size_t i = 0; i < n; i++)
		peer_send_initiation_by(peer, &ways[i]);
}

void peer_repeat_initiation(struct peer *peer, const struct way *way, uint64_t now_us)
{
	struct initiation *last = &peer->initiation;

	if (now_us - last->went_us < apart_us)
		return;
	for (size_t i = 0; last->len > 0 && i < last->n_ways; i++) {
		if (last->is_repeated[i] || !way_equal(&last->ways[i], way))
			continue;
		last->is_repeated[i] = true;
		last->went_us = now_us;
		(void)peer_send_by(peer, way, last->bytes, last->len);
	}
}

static void publish_choice(struct peer *peer)
{
	const struct path_choice *choice = path_peer_choice(&peer->path);

	engine_peer_set_choice(peer->engine, &choice->first, &choice->copy);
	note_cause(peer, choice);
	if (!choice->moved)
		return;
	tell_move(peer, choice);
	peer_send_initiation(peer);
}

/* Returns 0 or the negative errno of a send. */
static int carry_out_one(struct peer *peer, const struct path_action *a)
{
	switch (a->kind) {
	case PATH_SEND_PING:
		return send_ping(peer, a);
	case PATH_SEND_PONG:
		return send_pong(peer, a);
	case PATH_SEND_CALL_ME_MAYBE:
		return send_call_me_maybe(peer, a);
	case PATH_SEND_NOTICE:
		return send_notice(peer, &a->way, notice_to_wire(a->notice), a->about);
	case PATH_SET_CHOICE:
		publish_choice(peer);
		return 0;
	case PATH_RESEND:
		engine_peer_resend(peer->engine);
		return 0;
	case PATH_HOLD:
		engine_peer_hold(peer->engine, a->hold_until_us);
		return 0;
	case PATH_HANDSHAKE:
		engine_peer_start_handshake(peer->engine, true);
		return 0;
	case PATH_ASK_ENDPOINTS:
		peer->env->ask_endpoints(peer->env->arg);
		return 0;
	}
	return 0;
}

static void carry_out_all(struct peer *peer, const struct path_actions *actions,
			  struct failed_sends *failed)
{
	for (size_t i = 0; i < actions->n; i++) {
		int err = carry_out_one(peer, &actions->list[i]);

		if (err < 0 && actions->list[i].way.kind == WAY_DIRECT &&
		    failed->n < FAILED_SENDS_MAX)
			failed->list[failed->n++] =
				(struct failed_send){actions->list[i].way, -err};
	}
}

void peer_carry_out(struct peer *peer, const struct path_actions *actions, uint64_t now_us)
{
	struct failed_sends failed = {.n = 0}, ignored = {.n = 0};

	carry_out_all(peer, actions, &failed);
	for (size_t i = 0; i < failed.n; i++) {
		struct path_actions more;

		path_actions_init(&more);
		path_peer_on_send_error(&peer->path, &failed.list[i].way, failed.list[i].error,
					now_us, &more);
		carry_out_all(peer, &more, &ignored);
	}
}

void peer_send_notice(struct peer *peer, enum disco_notice_reason reason)
{
	struct way ways[NOTICE_WAYS_MAX];
	size_t n = path_peer_notice_ways(&peer->path, ways, NOTICE_WAYS_MAX);

	for (size_t i = 0; i < n; i++)
		(void)send_notice(peer, &ways[i], reason, WAY_NONE); /* nobody waits for it */
}
