/* The day that a seed stands for: episodes of somebody typing while one thing breaks, with quiet
 * before and after so that the bounds can be told; and storms, in which much breaks at once. */
#include <string.h>

#include "common/clock.h"
#include "tests/sim/day.h"
#include "tests/sim/random.h"

static const uint64_t day_us = 600 * US_PER_S;

struct draft {
	struct day *day;
	struct random dice;
	uint64_t at_us; /* everything before it is planned */
};

static bool chance(struct draft *f, unsigned percent)
{
	return random_below(&f->dice, 100) < percent;
}

static unsigned between(struct draft *f, unsigned low, unsigned high)
{
	return (unsigned)random_between(&f->dice, low, high);
}

/* Whole milliseconds, as the text has them. */
static uint64_t between_us(struct draft *f, unsigned low_ms, unsigned high_ms)
{
	return random_between(&f->dice, low_ms, high_ms) * US_PER_MS;
}

/* ---- who and where ---- */

static void draw_nat(struct draft *f, struct day_network *n)
{
	n->is_stacked = chance(f, 15);
	n->filtering = between(f, 0, NAT_DEPENDENCES - 1);
	if (chance(f, 30)) {
		n->mapping = between(f, 1, NAT_DEPENDENCES - 1);
		n->filtering = NAT_ADDRESS_AND_PORT_DEPENDENT;
	}
	n->ports = between(f, 0, NAT_PORTS_KINDS - 1);
	n->lifetime_s = between(f, 0, 2) ? between(f, 30, 120) : 300;
	n->blocks_udp = chance(f, 5);
}

static void draw_network(struct draft *f, struct day_network *n)
{
	static const unsigned delays_ms[] = {0, 1, 2, 5, 8, 12, 20, 35, 60};

	n->is_public = chance(f, 12);
	n->lifetime_s = 120;
	if (!n->is_public)
		draw_nat(f, n);
	n->delay_ms = delays_ms[between(f, 0, 8)];
	n->jitter_ms = chance(f, 40) ? between(f, 1, 4) : 0;
	n->loss_permille = chance(f, 12) ? between(f, 1, 20) : 0;
	n->reorder_permille = chance(f, 8) ? between(f, 1, 20) : 0;
	n->duplicate_permille = chance(f, 10) ? between(f, 1, 30) : 0;
	n->burst_every_s = chance(f, 5) ? between(f, 20, 60) : 0;
	n->mtu_bytes = chance(f, 10) ? 1400 : 0;
}

static void draw_town(struct draft *f)
{
	static const char *const names[DAY_NODES] = {"laptop", "dev", "tablet", "build"};
	struct day *d = f->day;
	bool two_owners = chance(f, 50);

	d->coordinator_delay_ms = between(f, 0, 40);
	for (unsigned i = 0; i < DAY_RELAYS; i++)
		d->delay_ms[i] = between(f, 0, 30);
	for (unsigned i = 0; i < DAY_NODES; i++) {
		struct day_node *n = &d->nodes[i];

		snprintf(n->name, sizeof(n->name), "%s", names[i]);
		snprintf(n->owner, sizeof(n->owner), "%s", two_owners && i >= 2 ? "bob" : "alice");
		n->is_client = i % 2 == 0;
		draw_network(f, &n->home);
		draw_network(f, &n->away);
	}
}

/* ---- events ---- */

static void add(struct draft *f, struct day_event e)
{
	if (e.at_us + e.for_us < day_us)
		day_add(f->day, &e);
}

struct pair {
	unsigned client, agent;
};

static struct pair draw_pair(struct draft *f)
{
	struct pair p = {2 * between(f, 0, 1), 1 + 2 * between(f, 0, 1)};

	if (!day_may(f->day, p.client, p.agent))
		p.agent = p.client + 1;
	return p;
}

static void add_typing(struct draft *f, struct pair p, uint64_t at_us, uint64_t for_us)
{
	add(f, (struct day_event){.at_us = at_us,
				  .for_us = for_us,
				  .word = DAY_TYPE,
				  .who = p.client,
				  .whom = p.agent,
				  .amount = between(f, 10, 25) * 10});
}

static void add_bulk(struct draft *f, struct pair p, uint64_t at_us, uint64_t for_us)
{
	bool is_upload = chance(f, 70);

	if (!is_upload) /* what a workspace may send is answers: nothing, unless asked */
		return;
	add(f, (struct day_event){.at_us = at_us,
				  .for_us = for_us,
				  .word = DAY_BULK,
				  .who = p.client,
				  .whom = p.agent,
				  .amount = between(f, 5, 40) * 1000});
}

/* A workspace to a laptop, or somebody to a stranger. */
static void add_trespass(struct draft *f, uint64_t at_us)
{
	unsigned from = between(f, 0, DAY_NODES - 1), to = between(f, 0, DAY_NODES - 1);

	if (from == to || day_may(f->day, from, to))
		return;
	add(f, (struct day_event){.at_us = at_us,
				  .for_us = 3 * US_PER_S,
				  .word = DAY_TRESPASS,
				  .who = from,
				  .whom = to});
}

