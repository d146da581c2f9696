/*
 * path_wire: two path_peers over a wire that exists only here: NATs with their filterings, delay,
 * relays and cuts. For path_peer_test.
 *
 *	laptop (0) - NAT 203.0.113.10 ---- direct ---- NAT 203.0.113.20 - workspace (1)
 *	         \------------------- relay 1, relay 2 -------------------/
 *
 * The laptop sends a keystroke each 20 ms, the workspace echoes it. Times are literal: the wire's
 * clock starts at one second and moves from event to event.
 */
#ifndef WARREN_TEST_PATH_WIRE_H
#define WARREN_TEST_PATH_WIRE_H

#include <stdlib.h>
#include <string.h>

#include "agent/path/path_peer.h"
#include "common/clock.h"
#include "tests/unit/test.h"

enum { FLIGHT_MAX = 8192, KEYS_MAX = 8192, RING_MAX = 64, OPENED_MAX = 64 };
enum filtering { OPEN_TO_ALL, BY_ADDRESS, BY_ADDRESS_AND_PORT };

enum { MS = US_PER_MS };
static const uint64_t start_us = US_PER_S, key_gap_us = 20 * MS, ring_us = 500 * MS;

enum cargo { CARGO_DISCO, CARGO_KEY, CARGO_ECHO };

struct flight {
	uint64_t at_us; /* of arrival; 0: free */
	int to;
	enum cargo cargo;
	struct way via; /* as the receiver sees it */
	struct path_action disco;
	uint64_t serial;
	uint32_t key;
	struct endpoint named[4]; /* call-me-maybe */
	size_t named_n;
};

struct sent {
	uint64_t at_us;
	enum cargo cargo;
	uint32_t key;
};

struct node {
	struct path_peer p;
	struct candidate_rules rules;
	struct path_traffic traffic;
	struct endpoint lan, wan;
	enum filtering filtering;
	struct endpoint opened[OPENED_MAX]; /* where it sent to: who may answer */
	size_t opened_n;
	bool knows_wan;
	struct endpoint known_wan;
	uint64_t stun_us; /* an answer of STUN arrives then */
	uint64_t serial;
	uint64_t started_us;
	bool started;
	bool has_no_keys;   /* hears data and cannot open it: nobody shook hands with it yet */
	uint64_t direct_us; /* when its choice first became direct after the last mark */
	unsigned moves, pings;
	struct sent ring[RING_MAX];
	size_t ring_n;
	uint64_t seen_key[KEYS_MAX]; /* arrival, by key; the replay window */
	uint64_t hold_until_us;
};

struct wire {
	uint64_t now_us, rtt_us;
	bool cut[2]; /* direct packets towards node i are lost */
	bool relay_dead[3];
	unsigned loss_permille;
	uint64_t slow_us; /* added to each direct packet's time */
	bool loses_notices;
	uint32_t dice;
	struct node node[2];
	struct flight flight[FLIGHT_MAX];
	bool types;
	uint64_t next_key_us;
	uint32_t keys;
	uint64_t last_echo_us, longest_us;
	struct path_actions actions;
};

static struct endpoint ep(const char *text)
{
	struct endpoint out;

	CHECK(endpoint_parse(text, &out) == 0);
	return out;
}

static bool rolls_loss(struct wire *w)
{
	w->dice = w->dice * 1664525u + 1013904223u;
	return (w->dice >> 16) % 1000 < w->loss_permille;
}

static struct flight *launch(struct wire *w, uint64_t at_us)
{
	for (size_t i = 0; i < FLIGHT_MAX; i++)
		if (w->flight[i].at_us == 0) {
			w->flight[i] = (struct flight){.at_us = at_us};
			return &w->flight[i];
		}
	abort();
}

static uint64_t one_way_us(const struct wire *w)
{
	return w->rtt_us ? w->rtt_us / 2 : 100;
}

static void open_filter(struct node *n, const struct endpoint *to)
{
	for (size_t i = 0; i < n->opened_n; i++)
		if (endpoint_equal(&n->opened[i], to))
			return;
	CHECK(n->opened_n < OPENED_MAX);
	n->opened[n->opened_n++] = *to;
}

