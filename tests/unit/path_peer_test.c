/*
 * Two path_peers over a wire that exists only here: NATs with their filterings, delay, relays and
 * cuts.
 *
 *	laptop (0) - NAT 203.0.113.10 ---- direct ---- NAT 203.0.113.20 - workspace (1)
 *	         \------------------- relay 1, relay 2 -------------------/
 *
 * The laptop sends a keystroke each 20 ms, the workspace echoes it. What is held to numbers is what
 * a person would notice: the longest time between two echoes. Times are literal: the wire's clock
 * starts at one second and moves from event to event.
 */
#include "agent/path/path_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/path/path_report.h"
#include "agent/path/path_why.h"
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

static const uint64_t rtts_us[] = {0, 20 * MS, 80 * MS, 150 * MS};
#define EACH_RTT(rtt_us)                                                                           \
	for (size_t rtt_i = 0; rtt_i < 4; rtt_i++)                                                 \
		for (uint64_t once = 1, rtt_us = rtts_us[rtt_i]; once; once = 0)

/* What the table of DESIGN allows for a silent death of a path, and what a key and a look of the
 * main thread add to it. */
static uint64_t silence_bound_us(uint64_t rtt_us)
{
	return 200 * MS + 4 * rtt_us + rtt_us + 50 * MS;
}

TEST(direct_takes_no_retry_timer_whatever_the_filtering)
{
	for (int filtering = OPEN_TO_ALL; filtering <= BY_ADDRESS_AND_PORT; filtering++)
		EACH_RTT(rtt_us)
		{
			struct wire *w = wire_new(rtt_us, (enum filtering)filtering);

			start_node(w, 0);
			run(w, 50 * MS);
			start_node(w, 1);
			run(w, 3 * US_PER_S);
			for (int i = 0; i < 2; i++) {
				uint64_t took_us = w->node[i].direct_us - w->node[1].started_us;

				CHECK(w->node[i].direct_us != 0);
				CHECK(took_us <= 2 * rtt_us + rtt_us / 2 + 5 * MS);
				CHECK(uses(w, i, WAY_DIRECT));
				CHECK_STR(why_code(w, i), "path-first");
			}
			free(w);
		}
}

TEST(a_peer_that_starts_later_than_all_bursts_is_reached_as_fast)
{
	struct wire *w = wire_new(80 * MS, BY_ADDRESS_AND_PORT);

	start_node(w, 0);
	run(w, 60 * (uint64_t)US_PER_S);
	start_node(w, 1);
	run(w, US_PER_S);
	CHECK(w->node[0].direct_us - w->node[1].started_us <= 205 * MS);
	CHECK(w->node[1].direct_us - w->node[1].started_us <= 205 * MS);
	free(w);
}

TEST(says_why_in_words_that_a_person_understands)
{
	struct wire *w = wire_new(20 * MS, BY_ADDRESS_AND_PORT);

	start_node(w, 0);
	start_node(w, 1);
	run(w, 5 * MS);
	CHECK_STR(path_peer_choice(&w->node[0].p)->why,
		  "relay 1: no direct address has answered yet");
	run(w, US_PER_S);
	const char *why = path_peer_choice(&w->node[0].p)->why;

	CHECK(strncmp(why, "direct 203.0.113.20:50123: first path that answered (20 ms", 58) == 0);
	free(w);
}

TEST(udp_blocked_goes_by_relay_at_once_and_stays_there)
{
	struct wire *w = wire_new(80 * MS, BY_ADDRESS_AND_PORT);

	w->cut[0] = w->cut[1] = true;
	path_peer_set_obstacle(&w->node[0].p, PATH_UDP_BLOCKED, w->now_us);
	start_node(w, 0);
	CHECK(uses(w, 0, WAY_RELAY));
	CHECK_STR(why_code(w, 0), "udp-blocked");
	start_node(w, 1);
	w->types = true;
	w->next_key_us = w->now_us;
	run(w, 20 * (uint64_t)US_PER_S);
	CHECK(uses(w, 0, WAY_RELAY) && uses(w, 1, WAY_RELAY));
	CHECK(w->node[0].moves == 1);
	CHECK(longest_gap_us(w) <= 100 * MS);
	CHECK(nothing_lost(w));
	free(w);
}

