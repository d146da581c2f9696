/*
 * disco_box_fuzz: where packets go, while a lying peer and the network do their worst to the sealed
 * messages by which two nodes find each other.
 *
 *	node 0 --path_peer, disco_box--+== wire that the input bends ==+-- node 1, honest
 *	       \--path_peer, disco_box-+                               +-- liar: seals what it likes
 *
 * A message of node 1 may be dropped, held back, replayed, reflected, bent, and come from any
 * address; the liar answers pings, or says that it did, and names endpoints. Must hold:
 *   - nothing opens but what the holder of that key sealed for us;
 *   - no way is chosen by which no ping of ours ever reached that peer;
 *   - no forbidden address is pinged; unproved ones at most 64 times in a second, 1,000 in an hour;
 *   - one message makes us send a few, and no timer runs in circles;
 *   - once the wire is quiet, both ends choose ways that carry, within 30 s.
 */
#include "agent/disco_box.h"

#include "tests/fuzz/disco_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEPS_MAX = 300, QUIET_S = 30 };
static const uint64_t START_US = 1000 * (uint64_t)US_PER_S;

static struct world world;

/* ---- life ---- */

static void new_key(struct world *w, unsigned self, bool keeps_before)
{
	struct party *p = &w->party[self];
	struct secret_key before = keeps_before ? p->keys.now.secret : (struct secret_key){{0}};
	struct secret_key now;
	uint8_t random[KEY_LEN] = {0, (uint8_t)self, p->key_number++};

	secret_key_from_random(&now, random);
	disco_keys_set(&p->keys, &now, &before);
}

static struct way script_way(struct world *w)
{
	uint8_t b = script_byte(&w->s);

	return b & 128 ? way_relay(1 + b % 2) : way_direct(address(b & 7));
}

static void set_relays(struct world *w)
{
	for (unsigned i = 0; i < OF_LIAR; i++) {
		struct path_actions actions = {.n = 0};
		struct path_relay relays[2] = {{.region = 1, .rtt_us = 20000, .is_ours = true},
					       {.region = 2, .rtt_us = 50000}};

		for (unsigned j = 0; j < 2; j++)
			relays[j].up = w->relay_up[j + 1];
		path_peer_set_relays(&w->party[i].path, relays, 2, w->now_us, &actions);
		carry_out(w, i, &actions);
	}
}

static void open_world(struct world *w, const uint8_t *data, size_t len)
{
	memset(w, 0, sizeof(*w));
	w->s = script_init(data, len);
	w->now_us = START_US;
	MUST(prefix_parse("10.64.0.0/16", &w->rules.mesh[0]) == 0);
	w->rules.mesh_n = w->rules.own_n = 1;
	w->rules.own[0] = (struct endpoint){.ip.b = {[10] = 0xff, 0xff, 198, 51, 100, 9}};
	w->rules.own[0].port = 1;
	w->relay_up[1] = w->relay_up[2] = true;
	for (unsigned i = 0; i < PARTIES; i++)
		new_key(w, i, false);
	/* One node, one key: towards both. */
	w->party[TO_LIAR].keys = w->party[TO_HONEST].keys;
	for (unsigned i = 0; i < PARTIES; i++) {
		struct party *p = &w->party[i];
		uint8_t seed[PATH_SEED_LEN] = {(uint8_t)(i + 1)};

		p->addr = address(i == TO_LIAR ? TO_HONEST : (uint8_t)i);
		MUST(disco_box_init(&p->box, &p->keys, &w->party[other_of(i)].keys.now.public) ==
		     0);
		path_peer_init(&p->path, &w->rules, seed, w->now_us);
	}
	set_relays(w);
}

/* The honest node rotates its disco key; the map may tell of it later. */
static void rotate(struct world *w)
{
	new_key(w, OF_HONEST, true);
	disco_box_own_changed(&w->party[OF_HONEST].box);
}

static void learn_key(struct world *w)
{
	MUST(disco_box_set_theirs(&w->party[TO_HONEST].box, &w->party[OF_HONEST].keys.now.public,
				  w->now_us) == 0);
}

static void run_timers(struct world *w)
{
	for (unsigned i = 0; i < OF_LIAR; i++) {
		struct party *p = &w->party[i];

		for (unsigned round = 0; path_peer_deadline_us(&p->path) <= w->now_us; round++) {
			struct path_actions actions = {.n = 0};

			MUST(round < 8);
			path_peer_on_deadline(&p->path, &p->traffic, w->now_us, &actions);
			carry_out(w, i, &actions);
		}
	}
}