static bool lets_in(const struct node *n, const struct endpoint *from)
{
	for (size_t i = 0; i < n->opened_n; i++) {
		if (n->filtering == OPEN_TO_ALL)
			return true;
		if (n->filtering == BY_ADDRESS && ip_equal(&n->opened[i].ip, &from->ip))
			return true;
		if (endpoint_equal(&n->opened[i], from))
			return true;
	}
	return false;
}

/* Puts one packet on its way, or loses it. */
static struct flight *carry(struct wire *w, int from, const struct way *way)
{
	struct node *a = &w->node[from], *b = &w->node[1 - from];

	if (way->kind == WAY_RELAY) {
		if (w->relay_dead[way->region] || !b->started)
			return NULL;
		struct flight *f = launch(w, w->now_us + one_way_us(w) + 200);
		f->to = 1 - from;
		f->via = *way;
		return f;
	}
	open_filter(a, &way->addr);
	bool arrives = endpoint_equal(&way->addr, &b->wan) && lets_in(b, &a->wan) &&
		       !w->cut[1 - from] && b->started && !rolls_loss(w);

	if (!arrives)
		return NULL;
	struct flight *f = launch(w, w->now_us + one_way_us(w) + w->slow_us);
	f->to = 1 - from;
	f->via = way_direct(a->wan);
	return f;
}

static void send_data_by(struct wire *w, int from, const struct way *way, enum cargo cargo,
			 uint32_t key)
{
	if (way->kind == WAY_NONE)
		return;
	struct node *n = &w->node[from];
	struct flight *f = carry(w, from, way);

	n->traffic.kind[way->kind].data_sent++;
	n->traffic.kind[way->kind].last_data_sent_us = w->now_us;
	if (f) {
		f->cargo = cargo;
		f->key = key;
	}
}

static void send_by_choice(struct wire *w, int from, enum cargo cargo, uint32_t key)
{
	const struct path_choice *c = path_peer_choice(&w->node[from].p);

	send_data_by(w, from, &c->first, cargo, key);
	send_data_by(w, from, &c->copy, cargo, key);
}

static void send_data(struct wire *w, int from, enum cargo cargo, uint32_t key)
{
	struct node *n = &w->node[from];

	send_by_choice(w, from, cargo, key);
	if (n->ring_n == RING_MAX)
		memmove(n->ring, n->ring + 1, --n->ring_n * sizeof(n->ring[0]));
	n->ring[n->ring_n++] = (struct sent){w->now_us, cargo, key};
}

static void carry_out(struct wire *w, int from);

static void run_action(struct wire *w, int from, const struct path_action *a)
{
	struct node *n = &w->node[from];
	struct flight *f;

	switch (a->kind) {
	case PATH_SEND_PING:
		n->pings++;
		/* fall through */
	case PATH_SEND_PONG:
	case PATH_SEND_CALL_ME_MAYBE:
	case PATH_SEND_NOTICE:
		n->serial++;
		if (a->kind == PATH_SEND_NOTICE && w->loses_notices)
			return;
		f = carry(w, from, &a->way);
		if (!f)
			return;
		f->cargo = CARGO_DISCO;
		f->disco = *a;
		f->serial = n->serial;
		f->named[f->named_n++] = n->lan;
		if (n->knows_wan)
			f->named[f->named_n++] = n->known_wan;
		return;
	case PATH_SET_CHOICE:
		n->moves += path_peer_choice(&n->p)->moved;
		if (path_peer_choice(&n->p)->first.kind == WAY_DIRECT && n->direct_us == 0)
			n->direct_us = w->now_us;
		return;
	case PATH_RESEND:
		for (size_t i = 0; i < n->ring_n; i++)
			if (w->now_us - n->ring[i].at_us <= ring_us)
				send_by_choice(w, from, n->ring[i].cargo, n->ring[i].key);
		n->ring_n = 0;
		return;
	case PATH_HOLD:
		n->hold_until_us = a->hold_until_us;
		return;
	case PATH_HANDSHAKE:
		return;
	case PATH_ASK_ENDPOINTS:
		n->stun_us = w->now_us + one_way_us(w);
		return;
	}
}

static void carry_out(struct wire *w, int from)
{
	static struct path_action list[PATH_ACTIONS_MAX];
	size_t n = w->actions.n;

	CHECK_INT(w->actions.left_out, 0);
	memcpy(list, w->actions.list, n * sizeof(list[0]));
	w->actions.n = 0;
	for (size_t i = 0; i < n; i++)
		run_action(w, from, &list[i]);
}

