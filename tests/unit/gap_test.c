#include "agent/measure/gap.h"

#include <string.h>

#include "common/clock.h"
#include "tests/unit/test.h"

enum { MS = US_PER_MS };
static const uint64_t wall_us = 1700000000ull * US_PER_S, t0_us = 1000ull * US_PER_S;

static bool step(struct gap *g, const struct gap_view *v, uint64_t at_ms, struct event *e)
{
	return gap_step(g, v, t0_us + at_ms * MS, wall_us + at_ms * MS, e);
}

/* Keys each 20 ms, echoes 20 ms later, proofs each 250 ms, until at_ms. */
static void all_is_well(struct gap *g, struct gap_view *v, uint64_t until_ms)
{
	struct event e;

	v->rtt_us = 20 * MS;
	for (uint64_t at = 20; at <= until_ms; at += 20) {
		v->data_sent++;
		v->last_data_sent_us = t0_us + at * MS;
		v->heard_us = t0_us + at * MS - 1;
		v->proved_us = t0_us + at / 250 * 250 * MS;
		CHECK(!step(g, v, at, &e));
	}
}

TEST(no_gap_for_a_peer_that_never_answered)
{
	struct gap g = {0};
	struct gap_view v = {.data_sent = 1, .last_data_sent_us = t0_us};
	struct event e;

	CHECK(!step(&g, &v, 5000, &e) && !g.open);
}

TEST(silence_without_data_is_no_gap)
{
	struct gap g = {0};
	struct gap_view v = {0};
	struct event e;

	all_is_well(&g, &v, 1000);
	v.heard_us = v.proved_us = t0_us + 1010 * MS;
	CHECK(!step(&g, &v, 1010, &e));
	CHECK(!step(&g, &v, 9000, &e) && !g.open);
}

TEST(a_slow_way_that_is_tried_in_vain_buys_no_patience)
{
	struct gap g = {0};
	struct gap_view v = {0};
	struct event e;

	all_is_well(&g, &v, 1000);
	for (uint64_t at = 1020; at <= 3000; at += 20) {
		v.data_sent++;
		v.last_data_sent_us = t0_us + at * MS;
		CHECK(!step(&g, &v, at, &e));
		v.rtt_us = 3366 * MS; /* five of them would be 17 s */
	}
	v.heard_us = v.proved_us = t0_us + 3010 * MS;
	CHECK(step(&g, &v, 3020, &e));
	CHECK_INT(e.end_unix_us, wall_us + 3010 * MS);
}

TEST(a_gap_runs_from_the_last_proof_to_the_next_with_its_losses)
{
	struct gap g = {0};
	struct gap_view v = {0};
	struct event e;

	all_is_well(&g, &v, 1000);
	for (uint64_t at = 1020; at <= 1600; at += 20) { /* 30 keys into the void */
		v.data_sent++;
		v.last_data_sent_us = t0_us + at * MS;
		CHECK(!step(&g, &v, at, &e));
		CHECK(g.open == (at > 1000 + 250)); /* the key at 1000 was the first unheard */
	}
	gap_on_cause(&g, CODE_PATH_SILENT, t0_us + 1300 * MS);
	gap_on_cause(&g, CODE_NAT_REBOUND, t0_us + 1500 * MS);
	gap_on_cause(&g, CODE_PATH_SILENT, t0_us + 1550 * MS);
	v.heard_us = v.proved_us = t0_us + 1610 * MS;
	CHECK(step(&g, &v, 1612, &e));
	CHECK(e.kind == EVENT_GAP && e.code == CODE_NAT_REBOUND);
	CHECK(e.unix_us == wall_us + 1000 * MS - 1);
	CHECK(e.end_unix_us == wall_us + 1610 * MS);
	CHECK_INT(e.lost_packets, 30);
	CHECK(e.seen_by == EVENT_SEEN_HERE && !g.open);
}

TEST(hearing_the_peer_is_not_enough_where_it_does_not_hear_us)
{
	struct gap g = {0};
	struct gap_view v = {0};
	struct event e;
	bool was_open = false;

	all_is_well(&g, &v, 1000);
	for (uint64_t at = 1020; at <= 2000; at += 20) {
		v.data_sent++;
		v.last_data_sent_us = t0_us + at * MS;
		v.heard_us = t0_us + at * MS; /* one direction goes on */
		CHECK(!step(&g, &v, at, &e));
		was_open |= g.open;
	}
	CHECK(was_open);
	gap_on_peer_saw(&g);
	v.proved_us = t0_us + 2010 * MS;
	CHECK(step(&g, &v, 2010, &e));
	CHECK(e.unix_us == wall_us + 1000 * MS && e.seen_by == EVENT_SEEN_BY_BOTH);
}

TEST(a_cause_of_long_ago_explains_nothing)
{
	struct gap g = {0};
	struct gap_view v = {0};
	struct event e;

	gap_on_cause(&g, CODE_ASLEEP, t0_us - 60ull * US_PER_S);
	all_is_well(&g, &v, 1000);
	v.data_sent++;
	v.last_data_sent_us = t0_us + 1020 * MS;
	CHECK(!step(&g, &v, 1020, &e));
	CHECK(!step(&g, &v, 1400, &e) && g.open);
	v.heard_us = v.proved_us = t0_us + 1500 * MS;
	CHECK(step(&g, &v, 1500, &e));
	CHECK(e.code == CODE_UNKNOWN);
}

TEST(far_peers_are_given_five_round_trips)
{
	struct gap g = {0};
	struct gap_view v = {0};
	struct event e;

	all_is_well(&g, &v, 1000);
	v.rtt_us = 200 * MS;
	v.heard_us = v.proved_us = t0_us + 1001 * MS;
	v.last_data_sent_us = t0_us + 1002 * MS;
	CHECK(!step(&g, &v, 1002, &e));
	CHECK(!step(&g, &v, 2001, &e) && !g.open);
	CHECK(!step(&g, &v, 2003, &e) && g.open);
}

TEST(our_own_stall_is_no_gap)
{
	struct gap g = {0};
	struct gap_view v = {0};
	struct event e;

	all_is_well(&g, &v, 1000);
	gap_forgive(&g, 3000 * MS);
	CHECK(!step(&g, &v, 4100, &e) && !g.open);
}

TEST(a_gap_that_is_open_when_nobody_looks_any_more_is_told_as_far_as_it_was_seen)
{
	struct gap g = {0};
	struct gap_view v = {0};
	struct event e;

	all_is_well(&g, &v, 1000);
	CHECK(!gap_end(&g, t0_us + 1010 * MS, wall_us + 1010 * MS, &e));
	for (uint64_t at = 1020; at <= 2000; at += 20) {
		v.data_sent++;
		v.last_data_sent_us = t0_us + at * MS;
		CHECK(!step(&g, &v, at, &e));
	}
	CHECK(gap_end(&g, t0_us + 2010 * MS, wall_us + 2010 * MS, &e));
	CHECK_INT(e.end_unix_us, wall_us + 2010 * MS);
	CHECK(e.unix_us < wall_us + 1010 * MS && e.lost_packets >= 50);
	CHECK(!gap_end(&g, t0_us + 2020 * MS, wall_us + 2020 * MS, &e));
}
