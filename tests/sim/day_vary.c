/* What is drawn by dice of its own for each purpose, once the day stands: the rest of a seed's day
 * is the same with it or without. */
#include "common/clock.h"
#include "tests/sim/day.h"
#include "tests/sim/random.h"

enum purpose {
	VARY_POWER = 1,
	VARY_RELAYS,
	VARY_FAMILIES,
	VARY_POLICY,
	VARY_HOMES,
	VARY_SILENCE,
	VARY_STRANGER,
	VARY_LIE
};

/* A node at work changes its disk some times a second, an end and a start some dozen times. */
enum { WRITES_AT_WORK = 6, WRITES_OF_RESTART = 40 };

static struct random dice_for(const struct day *d, enum purpose purpose)
{
	struct random dice;

	random_init(&dice, d->seed, 0xda700 + (uint64_t)purpose);
	return dice;
}

static bool fits(const struct day *d, const struct day_event *e)
{
	return e->at_us + e->for_us < d->end_us;
}

/* It waits for a write before: that much longer is the machine away at most. */
static struct day_event torn(const struct day_event *e, enum day_word word, unsigned writes)
{
	struct day_event result = *e;

	result.word = word;
	result.amount = writes;
	result.for_us += DAY_WRITES_MS * US_PER_MS;
	return result;
}

/* Power that goes amid what is written: at work, in the coordinator, and around a restart. */
static void vary_power(struct day *d)
{
	struct random dice = dice_for(d, VARY_POWER);
	const struct day was = *d;
	size_t added = 0; /* all of them before i */

	for (size_t i = 0; i < was.n_events; i++) {
		const struct day_event *e = &was.events[i];
		unsigned writes = (unsigned)random_between(&dice, 1, WRITES_AT_WORK);
		unsigned many = (unsigned)random_between(&dice, 1, WRITES_OF_RESTART);
		unsigned percent = (unsigned)random_below(&dice, 100);
		struct day_event now = torn(e, DAY_TORN, writes);

		if (e->word == DAY_COORDINATOR)
			now.word = DAY_COORDINATOR_TORN;
		if (!fits(d, &now))
			continue;
		if ((e->word == DAY_POWER || e->word == DAY_COORDINATOR) && percent < 60) {
			d->events[i + added] = now;
		} else if (e->word == DAY_RESTART && percent < 15) {
			now.at_us -= US_PER_MS;
			now.amount = many;
			added += day_add(d, &now);
		}
	}
}

/* A relay of another make, which first says who it is. */
static void vary_relays(struct day *d)
{
	struct random dice = dice_for(d, VARY_RELAYS);

	if (random_below(&dice, 100) < 15)
		d->is_plain[random_below(&dice, DAY_RELAYS)] = 1;
}

/* The mesh has both families: a third of what applications do goes by IPv6. */
static void vary_families(struct day *d)
{
	struct random dice = dice_for(d, VARY_FAMILIES);

	for (size_t i = 0; i < d->n_events; i++)
		if (day_word_is_traffic(d->events[i].word))
			d->events[i].is_v6 = random_below(&dice, 3) == 0;
}

/* ---- a rule is taken away while somebody types ---- */

static uint64_t end_of(const struct day_event *e)
{
	return e->at_us + e->for_us;
}

/* A time from which on nothing happens for for_us, and to which the coordinator has been there for
 * longer than anybody waits to dial it again. 0: none. */
static uint64_t find_quiet(const struct day *d, uint64_t for_us)
{
	const uint64_t settled_us = 12 * US_PER_S, redial_us = 70 * US_PER_S;
	uint64_t free_us = 0;

	for (size_t i = 0; i < d->n_events; i++) {
		const struct day_event *e = &d->events[i];
		uint64_t busy_us = end_of(e) + settled_us;

		if (free_us != 0 && free_us + for_us < e->at_us)
			return free_us;
		if (day_word_is_coordinator(e->word))
			busy_us = end_of(e) + redial_us;
		if (busy_us > free_us)
			free_us = busy_us;
	}
	return 0;
}

