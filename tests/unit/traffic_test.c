#include "agent/wg/traffic.h"

#include "tests/unit/test.h"

enum { S = 1000 * 1000 };

TEST(main_is_told_of_data_after_a_second_without_any)
{
	struct traffic t = {0};

	CHECK(traffic_on_data_sent(&t, 10 * S));
	CHECK(!traffic_on_data_received(&t, 10 * S + 1));
	CHECK(!traffic_on_data_sent(&t, 11 * S));
	CHECK(!traffic_on_data_sent(&t, 12 * S - 1));
	CHECK(traffic_on_data_received(&t, 13 * S - 1));
}

TEST(unanswered_times_start_with_the_first_and_end_with_any_answer)
{
	struct traffic t = {0};

	(void)traffic_on_data_sent(&t, 10 * S);
	(void)traffic_on_data_sent(&t, 11 * S);
	CHECK(t.unanswered_sent_us == 10 * S && t.unanswered_received_us == 0);
	(void)traffic_on_data_received(&t, 12 * S);
	CHECK(t.unanswered_sent_us == 0 && t.unanswered_received_us == 12 * S);
	traffic_on_other_sent(&t, 13 * S);
	CHECK(t.unanswered_received_us == 0 && t.unanswered_sent_us == 0);
	CHECK(t.last_sent_us == 13 * S && t.last_data_sent_us == 11 * S);
	traffic_on_other_received(&t, 14 * S);
	CHECK(t.last_received_us == 14 * S && t.last_data_received_us == 12 * S);
}
