#include "agent/session/home.h"

#include "common/clock.h"
#include "tests/unit/test.h"

enum { S = US_PER_S, MS = US_PER_MS };

static const uint64_t t0 = 1000 * (uint64_t)S;

static struct home three_regions(void)
{
	const struct home_region regions[] = {
		{.region = 1, .may_be_home = true, .score = 1},
		{.region = 2, .may_be_home = true, .score = 1},
		{.region = 3, .may_be_home = true, .score = 1},
	};
	struct home h = {0};

	home_set_regions(&h, regions, 3);
	return h;
}

/* Home 1 at 20 ms and second 2 at 30 ms, both up. */
static struct home settled(void)
{
	struct home h = three_regions();

	home_on_latency(&h, 1, 20 * MS, t0);
	home_on_latency(&h, 2, 30 * MS, t0);
	CHECK(home_decide(&h, t0) && h.home == 1 && h.second == 2);
	home_on_session(&h, 1, true, t0);
	home_on_session(&h, 2, true, t0);
	CHECK(!home_decide(&h, t0));
	return h;
}

TEST(without_measurements_everyone_takes_the_lowest_region_at_once)
{
	struct home h = three_regions();

	CHECK(home_decide(&h, t0) && h.home == 1 && h.second == 2);
	CHECK(home_deadline_us(&h) == US_NEVER);
}

TEST(a_blind_guess_yields_to_the_first_measurement)
{
	struct home h = three_regions();

	(void)home_decide(&h, t0);
	home_on_latency(&h, 3, 90 * MS, t0 + 30 * MS);
	CHECK(home_decide(&h, t0 + 30 * MS) && h.home == 3);
}

TEST(a_home_that_is_up_waits_for_its_own_measurement)
{
	struct home h = three_regions();

	(void)home_decide(&h, t0);
	home_on_session(&h, 1, true, t0);
	home_on_latency(&h, 3, 5 * MS, t0);
	(void)home_decide(&h, t0);
	CHECK(h.home == 1);
	home_on_latency(&h, 1, 100 * MS, t0);
	CHECK(home_decide(&h, t0) && h.home == 3);
}

TEST(moves_only_for_less_than_two_thirds_and_ten_ms_less)
{
	static const struct {
		uint64_t other_us;
		uint32_t home;
	} cases[] = {{66 * MS, 3}, {67 * MS, 1}, {99 * MS, 1}};

	for (size_t i = 0; i < 3; i++) {
		struct home h = three_regions();

		home_on_latency(&h, 1, 100 * MS, t0);
		(void)home_decide(&h, t0);
		home_on_latency(&h, 3, cases[i].other_us, t0 + 100 * (uint64_t)S);
		home_on_latency(&h, 1, 100 * MS, t0 + 100 * (uint64_t)S);
		(void)home_decide(&h, t0 + 100 * (uint64_t)S);
		CHECK_INT(h.home, cases[i].home);
	}
	struct home near = three_regions();
	home_on_latency(&near, 1, 12 * MS, t0);
	(void)home_decide(&near, t0);
	home_on_latency(&near, 3, 3 * MS, t0 + 100 * (uint64_t)S);
	(void)home_decide(&near, t0 + 100 * (uint64_t)S);
	CHECK(near.home == 1); /* a quarter, but 9 ms only */
}

TEST(lost_probes_and_one_slow_probe_move_nobody)
{
	struct home h = settled();
	uint64_t now_us = t0 + 100 * (uint64_t)S;

	home_on_latency(&h, 2, 30 * MS, now_us); /* region 1's probe was lost */
	CHECK(!home_decide(&h, now_us) && h.home == 1);
	home_on_latency(&h, 1, 200 * MS, now_us);
	home_on_latency(&h, 2, 30 * MS, now_us);
	CHECK(!home_decide(&h, now_us) && h.home == 1);
}

