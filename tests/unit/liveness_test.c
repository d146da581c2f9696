#include "agent/path/liveness.h"

#include "tests/unit/test.h"

enum { MS = US_PER_MS };
static const uint64_t t0 = 1000ull * US_PER_S;

static struct liveness up_with_rtt(uint64_t rtt_us)
{
	struct liveness l = {0};

	liveness_on_probe(&l, t0 - rtt_us);
	liveness_on_proof(&l, t0 - rtt_us, t0);
	l.rtt_us = rtt_us;
	return l;
}

TEST(thresholds_follow_the_rtt_above_their_floors)
{
	static const struct {
		uint64_t rtt, question, again, report, down;
	} cases[] = {
		{0, 100 * MS, 50 * MS, 100 * MS, 1500 * MS},
		{40 * MS, 100 * MS, 50 * MS, 100 * MS, 1500 * MS},
		{80 * MS, 160 * MS, 80 * MS, 100 * MS, 1500 * MS},
		{300 * MS, 600 * MS, 300 * MS, 300 * MS, 1800 * MS},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct liveness l = {.rtt_us = cases[i].rtt};

		CHECK(liveness_question_us(&l) == cases[i].question);
		CHECK(liveness_again_us(&l) == cases[i].again);
		CHECK(liveness_report_us(&l) == cases[i].report);
		CHECK(liveness_down_us(&l) == cases[i].down);
	}
}

TEST(a_question_unanswered_twice_makes_suspect_and_silence_makes_down)
{
	struct liveness l = up_with_rtt(80 * MS);

	CHECK(l.state == PATH_UP && liveness_ask_us(&l) == US_NEVER);
	liveness_on_question(&l, t0 + 1000 * MS);
	CHECK(liveness_deadline_us(&l) == US_NEVER); /* asked once only */
	CHECK(liveness_ask_us(&l) == t0 + 1080 * MS);
	liveness_on_question(&l, t0 + 1080 * MS);
	CHECK(liveness_deadline_us(&l) == t0 + 1160 * MS);
	CHECK(!liveness_on_deadline(&l, t0 + 1160 * MS - 1));
	CHECK(liveness_on_deadline(&l, t0 + 1160 * MS) && l.state == PATH_SUSPECT);
	CHECK(liveness_deadline_us(&l) == t0 + 2500 * MS);
	CHECK(liveness_on_deadline(&l, t0 + 2500 * MS) && l.state == PATH_DOWN);
	CHECK(liveness_deadline_us(&l) == US_NEVER);
}

TEST(an_unanswered_probe_becomes_a_question)
{
	struct liveness l = up_with_rtt(20 * MS);

	liveness_on_probe(&l, t0 + 250 * MS);
	CHECK(liveness_ask_us(&l) == t0 + 350 * MS);
	liveness_on_proof(&l, t0 + 250 * MS, t0 + 270 * MS);
	CHECK(liveness_ask_us(&l) == US_NEVER);
}

TEST(an_answer_to_what_was_sent_before_the_doubt_does_not_clear_it)
{
	struct liveness l = up_with_rtt(20 * MS);

	liveness_on_probe(&l, t0 + 100 * MS);
	liveness_on_doubt(&l, t0 + 110 * MS);
	CHECK(l.state == PATH_SUSPECT);
	liveness_on_proof(&l, t0 + 100 * MS, t0 + 120 * MS);
	CHECK(l.state == PATH_SUSPECT);
	liveness_on_proof(&l, t0 + 115 * MS, t0 + 135 * MS);
	CHECK(l.state == PATH_UP && l.asked == 0);
}

TEST(doubt_is_for_ways_that_work)
{
	struct liveness l = {0};

	liveness_on_doubt(&l, t0);
	CHECK(l.state == PATH_PROBING);
	liveness_on_loss(&l, t0);
	liveness_on_doubt(&l, t0);
	CHECK(l.state == PATH_DOWN);
}

TEST(time_of_our_own_stall_is_taken_off)
{
	struct liveness l = up_with_rtt(20 * MS);

	liveness_on_question(&l, t0 + 1000 * MS);
	liveness_on_question(&l, t0 + 1050 * MS);
	liveness_forgive(&l, 3000 * MS, t0 + 4060 * MS);
	CHECK(liveness_deadline_us(&l) == t0 + 4100 * MS);
}