static void set_relays(struct wire *w, int i)
{
	const struct path_relay relays[] = {
		{.region = 1, .up = !w->relay_dead[1], .is_peers_home = true, .is_ours = true},
		{.region = 2, .up = !w->relay_dead[2]},
	};

	path_peer_set_relays(&w->node[i].p, relays, 2, w->now_us, &w->actions);
	carry_out(w, i);
}

/* The node starts: relay sessions stand, it knows the peer's endpoints and its own. */
static void start_node(struct wire *w, int i)
{
	struct node *n = &w->node[i], *other = &w->node[1 - i];
	const struct path_named named[] = {{other->lan, CANDIDATE_LOCAL},
					   {other->wan, CANDIDATE_STUN}};

	n->started = true;
	n->started_us = w->now_us;
	set_relays(w, i);
	path_peer_set_candidates(&n->p, named, 2, w->now_us, &w->actions);
	carry_out(w, i);
	n->knows_wan = true;
	n->known_wan = n->wan;
	path_peer_on_own_endpoints(&n->p, w->now_us, &w->actions);
	carry_out(w, i);
	path_peer_want(&n->p, w->now_us, &w->actions);
	carry_out(w, i);
}

static struct wire *wire_new(uint64_t rtt_us, enum filtering filtering)
{
	struct wire *w = calloc(1, sizeof(*w));

	CHECK(w != NULL);
	w->now_us = start_us;
	w->rtt_us = rtt_us;
	w->dice = 7;
	w->node[0].lan = ep("192.168.1.10:41641");
	w->node[0].wan = ep("203.0.113.10:41641");
	w->node[1].lan = ep("10.2.0.2:41641");
	w->node[1].wan = ep("203.0.113.20:50123");
	for (int i = 0; i < 2; i++) {
		struct node *n = &w->node[i];
		uint8_t seed[PATH_SEED_LEN] = {(uint8_t)(i + 1)};

		n->filtering = filtering;
		n->rules.own[0] = n->lan;
		n->rules.own[0].port = 0;
		n->rules.own_n = 1;
		path_peer_init(&n->p, &n->rules, seed, w->now_us);
	}
	return w;
}

static void on_disco(struct wire *w, const struct flight *f)
{
	struct node *n = &w->node[f->to];
	struct path_report report = f->disco.report;

	report.serial = f->serial;
	switch (f->disco.kind) {
	case PATH_SEND_PING:
		path_peer_on_ping(&n->p, &f->via, f->disco.txid, &report, w->now_us, &w->actions);
		break;
	case PATH_SEND_PONG:
		path_peer_on_pong(&n->p, &f->via, f->disco.txid, &report, w->now_us, &w->actions);
		break;
	case PATH_SEND_CALL_ME_MAYBE:
		path_peer_on_call_me_maybe(&n->p, f->named, f->named_n, w->now_us, &w->actions);
		break;
	case PATH_SEND_NOTICE:
		path_peer_on_notice(&n->p, f->disco.notice, f->disco.about, f->serial, w->now_us,
				    &w->actions);
		break;
	case PATH_SET_CHOICE:
	case PATH_RESEND:
	case PATH_HOLD:
	case PATH_HANDSHAKE:
	case PATH_ASK_ENDPOINTS:
		break;
	}
	carry_out(w, f->to);
}

static void on_data(struct wire *w, const struct flight *f)
{
	struct node *n = &w->node[f->to];

	if (n->seen_key[f->key] != 0)
		return; /* the replay window drops it, uncounted */
	n->seen_key[f->key] = w->now_us;
	n->traffic.kind[f->via.kind].data_heard++;
	n->traffic.kind[f->via.kind].last_data_heard_us = w->now_us;
	n->traffic.kind[f->via.kind].last_heard_us = w->now_us;
	if (f->cargo == CARGO_KEY) {
		send_data(w, f->to, CARGO_ECHO, f->key);
		return;
	}
	if (w->last_echo_us != 0 && w->now_us - w->last_echo_us > w->longest_us)
		w->longest_us = w->now_us - w->last_echo_us;
	w->last_echo_us = w->now_us;
}