TEST(latency_moves_the_home_once_a_minute_at_most)
{
	struct home h = settled();

	home_on_latency(&h, 3, 2 * MS, t0 + 10 * S);
	(void)home_decide(&h, t0 + 59 * S);
	CHECK(h.home == 1);
	CHECK(home_decide(&h, t0 + 60 * S) && h.home == 3);
}

TEST(a_dead_session_moves_the_home_after_its_grace_to_one_that_is_up)
{
	struct home h = settled();

	home_on_session(&h, 1, false, t0 + S);
	CHECK(!home_decide(&h, t0 + S) && h.home == 1);
	CHECK(home_deadline_us(&h) == t0 + S + 150 * MS);
	CHECK(home_decide(&h, t0 + S + 150 * MS) && h.home == 2 && h.second == 3);
	CHECK(home_deadline_us(&h) == US_NEVER);
}

TEST(nobody_moves_where_every_session_is_down)
{
	struct home h = settled();

	home_on_session(&h, 1, false, t0 + S);
	home_on_session(&h, 2, false, t0 + S);
	(void)home_decide(&h, t0 + 10 * S);
	CHECK(h.home == 1);
}

TEST(the_home_is_given_up_where_the_map_has_it_no_more)
{
	const struct home_region regions[] = {
		{.region = 2, .may_be_home = false, .score = 1},
		{.region = 3, .may_be_home = true, .score = 1},
	};
	struct home h = settled();

	home_set_regions(&h, regions, 2);
	CHECK(h.regions[0].rtt_us == 30 * MS); /* measurements are kept */
	CHECK(home_decide(&h, t0 + S) && h.home == 3 && h.second == 0);
	home_set_regions(&h, NULL, 0);
	CHECK(home_decide(&h, t0 + S) && h.home == 0 && h.second == 0);
}

TEST(scores_multiply_latency_and_old_measurements_do_not_attract)
{
	struct home h = settled();

	h.regions[2].score = 0.1;
	home_on_latency(&h, 3, 25 * MS, t0);
	CHECK(home_decide(&h, t0 + 60 * S) && h.home == 3);

	h = settled();
	home_on_latency(&h, 3, 1 * MS, t0);
	(void)home_decide(&h, t0 + 301 * (uint64_t)S);
	CHECK(h.home == 1);
}

TEST(a_region_whose_session_nobody_needed_may_be_home_again)
{
	struct home h = settled();
	uint64_t now_us = t0 + 100 * (uint64_t)S;

	home_on_session(&h, 3, true, t0); /* dialled at the start, before anything was measured */
	home_on_unused(&h, 3);
	home_on_latency(&h, 1, 90 * MS, now_us); /* somewhere else */
	home_on_latency(&h, 2, 80 * MS, now_us);
	home_on_latency(&h, 3, 10 * MS, now_us);
	CHECK(home_decide(&h, now_us) && h.home == 3);
}

TEST(who_stands_takes_over_from_a_dead_home_before_who_is_nearer_and_not_dialled)
{
	struct home h = settled();

	home_on_latency(&h, 3, 25 * MS, t0); /* not so much nearer that it had become the second */
	CHECK(!home_decide(&h, t0) && h.second == 2);
	home_on_session(&h, 1, false, t0 + S);
	CHECK(home_decide(&h, t0 + 2 * S) && h.home == 2 && h.second == 3);
}

TEST(while_home_and_second_are_dead_the_others_are_tried_in_turn)
{
	struct home h = settled();
	uint64_t now_us = t0 + 2 * S;

	home_on_session(&h, 1, false, t0 + S);
	home_on_session(&h, 2, false, t0 + S);
	CHECK(home_decide(&h, now_us) && h.home == 1 && h.second == 3);
	home_on_session(&h, 3, false, now_us);
	CHECK(!home_decide(&h, now_us + S) && h.second == 3); /* 2 was down a moment ago */
	now_us = t0 + 62 * S;
	CHECK(home_decide(&h, now_us) && h.home == 1 && h.second == 2);
	home_on_session(&h, 2, true, now_us + S);
	CHECK(home_decide(&h, now_us + S) && h.home == 2);
}
