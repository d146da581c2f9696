/*
 * watch_gap: every gap that a typist felt is in the history of his node, and no other.
 *
 * Seen from outside: keystrokes went out and no echo came for clearly longer than max(250 ms,
 * 5 RTT) is a gap that must be told; a gap that is told must meet a time in which an echo was late
 * or missing, or lie between two echoes that are further apart than a gap is short. In between,
 * history and onlooker may differ: an answer of another kind may have come. One for each flow of
 * keystrokes.
 */
#ifndef WARREN_SIM_WATCH_GAP_H
#define WARREN_SIM_WATCH_GAP_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/expect.h"
#include "tests/sim/verdict.h"

enum { WATCH_GAP_SPANS = 128 }; /* the last ones count */

struct watch_gap {
	const struct expect *expect; /* borrowed; NULL: no flow */
	const char *node, *peer;     /* names; borrowed */
	uint64_t interval_us, last_us;
	bool is_by_relay, was_by_relay; /* one of the two sends so; and since the last echo */
	bool heard;			/* an echo came in this flow */
	bool has_typed;			/* all keystrokes are out */
	struct expect_span still; /* the last time that is long enough for a gap without an echo */
	/* Silences that must be told, and those that may. */
	struct expect_span must[WATCH_GAP_SPANS], may[WATCH_GAP_SPANS], told[WATCH_GAP_SPANS];
	unsigned n_must, n_may, n_told;
};

void watch_gap_on_begin(struct watch_gap *w, const struct expect *expect, const char *node,
			const char *peer, uint64_t interval_us, uint64_t now_us);
/* Somebody typed before, and nothing has come back since: what lasts until now may be told. */
void watch_gap_on_silence_before(struct watch_gap *w, uint64_t since_us, uint64_t now_us);
/* Since when nothing has come back, where that is a silence; else 0. */
uint64_t watch_gap_silent_since(const struct watch_gap *w, uint64_t now_us);
/* The two, or one of them, now send by a relay; or none does. */
void watch_gap_on_way(struct watch_gap *w, bool is_relay);
void watch_gap_on_echo(struct watch_gap *w, uint64_t now_us);
/* That was the last keystroke: from here on silence is none. */
void watch_gap_on_typed(struct watch_gap *w);
/* The node was away itself, asleep or off: it could not watch. */
void watch_gap_on_absence(struct watch_gap *w, uint64_t now_us);
/* Its process ends in order: it tells what it has seen so far. */
void watch_gap_on_goodbye(struct watch_gap *w, uint64_t now_us);
/* The node's history has it, of this peer. */
void watch_gap_on_told(struct watch_gap *w, uint64_t from_us, uint64_t until_us);
/* The keystrokes have ended a while ago: the account. */
void watch_gap_on_end(struct watch_gap *w, uint64_t now_us, struct verdict *v);

#endif
