#include "tests/sim/link.h"

#include <string.h>

#include "tests/unit/test.h"

static struct link link_of(struct link_quality q)
{
	struct random dice;
	struct link l;

	random_init(&dice, 11, 3);
	link_init(&l, &q, &dice);
	return l;
}

static uint64_t arrival(struct link *l, size_t len, uint64_t now_us)
{
	struct link_passage out = {0};

	CHECK(link_pass(l, LINK_UP, len, now_us, &out) == LINK_PASSED);
	return out.arrive_us;
}

static enum link_verdict verdict(struct link *l, enum link_side side, size_t len, uint64_t now_us)
{
	struct link_passage out;

	return link_pass(l, side, len, now_us, &out);
}

TEST(an_all_zero_quality_does_nothing_to_a_packet)
{
	struct link l = link_of((struct link_quality){0});

	CHECK_INT(arrival(&l, 1500, 77), 77);
	CHECK_INT(verdict(&l, LINK_UP, 1501, 77), LINK_TOO_BIG);
	CHECK_INT(l.ways[LINK_UP].counts[LINK_TOO_BIG], 1);
	CHECK_INT(l.ways[LINK_DOWN].counts[LINK_TOO_BIG], 0);
}

TEST(delays_and_cuts_each_way_on_its_own)
{
	struct link l = link_of((struct link_quality){.delay_us = 20000});

	CHECK_INT(arrival(&l, 100, 1000), 21000);
	link_cut(&l, LINK_UP, true);
	CHECK_INT(verdict(&l, LINK_UP, 100, 1000), LINK_CUT);
	CHECK_INT(verdict(&l, LINK_DOWN, 100, 1000), LINK_PASSED);
	link_cut_both(&l, true);
	CHECK_INT(verdict(&l, LINK_DOWN, 100, 1000), LINK_CUT);
	link_cut_both(&l, false);
	CHECK_INT(arrival(&l, 100, 2000), 22000);
}

TEST(jitter_stays_in_its_bounds_and_keeps_the_order)
{
	struct link l = link_of((struct link_quality){.delay_us = 5000, .jitter_us = 30000});
	uint64_t last_us = 0, least_us = UINT64_MAX, most_us = 0;

	for (uint64_t now_us = 0; now_us < 20ull * 1000 * 1000; now_us += 700) {
		uint64_t at_us = arrival(&l, 100, now_us), took_us = at_us - now_us;
		CHECK(at_us >= last_us);
		last_us = at_us;
		least_us = took_us < least_us ? took_us : least_us;
		most_us = took_us > most_us ? took_us : most_us;
	}
	CHECK(least_us >= 5000 && least_us < 6500);
	CHECK(most_us <= 35000 && most_us > 33000);
	/* A function of the time alone: asked again, it answers the same. */
	CHECK_INT(arrival(&l, 100, 123456), arrival(&l, 100, 123456));
}

TEST(loses_about_as_many_as_it_should)
{
	struct link l = link_of((struct link_quality){.loss = 0.1});
	unsigned lost = 0;

	for (unsigned i = 0; i < 20000; i++)
		lost += verdict(&l, LINK_UP, 100, i) == LINK_LOST;
	CHECK(lost > 1850 && lost < 2150);
}

TEST(bursts_take_the_time_they_should_and_lose_what_they_should)
{
	struct link l = link_of((struct link_quality){
		.burst_loss = 0.9, .burst_every_us = 2000000, .burst_len_us = 200000});
	unsigned lost = 0, runs = 0, n = 1000000, run_ms = 0, longest_ms = 0;
	bool was_in_burst = false;

	for (unsigned i = 0; i < n; i++) {
		lost += verdict(&l, LINK_UP, 100, i * 1000ull) == LINK_LOST_IN_BURST;
		runs += l.ways[LINK_UP].in_burst && !was_in_burst;
		was_in_burst = l.ways[LINK_UP].in_burst;
		run_ms = was_in_burst ? run_ms + 1 : 0;
		longest_ms = run_ms > longest_ms ? run_ms : longest_ms;
	}
	/* 1,000 s: a burst every 2.2 s, a tenth less of a eleventh of all is lost. */
	CHECK(runs > 410 && runs < 500);
	CHECK(lost > 70000 && lost < 95000);
	CHECK(longest_ms > 780 && longest_ms <= 801); /* four times the mean */
}

TEST(reorders_and_duplicates)
{
	struct link l = link_of((struct link_quality){
		.delay_us = 1000, .reorder = 0.25, .reorder_us = 9000, .duplicate = 0.25});
	unsigned late = 0, twice = 0;

	for (unsigned i = 0; i < 10000; i++) {
		struct link_passage out;
		enum link_verdict v = link_pass(&l, LINK_UP, 100, 0, &out);
		CHECK(v == LINK_PASSED || v == LINK_PASSED_TWICE);
		CHECK(out.arrive_us == 1000 || out.arrive_us == 10000);
		late += out.arrive_us == 10000;
		twice += v == LINK_PASSED_TWICE;
		if (v == LINK_PASSED_TWICE)
			CHECK(out.again_us >= out.arrive_us && out.again_us < out.arrive_us + 1250);
	}
	CHECK(late > 2350 && late < 2650);
	CHECK(twice > 2350 && twice < 2650);
}

TEST(a_rate_queues_and_drops_what_does_not_fit)
{
	/* 1,000 bytes take 10 ms; three of them fit beside the one under way. */
	struct link l = link_of((struct link_quality){
		.delay_us = 1000, .rate_bytes_per_s = 100000, .queue_bytes = 3000});

	CHECK(link_needs_order(&l, LINK_UP));
	CHECK_INT(arrival(&l, 1000, 0), 11000);
	CHECK_INT(arrival(&l, 1000, 0), 21000);
	CHECK_INT(arrival(&l, 1000, 0), 31000);
	CHECK_INT(verdict(&l, LINK_UP, 1000, 0), LINK_QUEUE_FULL);
	CHECK_INT(arrival(&l, 1000, 10000), 41000);
	CHECK_INT(arrival(&l, 1000, 100000), 111000);
}

TEST(changes_while_it_runs)
{
	struct link l = link_of((struct link_quality){.delay_us = 1000});
	struct link_quality far = {.delay_us = 80000, .mtu_bytes = 1280};

	link_set_quality(&l, LINK_UP, &far);
	CHECK_INT(arrival(&l, 1280, 0), 80000);
	CHECK_INT(verdict(&l, LINK_UP, 1281, 0), LINK_TOO_BIG);
	CHECK_INT(verdict(&l, LINK_DOWN, 1500, 0), LINK_PASSED);
	for (int v = 0; v < LINK_VERDICTS; v++)
		CHECK(strlen(link_verdict_str((enum link_verdict)v)) > 0);
}
