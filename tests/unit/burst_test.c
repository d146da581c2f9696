#include "agent/system/burst.h"

#include "common/clock.h"
#include "tests/unit/test.h"

TEST(calls_at_once_for_a_single_event_and_not_again)
{
	struct burst b = {0};

	CHECK(burst_deadline(&b) == US_NEVER);
	CHECK(burst_on_event(&b, 1000));
	CHECK(burst_deadline(&b) == 151000);
	CHECK(!burst_on_deadline(&b, 150999));
	CHECK(!burst_on_deadline(&b, 151000)); /* nothing came behind it */
	CHECK(burst_deadline(&b) == US_NEVER);
}

TEST(calls_once_more_when_it_is_quiet_again)
{
	struct burst b = {0};

	CHECK(burst_on_event(&b, 0));
	CHECK(!burst_on_event(&b, 10000));
	CHECK(!burst_on_event(&b, 100000));
	CHECK(!burst_on_deadline(&b, 249999));
	CHECK(burst_on_deadline(&b, 250000));
	CHECK(burst_deadline(&b) == US_NEVER);
}

TEST(does_not_wait_for_quiet_longer_than_600_ms)
{
	struct burst b = {0};
	unsigned calls = 0;

	for (uint64_t now_us = 0; now_us < 3000000; now_us += 100000)
		calls += burst_on_event(&b, now_us);
	CHECK_INT(calls, 5); /* one when it begins, one each 600 ms; never one per event */
}