static void want(struct world *w, unsigned self)
{
	struct path_actions actions = {.n = 0};
	struct party *p = &w->party[self];

	path_peer_on_own_endpoints(&p->path, w->now_us, &actions);
	path_peer_want(&p->path, w->now_us, &actions);
	carry_out(w, self, &actions);
}

static void name_candidates(struct world *w, unsigned self)
{
	struct path_actions actions = {.n = 0};
	struct path_named named = {.addr = w->party[other_of(self)].addr, .source = CANDIDATE_STUN};

	path_peer_set_candidates(&w->party[self].path, &named, 1, w->now_us, &actions);
	carry_out(w, self, &actions);
}

static void change_network(struct world *w, unsigned self)
{
	struct path_actions actions = {.n = 0};

	path_peer_on_network_change(&w->party[self].path, "network-changed", w->now_us, &actions);
	carry_out(w, self, &actions);
}

/* ---- what the liar and the wire do ---- */

/* Any plain text that is a message, sealed with the liar's true key, from anywhere. */
static void lie(struct world *w)
{
	struct disco_message m;
	struct way way = script_way(w), from = script_way(w);
	size_t len;
	const uint8_t *plain = script_span(&w->s, DISCO_BODY_MAX, &len);
	struct packet *p;

	if (len == 0 || disco_decode(plain, len, &m) != 0)
		return;
	seal(w, OF_LIAR, &way, &m);
	p = &w->flight[w->in_flight - 1];
	hear(w, TO_LIAR, p, &from);
}

/* Names addresses to be pinged: strangers, and such as nobody may name. */
static void lie_call(struct world *w)
{
	static const char *const bad[] = {"127.0.0.1:22",   "169.254.169.254:80", "10.64.0.9:1",
					  "198.51.100.9:1", "224.0.0.1:9",	  "[fe80::1]:7"};
	struct disco_message m = {.type = DISCO_CALL_ME_MAYBE};
	struct way way = way_relay(1 + script_byte(&w->s) % 2);
	uint8_t first = script_byte(&w->s), port = script_byte(&w->s);

	m.call_me_maybe.n = script_byte(&w->s) % (DISCO_ENDPOINTS_MAX + 1);
	for (size_t i = 0; i < m.call_me_maybe.n; i++) {
		struct endpoint *e = &m.call_me_maybe.endpoints[i];

		*e = address((uint8_t)(first + i));
		e->port = (uint16_t)(1 + port);
		if (first & 1 && i < sizeof(bad) / sizeof(bad[0]))
			MUST(endpoint_parse(bad[i], e) == 0);
	}
	seal(w, OF_LIAR, &way, &m);
	struct packet p = w->flight[w->in_flight - 1];
	hear(w, TO_LIAR, &p, &way);
}

/* Answers a ping that is on its way to it, or not yet, as if it came from anywhere. */
static void lie_pong(struct world *w)
{
	struct disco_message m, pong = {.type = DISCO_PONG};
	struct way way = script_way(w), from = script_way(w);
	struct packet *p = &w->tape[script_byte(&w->s) % TAPE_MAX];

	if (p->to != OF_LIAR ||
	    disco_box_open(&w->party[OF_LIAR].box, p->bytes, p->len, w->now_us, &m) != 0 ||
	    m.type != DISCO_PING)
		return;
	hear(w, OF_LIAR, p, &p->way); /* who answers has heard */
	memcpy(pong.pong.txid, m.ping.txid, DISCO_TXID_LEN);
	pong.pong.has_report = script_byte(&w->s) & 1;
	pong.pong.report.serial = script_u16(&w->s);
	pong.pong.report.heard_probe = script_u16(&w->s);
	pong.pong.report.data_heard[script_pick(&w->s, 2)] = script_u16(&w->s);
	seal(w, OF_LIAR, &way, &pong);
	struct packet answer = w->flight[w->in_flight - 1];
	hear(w, TO_LIAR, &answer, &from);
}

