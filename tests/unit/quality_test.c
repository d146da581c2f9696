#include "agent/measure/quality.h"

#include "tests/unit/test.h"

TEST(nothing_sent_is_not_zero_loss)
{
	struct quality q = {0};
	struct quality_window w = quality_read(&q);

	CHECK_INT(w.loss_ppm, -1);
	CHECK_INT(w.rtt_p50_us, 0);
}

TEST(loss_is_told_per_direction_and_the_worst_counts)
{
	struct quality q = {0};

	for (int i = 0; i < 4; i++)
		quality_on_probe(&q);
	for (int i = 0; i < 4; i++)
		quality_on_rtt(&q, 20000);
	quality_on_out(&q, 200, 10);
	quality_on_in(&q, 100, 1);
	struct quality_window w = quality_read(&q);

	CHECK_INT(w.probe_loss_ppm, 0);
	CHECK_INT(w.out_loss_ppm, 50000);
	CHECK_INT(w.in_loss_ppm, 10000);
	CHECK_INT(w.loss_ppm, 50000);
}

TEST(an_answer_without_a_round_trip_is_no_loss_and_no_sample)
{
	struct quality q = {0};

	quality_on_probe(&q);
	quality_on_answer(&q);
	CHECK_INT(quality_read(&q).probe_loss_ppm, 0);
	CHECK_INT(quality_read(&q).rtt_p50_us, 0);
}

TEST(jitter_is_that_of_rfc_3550)
{
	struct quality q = {0};

	quality_on_rtt(&q, 20000);
	CHECK_INT(quality_read(&q).jitter_us, 0);
	quality_on_rtt(&q, 21600); /* J = 1600/16 = 100 */
	CHECK_INT(quality_read(&q).jitter_us, 100);
	quality_on_rtt(&q, 21600); /* J = 100 - 100/16 = 93.75 */
	CHECK(quality_read(&q).jitter_us >= 93 && quality_read(&q).jitter_us <= 94);
}

TEST(a_new_window_forgets_counts_and_keeps_jitter)
{
	struct quality q = {0};

	quality_on_probe(&q);
	quality_on_rtt(&q, 20000);
	quality_on_rtt(&q, 21600);
	quality_clear(&q);
	CHECK_INT(quality_read(&q).loss_ppm, -1);
	CHECK_INT(quality_read(&q).jitter_us, 100);
}