static void check_cut(uint64_t rtt_us, bool towards_0, bool towards_1)
{
	struct wire *w = wire_typing(rtt_us, BY_ADDRESS_AND_PORT);

	CHECK(uses(w, 0, WAY_DIRECT) && uses(w, 1, WAY_DIRECT));
	run(w, 123 * MS);
	w->cut[0] = towards_0;
	w->cut[1] = towards_1;
	run(w, 5 * US_PER_S);
	CHECK(longest_gap_us(w) <= silence_bound_us(rtt_us));
	CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_RELAY ||
	      path_peer_choice(&w->node[1].p)->first.kind == WAY_RELAY);

	/* UDP comes back: direct within 2 s, no stall. */
	w->longest_us = 0;
	w->node[0].direct_us = w->node[1].direct_us = 0;
	w->cut[0] = w->cut[1] = false;
	run(w, 2 * US_PER_S);
	CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_DIRECT);
	CHECK(path_peer_choice(&w->node[1].p)->first.kind == WAY_DIRECT);
	CHECK_STR(why_code(w, 0), "path-back");
	run(w, 3 * US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT) && uses(w, 1, WAY_DIRECT));
	CHECK(longest_gap_us(w) <= 60 * MS);
	CHECK(nothing_lost(w));
	free(w);
}

TEST(a_cut_both_ways_goes_on_by_relay_and_comes_back)
{
	EACH_RTT(rtt_us)
	check_cut(rtt_us, true, true);
}

TEST(a_cut_of_one_direction_is_no_slower)
{
	EACH_RTT(rtt_us)
	{
		check_cut(rtt_us, true, false);
		check_cut(rtt_us, false, true);
	}
}

/* What a ping reports is enough for the other side to see that it is not heard. */
TEST(a_cut_of_one_direction_needs_no_notice)
{
	EACH_RTT(rtt_us)
	{
		struct wire *w = wire_typing(rtt_us, BY_ADDRESS_AND_PORT);

		w->loses_notices = true;
		w->cut[0] = true; /* echoes are lost, keys arrive */
		run(w, 200 * MS + 4 * rtt_us);
		CHECK(path_peer_choice(&w->node[1].p)->copy.kind == WAY_RELAY);
		run(w, 2 * US_PER_S);
		CHECK(longest_gap_us(w) <= silence_bound_us(rtt_us));
		free(w);
	}
}

TEST(a_rebinding_nat_costs_a_dip_and_ends_direct)
{
	EACH_RTT(rtt_us)
	{
		for (int who = 0; who < 2; who++) {
			struct wire *w = wire_typing(rtt_us, BY_ADDRESS_AND_PORT);

			run(w, 77 * MS);
			w->node[who].wan.port++;
			w->node[who].opened_n = 0;
			run(w, 2 * US_PER_S + 4 * rtt_us);
			CHECK(longest_gap_us(w) <= 500 * MS + 4 * rtt_us);
			CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_DIRECT);
			CHECK(path_peer_choice(&w->node[1].p)->first.kind == WAY_DIRECT);
			run(w, 3 * US_PER_S);
			CHECK(uses(w, 0, WAY_DIRECT) && uses(w, 1, WAY_DIRECT));
			CHECK_STR(why_code(w, 1 - who), "nat-rebound");
			CHECK(nothing_lost(w));
			free(w);
		}
	}
}

TEST(a_relay_that_dies_while_direct_is_up_is_not_noticed)
{
	struct wire *w = wire_typing(80 * MS, BY_ADDRESS_AND_PORT);

	w->relay_dead[1] = true;
	run(w, US_PER_S);
	set_relays(w, 0);
	set_relays(w, 1);
	run(w, 5 * US_PER_S);
	CHECK(longest_gap_us(w) <= 25 * MS);
	CHECK(w->node[0].moves == 0 && uses(w, 0, WAY_DIRECT));
	free(w);
}

static void check_relay_death(uint64_t rtt_us, bool is_told)
{
	struct wire *w = wire_new(rtt_us, BY_ADDRESS_AND_PORT);

	w->cut[0] = w->cut[1] = true;
	start_node(w, 0);
	start_node(w, 1);
	w->types = true;
	w->next_key_us = w->now_us;
	run(w, 5 * US_PER_S);
	CHECK(uses(w, 0, WAY_RELAY) && path_peer_choice(&w->node[0].p)->first.region == 1);
	w->longest_us = 0;
	w->relay_dead[1] = true;
	if (is_told) {
		set_relays(w, 0);
		set_relays(w, 1);
		CHECK_STR(why_code(w, 0), "relay-lost");
	}
	run(w, 4 * US_PER_S);
	CHECK(longest_gap_us(w) <= (is_told ? rtt_us + 50 * MS : silence_bound_us(rtt_us)));
	CHECK(path_peer_choice(&w->node[0].p)->first.region == 2);
	CHECK(path_peer_choice(&w->node[1].p)->first.region == 2);
	CHECK(nothing_lost(w));
	free(w);
}

