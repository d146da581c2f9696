#include "agent/path/score.h"

#include "common/clock.h"
#include "tests/unit/test.h"

enum { MS = US_PER_MS };

static struct score measured(uint64_t rtt_us, unsigned probes, unsigned lost_each)
{
	struct score s = {0};

	for (unsigned i = 1; i <= probes; i++) {
		if (lost_each && i % lost_each == 0)
			score_on_lost_probe(&s, 0);
		else
			score_on_rtt(&s, rtt_us, i * 250 * MS);
	}
	return s;
}

TEST(smooths_the_rtt_and_its_jitter)
{
	struct score s = {0};

	CHECK(!score_is_known(&s));
	score_on_rtt(&s, 80 * MS, 1);
	CHECK(s.srtt_us == 80 * MS && s.jitter_us == 0);
	score_on_rtt(&s, 96 * MS, 2);
	CHECK(s.srtt_us == 82 * MS && s.jitter_us == 1 * MS);
	CHECK(score_rtt_bound_us(&s) == 84 * MS);
	CHECK(s.min_us == 80 * MS);
}

TEST(what_a_cut_held_up_is_forgotten_with_the_first_fast_answer)
{
	struct score s = measured(80 * MS, 30, 0);

	score_on_rtt(&s, 9000 * MS, 31 * 250 * MS);
	score_on_rtt(&s, 8000 * MS, 32 * 250 * MS);
	CHECK(s.srtt_us > 2000 * MS);
	score_on_rtt(&s, 84 * MS, 33 * 250 * MS);
	CHECK(s.srtt_us == 84 * MS && s.jitter_us == 42 * MS);
	score_on_rtt(&s, 24 * MS, 34 * 250 * MS); /* a swing of four is the way's own */
	CHECK(s.srtt_us > 70 * MS);
}

TEST(a_minimum_is_forgotten_after_a_while)
{
	struct score s = {0};

	score_on_rtt(&s, 10 * MS, 1);
	for (uint64_t i = 1; i < 100; i++)
		score_on_rtt(&s, 50 * MS, i * 250 * MS);
	CHECK(s.min_us == 50 * MS);
}

TEST(direct_is_preferred_to_an_equal_relay)
{
	struct score s = measured(80 * MS, 30, 0);

	CHECK(score_price_us(&s, true) == 80 * MS);
	CHECK(score_price_us(&s, false) == 105 * MS);
}

TEST(five_percent_loss_outweigh_a_clean_relay)
{
	struct score lossy = measured(80 * MS, 64, 16), clean = measured(80 * MS, 64, 0);

	score_on_packets(&lossy, 1000, 50);
	CHECK(score_loss(&lossy) > 0.04);
	CHECK(score_is_clearly_better(score_price_us(&clean, false), score_price_us(&lossy, true)));
}

TEST(a_burst_of_losses_is_outlived_by_what_arrives_after)
{
	struct score s = measured(20 * MS, 64, 0);

	score_on_packets(&s, 100, 10);
	CHECK(score_loss(&s) > 0.09);
	for (unsigned i = 0; i < 7; i++)
		score_on_packets(&s, 10, 0);
	CHECK(score_loss(&s) < 0.015); /* 70 in succession: not beyond 1 / 70 */
	score_on_packets(&s, 10, 1);
	CHECK(score_loss(&s) > 0.03);
}

TEST(probes_lost_in_a_row_are_lost_once)
{
	struct score s = measured(20 * MS, 40, 0);

	for (unsigned i = 0; i < 6; i++)
		score_on_lost_probe(&s, 0);
	CHECK(score_loss(&s) == 0);
	score_on_rtt(&s, 20 * MS, 41 * 250 * MS);
	score_on_lost_probe(&s, 0);
	score_on_rtt(&s, 20 * MS, 42 * 250 * MS);
	score_on_lost_probe(&s, 0);
	CHECK(score_loss(&s) > 0.03); /* two more of 50 */
}

TEST(probes_lost_in_a_row_are_known_by_the_order_of_sending)
{
	struct score s = measured(20 * MS, 40, 0);
	unsigned later = 0;

	for (unsigned i = 0; i < 6; i++) {
		score_on_rtt(&s, 20 * MS, (41 + i) * 250 * MS);
		score_on_lost_probe(&s, ++later);
	}
	CHECK(score_loss(&s) == 0);
	score_on_lost_probe(&s, later - 1); /* two more of 52, apart from the others */
	score_on_lost_probe(&s, later - 3);
	CHECK(score_loss(&s) > 0.03);
}

TEST(a_probe_lost_before_all_that_is_known_says_nothing)
{
	struct score s = measured(20 * MS, 64, 0);

	for (unsigned later = 60; later <= 70; later += 2)
		score_on_lost_probe(&s, later);
	CHECK_INT(s.fates, 64);
	CHECK(score_loss(&s) < 0.05);
}

TEST(one_lost_probe_is_no_loss_and_few_probes_tell_nothing)
{
	struct score one = measured(20 * MS, 40, 30), few = measured(20 * MS, 10, 2);

	CHECK(score_loss(&one) == 0);
	CHECK(score_loss(&few) == 0);
}

TEST(a_timer_on_the_steadiest_way_does_not_meet_the_answer_it_waits_for)
{
	struct score s = measured(20 * MS, 40, 0), none = {0};

	CHECK(s.jitter_us == 0 && score_rtt_bound_us(&s) == 22 * MS);
	CHECK(score_rtt_bound_us(&none) == 0);
}

TEST(a_difference_of_noise_is_not_better)
{
	CHECK(!score_is_clearly_better(19 * MS, 20 * MS));
	CHECK(score_is_clearly_better(15 * MS, 20 * MS));
	CHECK(!score_is_clearly_better(300, 2000)); /* within 2 ms on a LAN */
}

TEST(what_was_never_measured_is_worse_than_anything_measured)
{
	struct score none = {0}, bad = measured(3000 * MS, 64, 2);

	CHECK(score_price_us(&none, true) > score_price_us(&bad, false));
}

TEST(after_a_silence_the_average_begins_anew)
{
	struct score s = {0};

	for (unsigned i = 0; i < 20; i++)
		score_on_rtt(&s, MS, (1000 + i) * MS);
	score_on_rtt(&s, 70 * MS, 1019 * MS + 15 * US_PER_S);
	CHECK(s.srtt_us < 40 * MS);
	score_on_rtt(&s, 70 * MS, 1020 * MS + 31 * US_PER_S);
	CHECK_INT(s.srtt_us, 70 * MS);
	CHECK_INT(s.min_us, 70 * MS);
}