static void on_timer(struct wire *w, int i)
{
	struct node *n = &w->node[i];

	if (n->stun_us != 0 && n->stun_us <= w->now_us) {
		n->stun_us = 0;
		if (!endpoint_equal(&n->known_wan, &n->wan)) {
			n->known_wan = n->wan;
			path_peer_on_own_endpoints(&n->p, w->now_us, &w->actions);
			carry_out(w, i);
		}
	}
	if (n->started && path_peer_deadline_us(&n->p) <= w->now_us) {
		path_peer_on_deadline(&n->p, &n->traffic, w->now_us, &w->actions);
		carry_out(w, i);
	}
}

static struct flight *next_flight(struct wire *w)
{
	struct flight *next = NULL;

	for (size_t i = 0; i < FLIGHT_MAX; i++)
		if (w->flight[i].at_us != 0 && (!next || w->flight[i].at_us < next->at_us))
			next = &w->flight[i];
	return next;
}

static uint64_t next_timer_us(const struct wire *w)
{
	uint64_t next = w->types ? w->next_key_us : US_NEVER;

	for (int i = 0; i < 2; i++) {
		const struct node *n = &w->node[i];

		if (n->started && path_peer_deadline_us(&n->p) < next)
			next = path_peer_deadline_us(&n->p);
		if (n->stun_us != 0 && n->stun_us < next)
			next = n->stun_us;
	}
	return next;
}

/* The first keystroke after a pause is what wakes an idle daemon. */
static void type_key(struct wire *w)
{
	bool wakes = w->node[0].traffic.kind[WAY_DIRECT].last_data_sent_us + US_PER_S < w->now_us;

	CHECK(w->keys + 1 < KEYS_MAX);
	send_data(w, 0, CARGO_KEY, ++w->keys);
	w->next_key_us = w->now_us + key_gap_us;
	if (wakes) {
		path_peer_on_deadline(&w->node[0].p, &w->node[0].traffic, w->now_us, &w->actions);
		carry_out(w, 0);
	}
}

static void run(struct wire *w, uint64_t for_us)
{
	uint64_t until_us = w->now_us + for_us;

	for (;;) {
		struct flight *f = next_flight(w);
		uint64_t timer_us = next_timer_us(w);
		uint64_t at_us = f && f->at_us < timer_us ? f->at_us : timer_us;

		if (at_us > until_us)
			break;
		w->now_us = at_us > w->now_us ? at_us : w->now_us;
		if (f && f->at_us <= w->now_us) {
			struct flight landed = *f;

			f->at_us = 0;
			if (landed.cargo == CARGO_DISCO)
				on_disco(w, &landed);
			else
				on_data(w, &landed);
			continue;
		}
		if (w->types && w->next_key_us <= w->now_us)
			type_key(w);
		for (int i = 0; i < 2; i++)
			on_timer(w, i);
	}
	w->now_us = until_us;
}

/* Both up and direct, keys typed for two seconds. */
static struct wire *wire_typing(uint64_t rtt_us, enum filtering filtering)
{
	struct wire *w = wire_new(rtt_us, filtering);

	start_node(w, 0);
	run(w, 50 * MS);
	start_node(w, 1);
	run(w, US_PER_S + 6 * rtt_us);
	w->types = true;
	w->next_key_us = w->now_us;
	run(w, 2 * US_PER_S);
	w->longest_us = 0;
	w->node[0].direct_us = w->node[1].direct_us = 0;
	w->node[0].moves = w->node[1].moves = 0;
	return w;
}

static bool uses(const struct wire *w, int i, enum way_kind kind)
{
	const struct path_choice *c = path_peer_choice(&w->node[i].p);

	return c->first.kind == kind && c->copy.kind == WAY_NONE;
}

static const char *why_code(const struct wire *w, int i)
{
	return path_peer_choice(&w->node[i].p)->why_code;
}

/* Since the last echo also counts: a session that never comes back has no second echo. */
static uint64_t longest_gap_us(const struct wire *w)
{
	uint64_t open_us = w->now_us - w->last_echo_us;

	return open_us > w->longest_us ? open_us : w->longest_us;
}

static uint64_t all_keys_lost(const struct wire *w)
{
	uint64_t lost = 0;

	for (uint32_t key = 1; key + 50 < w->keys; key++)
		lost += w->node[0].seen_key[key] == 0;
	return lost;
}

/* What the lane keeps for a resend covers the silence of near paths; on far ones the application's
 * transport sends again. */
static bool nothing_lost(const struct wire *w)
{
	return 200 * MS + 4 * w->rtt_us > ring_us || all_keys_lost(w) == 0;
}

#endif