/* Weights: what happens often in life, and what broke often, comes often. */
static const struct {
	enum day_word word;
	unsigned weight;
} troubles[] = {
	{DAY_CUT, 20},
	{DAY_BLOCK, 8},
	{DAY_DARK, 6},
	{DAY_REBIND, 10},
	{DAY_MOVE, 10},
	{DAY_SLEEP, 8},
	{DAY_RESTART, 12},
	{DAY_CRASH, 8},
	{DAY_POWER, 6},
	{DAY_CLOCK, 6},
	{DAY_FULL, 3},
	{DAY_DOWN, 3},
	{DAY_WORSE, 5},
	{DAY_LOSSY, 5},
	{DAY_RELAY_CRASH, 8},
	{DAY_RELAY_POWER, 5},
	{DAY_RELAY_DRAIN, 6},
	{DAY_COORDINATOR, 6},
	{DAY_COORDINATOR_TERM, 3},
};

static enum day_word draw_trouble(struct draft *f)
{
	size_t n = sizeof(troubles) / sizeof(troubles[0]);
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += troubles[i].weight;
	unsigned x = between(f, 0, sum - 1);
	size_t i = 0;

	while (x >= troubles[i].weight)
		x -= troubles[i++].weight;
	return troubles[i].word;
}

static unsigned draw_amount(struct draft *f, enum day_word word)
{
	if (word == DAY_CLOCK) /* minutes, an hour, or a week and a day: keys rotate by it */
		return between(f, 0, 3) ? between(f, 1, 3600) : 8 * 86400;
	if (word == DAY_LOSSY)
		return between(f, 20, 200);
	return between(f, 20, 150);
}

static struct day_event draw_event(struct draft *f, struct pair p, uint64_t at_us)
{
	struct day_event e = {.at_us = at_us, .word = draw_trouble(f)};
	unsigned has = day_fields(e.word);

	if (has & DAY_HAS_NODE)
		e.who = chance(f, 50) ? p.client : p.agent;
	if (has & DAY_HAS_RELAY)
		e.who = between(f, 0, DAY_RELAYS - 1);
	if (has & DAY_HAS_WHOM)
		e.whom = e.who == p.client ? p.agent : p.client;
	if (has & DAY_HAS_WAY)
		e.way = (enum day_way)between(f, 0, DAY_WAYS - 1);
	if (has & DAY_HAS_AMOUNT)
		e.amount = draw_amount(f, e.word);
	if (has & DAY_HAS_FOR)
		e.for_us = chance(f, 50) ? between_us(f, 300, 3000) : between_us(f, 3000, 15000);
	return e;
}

/* ---- episodes ---- */

static void add_calm_episode(struct draft *f)
{
	struct pair p = draw_pair(f);
	uint64_t lead_us = between_us(f, 3000, 6000), tail_us = between_us(f, 6000, 9000);
	struct day_event e = draw_event(f, p, f->at_us + lead_us);
	uint64_t for_us = lead_us + e.for_us + tail_us;

	add_typing(f, p, f->at_us, for_us);
	if (chance(f, 25))
		add_bulk(f, p, f->at_us, for_us);
	if (chance(f, 15))
		add_trespass(f, f->at_us);
	add(f, e);
	f->at_us += for_us + between_us(f, 2000, 8000);
	if (chance(f, 12)) /* long enough for mappings to go and keys to age */
		f->at_us += between_us(f, 40000, 150000);
}

static void add_storm(struct draft *f)
{
	struct pair p = draw_pair(f);
	unsigned n = between(f, 3, 8);

	add_typing(f, p, f->at_us, 65 * US_PER_S);
	for (unsigned i = 0; i < n; i++)
		add(f, draw_event(f, p, f->at_us + between_us(f, 2000, 25000)));
	f->at_us += 68 * US_PER_S;
}

static void add_removal(struct draft *f)
{
	struct pair p = draw_pair(f);
	unsigned who = chance(f, 50) ? p.client : p.agent;

	add_typing(f, p, f->at_us, 14 * US_PER_S);
	add(f,
	    (struct day_event){.at_us = f->at_us + 3 * US_PER_S, .word = DAY_REVOKE, .who = who});
	add(f, (struct day_event){.at_us = f->at_us + 18 * US_PER_S, .word = DAY_JOIN, .who = who});
	add_typing(f, p, f->at_us + 18 * US_PER_S, 8 * US_PER_S);
	f->at_us += 30 * US_PER_S;
}

/* All of them, and the first keystrokes as soon as the second of a pair has been started. */
static void add_joins(struct draft *f)
{
	uint64_t at_us = US_PER_S;

	for (unsigned i = 0; i < DAY_NODES; i++) {
		struct pair p = {i - i % 2, i - i % 2 + 1};

		add(f, (struct day_event){.at_us = at_us, .word = DAY_JOIN, .who = i});
		if (i % 2 == 1)
			add_typing(f, p, at_us, 5 * US_PER_S);
		at_us += between_us(f, 200, 4000);
	}
	f->at_us = at_us + 4 * US_PER_S;
}

void day_draw(struct day *d, uint64_t seed)
{
	struct draft f = {.day = d};

	*d = (struct day){.seed = seed, .end_us = day_us};
	random_init(&f.dice, seed, 0xda7);
	draw_town(&f);
	add_joins(&f);
	while (f.at_us + 30 * US_PER_S < day_us) {
		unsigned x = between(&f, 0, 99);

		if (x < 85)
			add_calm_episode(&f);
		else if (x < 95)
			add_storm(&f);
		else
			add_removal(&f);
	}
	day_vary(d);
}