TEST(a_relay_that_dies_in_use_hands_over_to_the_other)
{
	EACH_RTT(rtt_us)
	{
		check_relay_death(rtt_us, true);
		check_relay_death(rtt_us, false);
	}
}

TEST(an_address_change_goes_on_by_relay_and_ends_direct)
{
	EACH_RTT(rtt_us)
	{
		struct wire *w = wire_typing(rtt_us, BY_ADDRESS_AND_PORT);

		w->node[0].wan = ep("198.51.100.7:41641");
		w->node[0].opened_n = 0;
		path_peer_on_network_change(&w->node[0].p, "address-changed", w->now_us,
					    &w->actions);
		carry_out(w, 0);
		run(w, US_PER_S + 4 * rtt_us);
		CHECK(longest_gap_us(w) <= silence_bound_us(rtt_us));
		CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_DIRECT);
		CHECK(path_peer_choice(&w->node[1].p)->first.kind == WAY_DIRECT);
		CHECK_STR(why_code(w, 1), "address-changed");
		run(w, 3 * US_PER_S);
		CHECK(uses(w, 0, WAY_DIRECT) && uses(w, 1, WAY_DIRECT));
		CHECK(nothing_lost(w));
		free(w);
	}
}

TEST(a_quiet_minute_of_typing_moves_nothing_and_probes_little)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);
	unsigned pings = w->node[0].pings;

	run(w, 60 * (uint64_t)US_PER_S);
	CHECK(w->node[0].moves == 0 && w->node[1].moves == 0);
	CHECK(longest_gap_us(w) <= 25 * MS);
	/* Four a second in use, one by the standby relay, the other one each 10 s, and the endpoint
	 * that never answers. */
	CHECK(w->node[0].pings - pings <= 60 * 6 + 20);
	free(w);
}

TEST(an_idle_peer_costs_one_ping_each_25_s)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	w->types = false;
	run(w, 15 * (uint64_t)US_PER_S);
	unsigned pings = w->node[0].pings;

	run(w, 250 * (uint64_t)US_PER_S);
	CHECK(w->node[0].pings - pings >= 10 && w->node[0].pings - pings <= 12);
	CHECK(uses(w, 0, WAY_DIRECT));

	/* And traffic after the pause feels nothing. */
	w->types = true;
	w->next_key_us = w->now_us;
	w->last_echo_us = w->now_us;
	w->longest_us = 0;
	run(w, US_PER_S);
	CHECK(longest_gap_us(w) <= 60 * MS);
	free(w);
}

TEST(a_path_cut_while_idle_is_found_out_by_the_first_keys)
{
	struct wire *w = wire_typing(80 * MS, BY_ADDRESS_AND_PORT);

	w->types = false;
	run(w, 30 * (uint64_t)US_PER_S);
	w->cut[0] = w->cut[1] = true;
	run(w, 5 * US_PER_S);
	w->types = true;
	w->next_key_us = w->now_us;
	w->last_echo_us = w->now_us;
	w->longest_us = 0;
	run(w, 3 * US_PER_S);
	CHECK(longest_gap_us(w) <= silence_bound_us(80 * MS));
	free(w);
}

TEST(a_lossy_direct_path_loses_to_a_clean_relay)
{
	struct wire *w = wire_typing(80 * MS, BY_ADDRESS_AND_PORT);

	w->loss_permille = 100;
	run(w, 12 * (uint64_t)US_PER_S);
	CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_RELAY);
	CHECK_STR(why_code(w, 0), "path-better");
	w->node[0].moves = 0;
	run(w, 60 * (uint64_t)US_PER_S);
	CHECK(w->node[0].moves == 0); /* no flapping */
	free(w);
}

TEST(a_little_loss_stays_direct)
{
	EACH_RTT(rtt_us)
	{
		struct wire *w = wire_typing(rtt_us, BY_ADDRESS_AND_PORT);

		w->loss_permille = 5;
		run(w, 60 * (uint64_t)US_PER_S);
		CHECK(w->node[0].moves == 0 && w->node[1].moves == 0);
		CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_DIRECT);
		free(w);
	}
}

static const struct score *score_in_use(const struct wire *w, int i)
{
	return &w->node[i].p.path[w->node[i].p.in_use].score;
}

TEST(a_path_that_was_slow_is_direct_again_soon_after)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	path_why_note_cause(&w->node[0].p, "nat-rebound", w->now_us);
	w->slow_us = 20 * MS;
	run(w, 8 * (uint64_t)US_PER_S);
	CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_RELAY);
	CHECK_STR(why_code(w, 0), "path-better"); /* whatever happened before */
	w->slow_us = 0;
	run(w, 7 * (uint64_t)US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT));
	free(w);
}