static void vary_policy(struct day *d)
{
	struct random dice = dice_for(d, VARY_POLICY);
	uint64_t lead_us = random_between(&dice, 3000, 6000) * US_PER_MS;
	uint64_t for_us = random_between(&dice, 2000, 12000) * US_PER_MS;
	uint64_t typing_us = lead_us + for_us + 8 * US_PER_S;
	unsigned who = 2 * (unsigned)random_below(&dice, 2);
	uint64_t at_us = find_quiet(d, typing_us + 8 * US_PER_S);
	struct day_event e = {.at_us = at_us,
			      .for_us = typing_us,
			      .word = DAY_TYPE,
			      .who = who,
			      .whom = who + 1,
			      .amount = 10 * (unsigned)random_between(&dice, 10, 25)};

	bool is_chosen = random_below(&dice, 100) < 40;

	if (at_us == 0 || !is_chosen) /* most days keep their long silences */
		return;
	day_add(d, &e);
	e.at_us += lead_us;
	e.for_us = for_us;
	e.word = DAY_FORBID;
	e.amount = random_below(&dice, 2) ? 0 : 443;
	day_add(d, &e);
}

/* Somebody types to a workspace that is gone, and then no more: handshakes are given up after 90 s.
 */
static void vary_silence(struct day *d)
{
	struct random dice = dice_for(d, VARY_SILENCE);
	unsigned who = 2 * (unsigned)random_below(&dice, 2);
	const uint64_t typing_us = 4 * US_PER_S, gone_us = 108 * US_PER_S;
	uint64_t at_us = find_quiet(d, gone_us + 8 * US_PER_S);
	struct day_event e = {.at_us = at_us, .for_us = gone_us, .word = DAY_CRASH, .who = who + 1};

	if (at_us == 0 || random_below(&dice, 100) >= 25)
		return;
	day_add(d, &e);
	e = (struct day_event){.at_us = at_us + US_PER_S,
			       .for_us = typing_us,
			       .word = DAY_TYPE,
			       .who = who,
			       .whom = who + 1,
			       .amount = 200};
	day_add(d, &e);
}

/* A laptop and a workspace of its owner's behind one NAT. */
static void vary_homes(struct day *d)
{
	struct random dice = dice_for(d, VARY_HOMES);
	unsigned host = 2 * (unsigned)random_below(&dice, 2);

	if (random_below(&dice, 100) >= 15 || d->nodes[host].home.is_public)
		return;
	d->nodes[host + 1].home = d->nodes[host].home;
	d->nodes[host + 1].lives_with = host + 1;
}

/* ---- attempts ---- */

/* Some time while somebody types: who would notice if not he? NULL: nobody ever does. */
static const struct day_event *draw_typing(const struct day *d, struct random *dice)
{
	const struct day_event *drawn = NULL;
	uint64_t n = 0;

	for (size_t i = 0; i < d->n_events; i++)
		if (d->events[i].word == DAY_TYPE && random_below(dice, ++n) == 0)
			drawn = &d->events[i];
	return drawn;
}

static void vary_stranger(struct day *d)
{
	struct random dice = dice_for(d, VARY_STRANGER);
	const struct day_event *typing = draw_typing(d, &dice);
	uint64_t later_us = random_between(&dice, 0, 4000) * US_PER_MS;
	struct day_event e = {.for_us = 8 * US_PER_S, .word = DAY_INTRUDE};

	e.who = (unsigned)random_below(&dice, DAY_NODES);
	e.amount = (unsigned)random_below(&dice, DAY_TOKENS);
	if (!typing || random_below(&dice, 100) >= 17)
		return;
	e.at_us = typing->at_us + later_us;
	if (fits(d, &e))
		day_add(d, &e);
}

/* About the one of a pair that talks, to the other. */
static void vary_lie(struct day *d)
{
	struct random dice = dice_for(d, VARY_LIE);
	const struct day_event *typing = draw_typing(d, &dice);
	uint64_t later_us = random_between(&dice, 500, 4000) * US_PER_MS;
	bool is_about_client = random_below(&dice, 2) == 0;
	struct day_event e = {.for_us = 6 * US_PER_S, .word = DAY_LIE};

	e.amount = (unsigned)random_below(&dice, DAY_LIES);
	if (!typing || random_below(&dice, 100) >= 17)
		return;
	e.at_us = typing->at_us + later_us;
	e.who = is_about_client ? typing->who : typing->whom;
	e.whom = is_about_client ? typing->whom : typing->who;
	if (fits(d, &e))
		day_add(d, &e);
}

void day_vary(struct day *d)
{
	vary_homes(d);
	vary_silence(d);
	vary_policy(d);
	vary_families(d);
	vary_relays(d);
	vary_power(d);
	vary_stranger(d); /* what was drawn before stays as it was */
	vary_lie(d);
}
