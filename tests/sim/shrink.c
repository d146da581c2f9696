#include "tests/sim/shrink.h"

#include <string.h>

#include "common/clock.h"

struct search {
	struct day *day; /* the smallest so far */
	shrink_trial_fn *trial;
	void *arg;
	unsigned done, max;
};

/* Keeps the smaller day if it still fails. */
static bool attempt(struct search *s, const struct day *smaller)
{
	if (s->done >= s->max)
		return false;
	s->done++;
	if (!s->trial(s->arg, smaller))
		return false;
	*s->day = *smaller;
	return true;
}

/* ---- events ---- */

static bool drop_events(struct search *s, size_t first, size_t n)
{
	bool out[DAY_EVENTS_MAX] = {0};
	struct day smaller;

	for (size_t i = first; i < first + n && i < s->day->n_events; i++)
		out[i] = true;
	day_without(s->day, out, &smaller);
	return attempt(s, &smaller);
}

/* Nothing that happens after the failure matters: the day ends earlier, as long as it fails. */
static void shorten_day(struct search *s)
{
	for (uint64_t cut_us = s->day->end_us / 2; cut_us >= US_PER_S; cut_us /= 2) {
		struct day smaller = *s->day;

		if (smaller.end_us <= cut_us)
			continue;
		smaller.end_us -= cut_us;
		smaller.end_us -= smaller.end_us % US_PER_MS;
		while (smaller.n_events > 0 &&
		       smaller.events[smaller.n_events - 1].at_us >= smaller.end_us)
			smaller.n_events--;
		attempt(s, &smaller);
	}
}

static void shrink_events(struct search *s)
{
	size_t chunk = s->day->n_events / 2;

	while (chunk > 0 && s->done < s->max) {
		bool any = false;

		for (size_t at = 0; at < s->day->n_events && s->done < s->max;) {
			if (drop_events(s, at, chunk))
				any = true;
			else
				at += chunk;
		}
		if (!any || chunk > 1)
			chunk = chunk == 1 ? 0 : (chunk + 1) / 2;
	}
}

/* ---- features ---- */

static void shrink_network(struct search *s, unsigned node, bool is_away)
{
	const struct day_network plain = {.lifetime_s = 120, .delay_ms = 10};
	struct day smaller = *s->day;
	struct day_network *n = is_away ? &smaller.nodes[node].away : &smaller.nodes[node].home;
	struct day_network was = *n;

	if (memcmp(n, &plain, sizeof(plain)) == 0)
		return;
	*n = plain;
	if (attempt(s, &smaller))
		return;
	unsigned *const features[] = {&n->is_stacked,
				      &n->jitter_ms,
				      &n->loss_permille,
				      &n->reorder_permille,
				      &n->duplicate_permille,
				      &n->burst_every_s,
				      &n->mtu_bytes,
				      &n->blocks_udp,
				      &n->mapping,
				      &n->filtering,
				      &n->ports};

	*n = was;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		unsigned before = *features[i];

		if (before == 0)
			continue;
		*features[i] = 0;
		if (!attempt(s, &smaller))
			*features[i] = before;
	}
}

static void shrink_families(struct search *s)
{
	struct day smaller = *s->day;
	bool any = false;

	for (size_t i = 0; i < smaller.n_events; i++) {
		any |= smaller.events[i].is_v6 != 0;
		smaller.events[i].is_v6 = 0;
	}
	if (any)
		attempt(s, &smaller);
}

static void shrink_relays(struct search *s)
{
	for (unsigned i = 0; i < DAY_RELAYS; i++) {
		struct day smaller = *s->day;

		smaller.is_plain[i] = 0;
		if (s->day->is_plain[i])
			attempt(s, &smaller);
	}
}

static void shrink_homes(struct search *s)
{
	for (unsigned i = 0; i < DAY_NODES; i++) {
		struct day smaller = *s->day;

		smaller.nodes[i].lives_with = 0;
		if (s->day->nodes[i].lives_with)
			attempt(s, &smaller);
	}
}

static void shrink_features(struct search *s)
{
	shrink_homes(s);
	shrink_families(s);
	shrink_relays(s);
	for (unsigned i = 0; i < DAY_NODES; i++) {
		shrink_network(s, i, false);
		shrink_network(s, i, true);
	}
}

unsigned shrink_day(struct day *day, shrink_trial_fn *trial, void *arg, unsigned trials)
{
	struct search s = {.day = day, .trial = trial, .arg = arg, .max = trials};

	shorten_day(&s);
	shrink_events(&s);
	shrink_features(&s);
	shrink_events(&s);
	return s.done;
}