TEST(a_path_that_is_slow_again_and_again_is_left_alone_for_longer)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	for (int i = 0; i < 6; i++) {
		w->slow_us = 50 * MS;
		run(w, 10 * (uint64_t)US_PER_S);
		w->slow_us = 0;
		run(w, 12 * (uint64_t)US_PER_S);
	}
	CHECK(w->node[0].moves <= 7); /* 12 were it held as long each time */
	free(w);
}

/* Where one direction comes back first, the peer's report tells of it before any answer does. */
TEST(what_a_short_cut_took_is_no_loss)
{
	for (uint64_t last_us = 0; last_us <= 500 * MS; last_us += 20 * MS) {
		struct wire *w = wire_typing(80 * MS, BY_ADDRESS_AND_PORT);

		w->cut[0] = w->cut[1] = true;
		run(w, 600 * MS);
		w->cut[1] = false;
		run(w, last_us);
		w->cut[0] = false;
		run(w, 5 * US_PER_S);
		for (int i = 0; i < 2; i++)
			CHECK(uses(w, i, WAY_DIRECT) && score_loss(score_in_use(w, i)) < 0.01);
		free(w);
	}
}

/* Its probes are answered and its first handshake is under way: nothing says that the way loses. */
TEST(what_a_peer_without_keys_could_not_open_is_no_loss)
{
	struct path_peer p = {.in_use = 0};
	struct path_pong pong = {.matched = true};

	p.path[0].live.state = PATH_UP;
	for (uint32_t i = 1; i <= 60; i++) {
		uint64_t now_us = start_us + i * 250 * MS;
		struct probe probe = {.sent_us = now_us, .data_sent = 2 * i, .is_counted = true};
		uint32_t heard = i <= 20 ? 0 : 2 * (i - 20);

		path_report_count_packets(&p, 0, &probe, heard, now_us, &pong);
	}
	CHECK(p.path[0].score.packets > 0 && p.path[0].score.packet_loss_ppm == 0);
}

/* Lanes send while main looks elsewhere: a ping between two looks knows an old count. */
TEST(a_ping_between_two_looks_at_the_lanes_finds_no_loss)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	w->node[0].p.path[w->node[0].p.in_use].deficit.since_us = 0;
	run(w, 900 * MS);
	for (int i = 0; i < 8; i++)
		send_data(w, 0, CARGO_KEY, ++w->keys);
	path_peer_ping(&w->node[0].p, w->now_us, &w->actions);
	carry_out(w, 0);
	run(w, 5 * US_PER_S);
	CHECK(score_in_use(w, 0)->packets > 0 && score_in_use(w, 0)->packet_loss_ppm == 0);
	free(w);
}

/* Both ends cut and let through again and again: the hold-down sets in. */
TEST(a_flapping_path_is_held_down)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	for (int i = 0; i < 10; i++) {
		w->cut[0] = w->cut[1] = true;
		run(w, 3 * US_PER_S);
		w->cut[0] = w->cut[1] = false;
		run(w, 3 * US_PER_S);
	}
	CHECK(w->node[0].moves <= 12); /* 20 without it */
	CHECK(longest_gap_us(w) <= silence_bound_us(20 * MS));
	run(w, 10 * (uint64_t)US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT));
	free(w);
}

TEST(a_peer_that_restarts_is_not_blamed_on_the_path)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	w->types = false;
	path_peer_on_notice(&w->node[0].p, PATH_RESTARTING, WAY_NONE, 1u << 30, w->now_us,
			    &w->actions);
	carry_out(w, 0);
	CHECK(w->node[0].hold_until_us == w->now_us + US_PER_S);
	w->node[1].started = false;
	run(w, 400 * MS);
	CHECK(uses(w, 0, WAY_DIRECT) && w->node[0].moves == 0);
	w->node[1].started = true;
	w->node[1].serial = (1u << 30) + 1;
	run(w, US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT) && w->node[0].moves == 0);
	free(w);
}

TEST(a_peer_that_is_back_after_its_restart_is_missed_as_soon_as_any)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	path_peer_on_notice(&w->node[0].p, PATH_RESTARTING, WAY_NONE, 1u << 30, w->now_us,
			    &w->actions);
	carry_out(w, 0);
	w->node[1].serial = (1u << 30) + 1; /* its new process, at once */
	path_peer_ping(&w->node[1].p, w->now_us, &w->actions);
	carry_out(w, 1);
	run(w, 200 * MS);
	w->cut[0] = w->cut[1] = true;
	run(w, 2 * US_PER_S);
	CHECK(longest_gap_us(w) <= silence_bound_us(20 * MS));
	free(w);
}