/* Any packet there was, to anyone, by any way, whole or bent. */
static void again(struct world *w, bool bent)
{
	struct packet p = w->tape[script_byte(&w->s) % TAPE_MAX];
	unsigned to = script_pick(&w->s, PARTIES);
	struct way from = script_way(w);

	if (p.len == 0)
		return;
	if (bent) {
		p.bytes[script_u16(&w->s) % p.len] ^= script_byte(&w->s) | 1;
		if (script_byte(&w->s) & 1)
			p.len = script_u16(&w->s) % (p.len + 1);
	}
	hear(w, to, &p, &from);
}

static void count_traffic(struct world *w)
{
	struct party *p = &w->party[script_pick(&w->s, OF_LIAR)];
	struct path_traffic_kind *k = &p->traffic.kind[1 + script_pick(&w->s, WAY_RELAY)];

	k->data_sent += script_byte(&w->s);
	k->last_data_sent_us = w->now_us;
	if (script_byte(&w->s) & 1) {
		k->data_heard++;
		k->last_data_heard_us = k->last_heard_us = w->now_us;
	}
}

static void step_of_network(struct world *w, unsigned kind)
{
	switch (kind) {
	case 0:
		w->party[OF_HONEST].addr = address(4 + script_byte(&w->s) % 3);
		break;
	case 1:
		kind = 1 + script_byte(&w->s) % 2;
		w->relay_up[kind] = !w->relay_up[kind];
		set_relays(w);
		break;
	case 2:
		rotate(w);
		break;
	case 3:
		learn_key(w);
		break;
	case 4:
		change_network(w, script_pick(&w->s, OF_LIAR));
		break;
	case 5:
		name_candidates(w, script_pick(&w->s, OF_LIAR));
		break;
	default:
		count_traffic(w);
	}
}

static void step(struct world *w)
{
	switch (script_pick(&w->s, 12)) {
	case 0:
		deliver(w);
		break;
	case 1:
		for (unsigned i = 0; i < FLIGHT_MAX; i++)
			deliver(w);
		break;
	case 2:
		w->now_us += script_pause_us(&w->s);
		run_timers(w);
		break;
	case 3:
		want(w, script_pick(&w->s, OF_LIAR));
		break;
	case 4:
		if (w->in_flight > 0)
			(void)take_oldest(w);
		break;
	case 5:
		lie(w);
		break;
	case 6:
		lie_pong(w);
		break;
	case 7:
		again(w, false);
		break;
	case 8:
		lie_call(w);
		break;
	case 9:
		again(w, true);
		break;
	default:
		step_of_network(w, script_pick(&w->s, 8));
	}
}

/* ---- the end ---- */

/* What goes by this way now arrives. */
static bool carries(const struct world *w, unsigned self, const struct way *way)
{
	if (way->kind == WAY_RELAY)
		return w->relay_up[way->region];
	return way->kind == WAY_DIRECT &&
	       endpoint_equal(&way->addr, &w->party[other_of(self)].addr);
}

static void count_keystroke(struct world *w, unsigned self)
{
	struct path_traffic *t = &w->party[self].traffic;
	const struct path_choice *c = path_peer_choice(&w->party[self].path);
	struct path_traffic_kind *k =
		&t->kind[c->first.kind == WAY_NONE ? WAY_RELAY : c->first.kind];

	k->data_sent++;
	k->last_data_sent_us = w->now_us;
}

static bool both_carry(const struct world *w)
{
	return carries(w, TO_HONEST, &path_peer_choice(&w->party[TO_HONEST].path)->first) &&
	       carries(w, OF_HONEST, &path_peer_choice(&w->party[OF_HONEST].path)->first);
}

static void check_honest(struct world *w)
{
	w->relay_up[1] = w->relay_up[2] = true;
	set_relays(w);
	learn_key(w);
	name_candidates(w, TO_HONEST);
	name_candidates(w, OF_HONEST);
	unsigned tick = 0;
	while (!both_carry(w)) {
		MUST(tick < QUIET_S * 20);
		if (tick++ % 20 == 0) {
			want(w, TO_HONEST);
			want(w, OF_HONEST);
		}
		count_keystroke(w, TO_HONEST);
		count_keystroke(w, OF_HONEST);
		run_timers(w);
		while (w->in_flight > 0)
			deliver(w);
		w->now_us += 50 * US_PER_MS;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world *w = &world;

	open_world(w, data, len);
	for (unsigned i = 0; i < STEPS_MAX && script_has_more(&w->s); i++)
		step(w);
	check_honest(w);
	for (unsigned i = 0; i < PARTIES; i++)
		disco_box_wipe(&w->party[i].box);
	return 0;
}
