/* What is drawn by dice of its own for each purpose, once the day stands: the rest of a seed's day
 * is the same with it or without. */
#include "common/clock.h"
#include "tests/sim/day.h"
#include "tests/sim/random.h"

enum purpose { VARY_POWER = 1, VARY_RELAYS, VARY_FAMILIES };

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

void day_vary(struct day *d)
{
	vary_families(d);
	vary_relays(d);
	vary_power(d);
}