TEST(what_was_lost_while_a_peer_restarted_is_no_loss)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	path_peer_on_notice(&w->node[0].p, PATH_RESTARTING, WAY_NONE, 1u << 30, w->now_us,
			    &w->actions);
	carry_out(w, 0);
	w->cut[0] = w->cut[1] = true;
	run(w, 700 * MS);
	w->cut[0] = w->cut[1] = false;
	run(w, 3 * US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT) && score_in_use(w, 0)->fate == 0);
	free(w);
}

TEST(the_counts_of_a_peer_that_began_anew_are_no_loss)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	run(w, 5 * (uint64_t)US_PER_S);
	memset(&w->node[1].traffic, 0, sizeof(w->node[1].traffic));
	run(w, 10 * (uint64_t)US_PER_S);
	CHECK(w->node[0].p.path[w->node[0].p.in_use].score.packet_loss_ppm < 5000);
	CHECK(uses(w, 0, WAY_DIRECT));
	free(w);
}

TEST(a_peer_that_left_is_left_alone)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	path_peer_on_notice(&w->node[0].p, PATH_LEAVING, WAY_NONE, 1u << 30, w->now_us,
			    &w->actions);
	carry_out(w, 0);
	w->types = false;
	w->node[1].started = false;
	run(w, 3 * US_PER_S);
	unsigned pings = w->node[0].pings;

	run(w, 60 * (uint64_t)US_PER_S);
	CHECK_INT(w->node[0].pings, pings);
	free(w);
}

static struct wire *wire_typing_to_nobody(void)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	path_peer_on_notice(&w->node[0].p, PATH_LEAVING, WAY_NONE, 1u << 30, w->now_us,
			    &w->actions);
	carry_out(w, 0);
	w->node[1].started = false;
	run(w, 1700 * MS); /* its ways are down by now */
	return w;
}

TEST(a_peer_that_left_is_looked_for_once_the_map_says_it_is_there)
{
	struct wire *w = wire_typing_to_nobody();
	unsigned pings = w->node[0].pings;

	run(w, 200 * MS);
	CHECK_INT(w->node[0].pings, pings);
	path_peer_on_online(&w->node[0].p, w->now_us, &w->actions);
	carry_out(w, 0);
	run(w, 50 * MS);
	CHECK(w->node[0].pings > pings);
	free(w);
}

TEST(who_goes_on_typing_to_a_peer_that_left_looks_for_it_after_two_seconds)
{
	struct wire *w = wire_typing_to_nobody();
	unsigned pings = w->node[0].pings;

	run(w, 250 * MS);
	CHECK_INT(w->node[0].pings, pings);
	run(w, 600 * MS);
	CHECK(w->node[0].pings > pings);
	free(w);
}

TEST(who_begins_to_type_looks_for_a_peer_that_left)
{
	struct wire *w = wire_typing_to_nobody();

	w->types = false;
	run(w, 20 * (uint64_t)US_PER_S);
	unsigned pings = w->node[0].pings;

	path_peer_on_online(&w->node[0].p, w->now_us, &w->actions);
	carry_out(w, 0);
	path_peer_on_notice(&w->node[0].p, PATH_LEAVING, WAY_NONE, (1u << 30) + 1, w->now_us,
			    &w->actions);
	run(w, US_PER_S);
	CHECK_INT(w->node[0].pings, pings); /* nobody sends: it costs nothing */
	w->types = true;
	run(w, US_PER_S);
	CHECK(w->node[0].pings > pings);
	free(w);
}

TEST(a_late_timer_of_ours_is_no_silence_of_the_path)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	/* The whole process stands still for 3 s; what came in meanwhile is read after it. */
	w->types = false;
	run(w, 30 * MS);
	w->now_us += 3 * US_PER_S;
	for (int i = 0; i < 2; i++) {
		path_peer_on_deadline(&w->node[i].p, &w->node[i].traffic, w->now_us, &w->actions);
		carry_out(w, i);
	}
	run(w, US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT) && w->node[0].moves == 0);
	CHECK(uses(w, 1, WAY_DIRECT) && w->node[1].moves == 0);
	free(w);
}

TEST(a_stall_in_the_middle_of_a_question_does_not_answer_it)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);
	struct node *n = &w->node[0];
	const struct liveness *live = &n->p.path[n->p.in_use].live;

	w->cut[0] = w->cut[1] = true;
	while (live->asked < 2)
		run(w, MS);
	w->now_us += 3 * US_PER_S;
	path_peer_on_deadline(&n->p, &n->traffic, w->now_us, &w->actions);
	carry_out(w, 0);
	CHECK(live->state == PATH_UP && live->asked >= 2);
	run(w, 100 * MS);
	CHECK(live->state == PATH_SUSPECT);
	free(w);
}

/* ---- what strangers and liars can do ---- */