TEST(hearing_the_peer_proves_its_direction_only)
{
	struct liveness l = up_with_rtt(20 * MS);

	liveness_on_question(&l, t0 + 1000 * MS);
	liveness_on_question(&l, t0 + 1050 * MS);
	liveness_on_heard(&l, t0 + 1060 * MS);
	CHECK(liveness_on_deadline(&l, t0 + 1100 * MS) && l.state == PATH_SUSPECT);
}

TEST(a_report_without_progress_over_two_packets_means_unheard)
{
	struct liveness l = up_with_rtt(20 * MS);
	struct liveness_sent s = {.number = 5,
				  .number_before = 4,
				  .data = 100,
				  .data_before = 95,
				  .counts_tell = true};

	CHECK(liveness_on_report(&l, 5, 100, &s, t0)); /* the first one sets the level */
	s = (struct liveness_sent){.number = 6,
				   .number_before = 5,
				   .data = 110,
				   .data_before = 101,
				   .counts_tell = true};
	CHECK(liveness_on_report(&l, 5, 100, &s, t0 + 50 * MS)); /* one missing: may be loss */
	s.data_before = 102;
	CHECK(!liveness_on_report(&l, 5, 100, &s, t0 + 60 * MS));
	CHECK(liveness_on_report(&l, 5, 101, &s, t0 + 70 * MS)); /* data went on */
	CHECK(liveness_on_report(&l, 6, 101, &s, t0 + 80 * MS)); /* a probe arrived */
	CHECK(l.reported_number == 6);
}

TEST(numbers_that_we_never_sent_are_left_aside)
{
	struct liveness l = up_with_rtt(20 * MS);
	struct liveness_sent s = {.number = 5, .number_before = 5};

	CHECK(liveness_on_report(&l, 5, 0, &s, t0));
	s.number = 8;
	s.number_before = 7;
	CHECK(!liveness_on_report(&l, 900, 0, &s, t0 + 300 * MS));
	CHECK(l.reported_number == 5);
}

TEST(counts_may_wrap)
{
	struct liveness l = up_with_rtt(20 * MS);
	struct liveness_sent s = {
		.data = UINT32_MAX, .data_before = UINT32_MAX - 3, .counts_tell = true};

	CHECK(liveness_on_report(&l, 0, UINT32_MAX - 1, &s, t0));
	s = (struct liveness_sent){.data = 9, .data_before = 4, .counts_tell = true};
	CHECK(liveness_on_report(&l, 0, 3, &s, t0 + 100 * MS)); /* progress over the wrap */
	s = (struct liveness_sent){.data = 30, .data_before = 20, .counts_tell = true};
	CHECK(!liveness_on_report(&l, 0, 3, &s, t0 + 200 * MS));
}

TEST(what_an_earlier_report_covered_is_not_missing)
{
	struct liveness l = up_with_rtt(20 * MS);
	struct liveness_sent s = {.data = 100, .data_before = 90, .counts_tell = true};

	CHECK(liveness_on_report(&l, 0, 99, &s, t0)); /* a burst of ten, heard but for one */
	s.data_before = 100;
	CHECK(liveness_on_report(&l, 0, 99, &s, t0 + 250 * MS)); /* then nothing more was sent */
}

TEST(what_was_lost_long_ago_is_not_news)
{
	struct liveness l = up_with_rtt(20 * MS);
	struct liveness_sent s = {.data = 100, .data_before = 100, .counts_tell = true};

	CHECK(liveness_on_report(&l, 0, 60, &s, t0)); /* forty were lost before */
	s = (struct liveness_sent){.data = 103, .data_before = 101, .counts_tell = true};
	CHECK(liveness_on_report(&l, 0, 61, &s, t0 + 50 * MS));
	CHECK(liveness_on_report(&l, 0, 61, &s, t0 + 60 * MS));
	s.data_before = 103;
	CHECK(!liveness_on_report(&l, 0, 61, &s, t0 + 110 * MS));
}

TEST(counts_say_nothing_while_copies_go_by_another_way)
{
	struct liveness l = up_with_rtt(20 * MS);
	struct liveness_sent s = {.data = 100, .data_before = 90};

	CHECK(liveness_on_report(&l, 0, 90, &s, t0));
	s = (struct liveness_sent){.data = 150, .data_before = 140};
	CHECK(liveness_on_report(&l, 0, 90, &s, t0 + 250 * MS));
}
