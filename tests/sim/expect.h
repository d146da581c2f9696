/*
 * expect: what a day's schedule lets a pair notice: moments that excuse a pause, how long a pause
 * each of them excuses, and times in which the two cannot reach each other at all.
 *
 * A core over the schedule alone: the formulas of DESIGN.md's table, with the constants that the
 * main job is held to. Watches compare with it what they saw.
 */
#ifndef WARREN_SIM_EXPECT_H
#define WARREN_SIM_EXPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/day.h"

enum { EXPECT_EDGES_MAX = 2 * DAY_EVENTS_MAX };

struct expect_edge {
	uint64_t at_us, allow_us;
	const struct day_event *event;
};

struct expect_span {
	uint64_t from_us, until_us;
};

struct expect {		       /* for one pair, in either direction */
	const struct day *day; /* borrowed */
	unsigned a, b;
	/* Round trips at their worst. */
	uint64_t direct_us, relay_us, server_us;
	uint64_t stall_us; /* what nobody would call a pause */
	/* Added to everything where packets get lost, up to one in ten. */
	uint64_t loss_us;
	bool can_be_direct; /* by their networks at home and away */
	struct expect_edge edges[EXPECT_EDGES_MAX];
	size_t n_edges;
	struct expect_span apart[DAY_EVENTS_MAX]; /* in the order of from_us */
	size_t n_apart;
};

/* d is borrowed for the life of e. */
void expect_init(struct expect *e, const struct day *d, unsigned a, unsigned b);
/* How long the two may be silent from since_us to until_us: the time in which they were apart, and
 * all that the schedule excuses. */
uint64_t expect_pause_us(const struct expect *e, uint64_t since_us, uint64_t until_us);
/* Which part of the packets from one to the other is lost on their links, where they lose most
 * between these times: by chance, not in bursts. */
double expect_lost(const struct expect *e, uint64_t since_us, uint64_t until_us);
/* Did anything at all happen to the two between these times, or still has its effect? */
bool expect_is_calm(const struct expect *e, uint64_t since_us, uint64_t until_us);
/* Did a link of the two get slower or lossy between these times, or better again? */
bool expect_is_worse(const struct expect *e, uint64_t since_us, uint64_t until_us);
/* Does a pair that talked last at talked_us, 0 for never, still have its direct way at until_us?
 */
bool expect_keeps_way(const struct expect *e, uint64_t talked_us, uint64_t until_us);
/* Are the two apart at some time of it? */
bool expect_is_apart(const struct expect *e, uint64_t since_us, uint64_t until_us);

#endif
