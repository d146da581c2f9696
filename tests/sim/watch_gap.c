#include "tests/sim/watch_gap.h"

#include <math.h>

#include "common/clock.h"

/* Echoes tell of a silence an interval late at most on either side. */
static const uint64_t least_us = 250 * US_PER_MS, slack_us = 400 * US_PER_MS;
/* So rarely are so many echoes lost in a row that it is more than chance. */
static const double rare = 1e-8;
/* A node looks so often at a peer that it doubts, and takes for a gap's end what it then knows. */
static const uint64_t look_us = 50 * US_PER_MS;
/* It has ended when both directions are proved, by probes that go so often. */
static const uint64_t proof_rhythm_us = 250 * US_PER_MS;

void watch_gap_on_begin(struct watch_gap *w, const struct expect *expect, const char *node,
			const char *peer, uint64_t interval_us, uint64_t now_us)
{
	*w = (struct watch_gap){.expect = expect,
				.node = node,
				.peer = peer,
				.interval_us = interval_us,
				.last_us = now_us};
}

static void keep(struct expect_span *spans, unsigned *n, uint64_t from_us, uint64_t until_us)
{
	spans[(*n)++ % WATCH_GAP_SPANS] = (struct expect_span){from_us, until_us};
}

static uint64_t longest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void watch_gap_on_silence_before(struct watch_gap *w, uint64_t since_us, uint64_t now_us)
{
	keep(w->may, &w->n_may, since_us, now_us);
}

static bool is_silence(const struct watch_gap *w, uint64_t silence_us)
{
	return silence_us > w->interval_us + w->interval_us / 4;
}

uint64_t watch_gap_silent_since(const struct watch_gap *w, uint64_t now_us)
{
	return is_silence(w, now_us - w->last_us) ? w->last_us : 0;
}

void watch_gap_on_way(struct watch_gap *w, bool is_relay)
{
	w->is_by_relay = is_relay;
	w->was_by_relay = w->was_by_relay || is_relay;
}

/* What a relay's TCP makes of losses are round trips, too, and the node measures them. */
static uint64_t rtt_us(const struct watch_gap *w)
{
	return w->expect->relay_us + (w->was_by_relay ? w->expect->loss_us : 0);
}

/* A link that loses a part of all packets may lose some echoes in a row, while others of the pair's
 * packets come through: that is loss, and no gap. */
static uint64_t chance_us(const struct watch_gap *w, uint64_t now_us)
{
	double passes = 1 - expect_lost(w->expect, w->last_us, now_us);
	double lost = 1 - passes * passes;

	return lost > 0 ? (uint64_t)(log(rare) / log(lost) * (double)w->interval_us) : 0;
}

static void judge_silence(struct watch_gap *w, uint64_t now_us)
{
	uint64_t gap_us = longest(least_us, 5 * rtt_us(w));
	/* Data is sent each interval, the first may be that much late, and pongs may have come. */
	uint64_t enough_us = 2 * gap_us + 2 * w->interval_us + 500 * US_PER_MS;

	if (w->heard && now_us - w->last_us > longest(enough_us, chance_us(w, now_us)))
		keep(w->must, &w->n_must, w->last_us, now_us);
}

void watch_gap_on_echo(struct watch_gap *w, uint64_t now_us)
{
	uint64_t silence_us = now_us - w->last_us;

	/* The first is late by its way alone, not by the typist's rhythm. */
	bool is_late = !w->heard && silence_us > least_us;

	judge_silence(w, now_us);
	if (is_late || is_silence(w, silence_us))
		keep(w->may, &w->n_may, w->last_us, now_us);
	if (silence_us > least_us)
		w->still = (struct expect_span){w->last_us, now_us};
	w->heard = true;
	w->was_by_relay = w->is_by_relay;
	w->last_us = now_us;
}

void watch_gap_on_typed(struct watch_gap *w)
{
	w->has_typed = true;
}

static void go_away(struct watch_gap *w, uint64_t now_us)
{
	keep(w->may, &w->n_may, w->last_us, now_us + 5 * US_PER_S);
	w->heard = false;
}

void watch_gap_on_absence(struct watch_gap *w, uint64_t now_us)
{
	const struct expect_span *last = &w->must[(w->n_must - 1) % WATCH_GAP_SPANS];

	/* The echo was there, and the node was not given the time to see that the gap had ended. */
	if (w->n_must > 0 && last->until_us + proof_rhythm_us + look_us + rtt_us(w) > now_us)
		w->n_must--;
	go_away(w, now_us);
}

void watch_gap_on_goodbye(struct watch_gap *w, uint64_t now_us)
{
	if (!w->has_typed)
		judge_silence(w, now_us);
	go_away(w, now_us);
}

/* Other data found no answer between two echoes, and the typist had no cause to notice. */
static bool is_between_echoes(const struct watch_gap *w, uint64_t from_us, uint64_t until_us)
{
	bool lasts = w->last_us <= from_us + look_us;

	return lasts ||
	       (w->still.from_us <= from_us + look_us && w->still.until_us + look_us >= until_us);
}

void watch_gap_on_told(struct watch_gap *w, uint64_t from_us, uint64_t until_us)
{
	if (is_between_echoes(w, from_us, until_us))
		keep(w->may, &w->n_may, from_us, until_us);
	keep(w->told, &w->n_told, from_us, until_us);
}

static bool meets(const struct expect_span *spans, unsigned n, const struct expect_span *span,
		  uint64_t slack)
{
	for (unsigned i = n > WATCH_GAP_SPANS ? n - WATCH_GAP_SPANS : 0; i < n; i++) {
		const struct expect_span *s = &spans[i % WATCH_GAP_SPANS];

		if (s->from_us <= span->until_us + slack && s->until_us + slack >= span->from_us)
			return true;
	}
	return false;
}

static void check(const struct watch_gap *w, const struct expect_span *spans, unsigned n,
		  const struct expect_span *among, unsigned n_among, uint64_t now_us,
		  const char *text, struct verdict *v)
{
	uint64_t slack = slack_us + w->interval_us + w->expect->relay_us;

	for (unsigned i = n > WATCH_GAP_SPANS ? n - WATCH_GAP_SPANS : 0; i < n; i++) {
		const struct expect_span *s = &spans[i % WATCH_GAP_SPANS];

		if (!meets(among, n_among, s, slack))
			verdict_fail(v, now_us, "gap", "%s: a gap of %s, %.3f s to %.3f s, %s",
				     w->node, w->peer, (double)s->from_us / US_PER_S,
				     (double)s->until_us / US_PER_S, text);
	}
}

void watch_gap_on_end(struct watch_gap *w, uint64_t now_us, struct verdict *v)
{
	/* What was still silent at the end may be told as well. */
	keep(w->may, &w->n_may, w->last_us, now_us);
	check(w, w->must, w->n_must, w->told, w->n_told, now_us, "is not in its history", v);
	check(w, w->told, w->n_told, w->may, w->n_may, now_us,
	      "is in its history and nobody felt it", v);
	w->expect = NULL;
}