struct lone {
	struct candidate_rules rules;
	struct path_peer p;
	struct path_actions out;
};

static struct lone *lone_new(void)
{
	struct lone *l = calloc(1, sizeof(*l));
	const uint8_t seed[PATH_SEED_LEN] = {9};
	const struct path_relay relay = {.region = 1, .up = true};

	CHECK(l != NULL);
	path_peer_init(&l->p, &l->rules, seed, start_us);
	path_peer_set_relays(&l->p, &relay, 1, start_us, &l->out);
	l->out.n = 0;
	return l;
}

static unsigned count(const struct path_actions *out, enum path_action_kind kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < out->n; i++)
		n += out->list[i].kind == kind;
	return n;
}

static unsigned count_direct_pings(const struct path_actions *out)
{
	unsigned n = 0;

	for (size_t i = 0; i < out->n; i++)
		n += out->list[i].kind == PATH_SEND_PING && out->list[i].way.kind == WAY_DIRECT;
	return n;
}

static bool find_ping(const struct path_actions *out, uint8_t txid[static PROBE_TXID_LEN])
{
	for (size_t i = 0; i < out->n; i++) {
		if (out->list[i].kind != PATH_SEND_PING)
			continue;
		memcpy(txid, out->list[i].txid, PROBE_TXID_LEN);
		return true;
	}
	return false;
}

/* Calls sent while time passes, by every deadline on the way. */
static unsigned calls_until(struct lone *l, uint64_t from_us, uint64_t until_us)
{
	const struct path_traffic none = {0};
	unsigned calls = 0;

	for (uint64_t now_us = from_us; now_us < until_us; now_us += 10 * MS) {
		l->out.n = 0;
		if (path_peer_deadline_us(&l->p) <= now_us)
			path_peer_on_deadline(&l->p, &none, now_us, &l->out);
		calls += count(&l->out, PATH_SEND_CALL_ME_MAYBE);
	}
	return calls;
}

TEST(a_call_that_nobody_here_wanted_is_answered_once)
{
	struct lone *l = lone_new();
	const struct endpoint addr = ep("198.51.100.7:9");
	uint64_t now_us = start_us + 60 * US_PER_S;

	path_peer_on_own_endpoints(&l->p, now_us, &l->out);
	l->out.n = 0;
	path_peer_on_call_me_maybe(&l->p, &addr, 1, now_us, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_CALL_ME_MAYBE), 1);
	CHECK_INT(calls_until(l, now_us, now_us + 4 * US_PER_S), 0);
	l->out.n = 0;
	now_us += 4 * US_PER_S;
	path_peer_on_call_me_maybe(&l->p, &addr, 1, now_us, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_CALL_ME_MAYBE), 0);
	CHECK_INT(calls_until(l, now_us, now_us + 60 * US_PER_S), 0);
	now_us += 60 * US_PER_S;
	l->out.n = 0;
	path_peer_on_call_me_maybe(&l->p, &addr, 1, now_us, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_CALL_ME_MAYBE), 1);
	free(l);
}

TEST(a_flood_of_call_me_maybe_makes_32_pings_at_once_and_64_a_second)
{
	struct lone *l = lone_new();
	unsigned pings = 0;

	for (unsigned round = 0; round < 100; round++) {
		struct endpoint addrs[CANDIDATES_MAX];

		for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
			char text[ENDPOINT_TEXT_LEN];

			snprintf(text, sizeof(text), "198.51.%u.%u:9", round, i + 1);
			addrs[i] = ep(text);
		}
		l->out.n = 0;
		path_peer_on_call_me_maybe(&l->p, addrs, CANDIDATES_MAX, start_us + round * 9 * MS,
					   &l->out);
		pings += count_direct_pings(&l->out);
		if (round == 0)
			CHECK_INT(pings, 32);
	}
	CHECK(pings <= 64);
	CHECK(l->p.drops[PATH_DROP_BUDGET] > 0);
	free(l);
}

TEST(a_call_that_comes_by_two_relays_asks_each_address_once)
{
	struct lone *l = lone_new();
	const struct endpoint addr = ep("198.51.100.7:9");

	path_peer_on_call_me_maybe(&l->p, &addr, 1, start_us, &l->out);
	CHECK_INT(count_direct_pings(&l->out), 1);
	l->out.n = 0;
	path_peer_on_call_me_maybe(&l->p, &addr, 1, start_us + 4 * MS, &l->out);
	CHECK_INT(count_direct_pings(&l->out), 0);
	path_peer_on_call_me_maybe(&l->p, &addr, 1, start_us + 60 * MS, &l->out);
	CHECK_INT(count_direct_pings(&l->out), 1);
	free(l);
}

/* Pings to an address that is named for the first time. */
static unsigned pings_to_news(struct lone *l, const char *text, uint64_t now_us)
{
	const struct endpoint addr = ep(text);

	l->out.n = 0;
	path_peer_on_call_me_maybe(&l->p, &addr, 1, now_us, &l->out);
	return count_direct_pings(&l->out);
}

TEST(what_calls_spend_while_udp_is_blocked_is_not_what_the_end_of_it_needs)
{
	struct lone *l = lone_new();
	uint64_t now_us = start_us;
	unsigned asked = 0;

	path_peer_set_obstacle(&l->p, PATH_UDP_BLOCKED, now_us);
	for (unsigned i = 0; i < 1000; i++, now_us += 60 * MS) {
		char text[ENDPOINT_TEXT_LEN];

		snprintf(text, sizeof(text), "198.51.%u.%u:9", i / 200, i % 200 + 1);
		asked += pings_to_news(l, text, now_us);
	}
	CHECK(asked > 300 && asked < 500);
	CHECK_INT(pings_to_news(l, "198.51.100.7:9", now_us), 0);
	path_peer_set_obstacle(&l->p, PATH_NO_OBSTACLE, now_us);
	CHECK_INT(pings_to_news(l, "198.51.100.8:9", now_us), 1);
	free(l);
}

TEST(an_obstacle_of_the_old_network_is_none_of_the_new)
{
	struct lone *l = lone_new();

	path_peer_set_obstacle(&l->p, PATH_UDP_BLOCKED, start_us);
	path_peer_on_network_change(&l->p, "address-changed", start_us + US_PER_S, &l->out);
	CHECK_INT(l->p.obstacle, PATH_NO_OBSTACLE);
	path_peer_set_obstacle(&l->p, PATH_RELAY_ONLY, start_us + US_PER_S);
	path_peer_on_network_change(&l->p, "address-changed", start_us + 2 * US_PER_S, &l->out);
	CHECK_INT(l->p.obstacle, PATH_RELAY_ONLY); /* that was said by the user */
	free(l);
}

/* What the pong to ping number `number` of the peer says it has heard. */
static uint32_t heard_after(struct lone *l, uint64_t serial, uint32_t number)
{
	const uint8_t txid[PROBE_TXID_LEN] = {(uint8_t)serial};
	const struct path_report report = {.serial = serial, .number = number};
	struct way from = way_relay(1);

	l->out.n = 0;
	path_peer_on_ping(&l->p, &from, txid, &report, start_us + serial * MS, &l->out);
	for (size_t i = 0; i < l->out.n; i++)
		if (l->out.list[i].kind == PATH_SEND_PONG)
			return l->out.list[i].report.heard;
	return 0;
}

TEST(a_peer_that_began_anew_is_told_of_its_own_pings)
{
	struct lone *l = lone_new();

	CHECK_INT(heard_after(l, 1, 40), 40);
	CHECK_INT(heard_after(l, 2, 41), 41);
	CHECK_INT(heard_after(l, 3, 1), 1);
	CHECK_INT(heard_after(l, 4, 3), 3); /* one was lost */
	free(l);
}

TEST(a_ping_is_answered_once_and_never_to_a_forbidden_address)
{
	struct lone *l = lone_new();
	const uint8_t txid[PROBE_TXID_LEN] = {1}, txid2[PROBE_TXID_LEN] = {2};
	struct way from = way_direct(ep("198.51.100.1:7")),
		   other = way_direct(ep("198.51.100.2:7"));
	struct way loopback = way_direct(ep("127.0.0.1:7"));

	path_peer_on_ping(&l->p, &from, txid, NULL, start_us, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_PONG), 1);
	CHECK_INT(count(&l->out, PATH_SEND_PING), 1);
	l->out.n = 0;
	path_peer_on_ping(&l->p, &other, txid, NULL, start_us + 9 * US_PER_S, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_PONG), 0);
	CHECK_INT(l->p.drops[PATH_DROP_PING_REPEATED], 1);
	path_peer_on_ping(&l->p, &loopback, txid2, NULL, start_us + 9 * US_PER_S, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_PONG), 0);
	free(l);
}

TEST(only_an_answer_to_our_own_probe_by_the_same_kind_of_way_moves_us)
{
	struct lone *l = lone_new();
	const uint8_t txid[PROBE_TXID_LEN] = {1};
	struct way from = way_direct(ep("198.51.100.1:7")), relay = way_relay(1);
	uint8_t ours[PROBE_TXID_LEN] = {0};

	path_peer_on_ping(&l->p, &from, txid, NULL, start_us, &l->out);
	for (size_t i = 0; i < l->out.n; i++)
		if (l->out.list[i].kind == PATH_SEND_PING)
			memcpy(ours, l->out.list[i].txid, PROBE_TXID_LEN);
	CHECK(path_peer_choice(&l->p)->first.kind == WAY_RELAY);
	/* An id that was never ours. */
	CHECK(!path_peer_on_pong(&l->p, &from, txid, NULL, start_us + 1, &l->out).matched);
	/* Ours, but the peer answers for an address from elsewhere. */
	CHECK(!path_peer_on_pong(&l->p, &relay, ours, NULL, start_us + 2, &l->out).matched);
	CHECK_INT(l->p.drops[PATH_DROP_PONG_OTHER_WAY], 1);
	CHECK(path_peer_choice(&l->p)->first.kind == WAY_RELAY);
	free(l);
}

TEST(a_report_proves_no_way_that_never_answered)
{
	struct lone *l = lone_new();
	const uint8_t first[PROBE_TXID_LEN] = {1}, second[PROBE_TXID_LEN] = {2};
	/* A true message of the peer, which somebody on the way gave another sender. */
	struct way from = way_direct(ep("198.51.100.1:7"));
	const struct path_report said = {.serial = 1, .number = 1},
				 hears = {.serial = 2, .number = 2, .heard = 1};

	path_peer_on_ping(&l->p, &from, first, &said, start_us, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_PING), 1); /* number 1 of that way */
	path_peer_on_ping(&l->p, &from, second, &hears, start_us + 50 * MS, &l->out);
	CHECK(path_peer_choice(&l->p)->first.kind == WAY_RELAY);
	free(l);
}

TEST(reports_and_notices_with_old_serials_are_dropped_and_counted)
{
	struct lone *l = lone_new();
	const uint8_t txid[PROBE_TXID_LEN] = {1}, txid2[PROBE_TXID_LEN] = {2};
	struct way relay = way_relay(1);
	struct path_report report = {.serial = 50, .number = 1};

	path_peer_on_ping(&l->p, &relay, txid, &report, start_us, &l->out);
	path_peer_on_ping(&l->p, &relay, txid2, &report, start_us + 1, &l->out);
	CHECK_INT(l->p.drops[PATH_DROP_STALE_REPORT], 1);
	path_peer_on_notice(&l->p, PATH_LEAVING, WAY_NONE, 50, start_us + 2, &l->out);
	CHECK_INT(l->p.drops[PATH_DROP_STALE_NOTICE], 1);
	CHECK(!l->p.has_left);
	path_peer_on_notice(&l->p, PATH_LEAVING, WAY_NONE, 51, start_us + 3, &l->out);
	CHECK(l->p.has_left);
	free(l);
}

TEST(handshakes_go_by_every_relay_and_last_endpoint_until_a_way_is_proved)
{
	struct lone *l = lone_new();
	const struct path_named last = {ep("198.51.100.1:7"), CANDIDATE_LAST};
	struct way ways[8];

	path_peer_set_candidates(&l->p, &last, 1, start_us, &l->out);
	CHECK_INT(path_peer_handshake_ways(&l->p, ways, 8), 2);
	CHECK(ways[0].kind == WAY_RELAY && ways[1].kind == WAY_DIRECT);
	free(l);
}

TEST(an_answer_that_a_relay_held_while_we_slept_tells_no_round_trip)
{
	struct lone *l = lone_new();
	const uint8_t txid[PROBE_TXID_LEN] = {1};
	uint8_t ours[PROBE_TXID_LEN] = {0}, awake[PROBE_TXID_LEN] = {0};
	struct way relay = way_relay(1);
	uint64_t woke_us = start_us + 5 * US_PER_S;

	path_peer_on_ping(&l->p, &relay, txid, NULL, start_us, &l->out);
	CHECK(find_ping(&l->out, ours));
	path_peer_on_network_change(&l->p, "asleep", woke_us, &l->out);
	l->out.n = 0;
	struct path_pong held = path_peer_on_pong(&l->p, &relay, ours, NULL, woke_us + 1, &l->out);
	CHECK(held.matched && held.rtt_us == 0);
	CHECK(path_peer_choice(&l->p)->first.kind == WAY_RELAY);

	l->out.n = 0;
	CHECK_INT(path_peer_ping(&l->p, woke_us + 50 * MS, &l->out), 0);
	CHECK(find_ping(&l->out, awake));
	struct path_pong now =
		path_peer_on_pong(&l->p, &relay, awake, NULL, woke_us + 90 * MS, &l->out);
	CHECK(now.matched && now.rtt_us == 40 * MS);
	CHECK_INT(l->p.path[l->p.in_use].score.srtt_us, 40 * MS);
	free(l);
}
