#include "derp-relay/limiter.h"

#include "common/clock.h"
#include "tests/unit/test.h"

TEST(no_limit_never_waits)
{
	struct limiter l = {0};
	struct limits none = limits_make(0, 0);

	CHECK_INT(limiter_on_bytes(&l, &none, UINT64_MAX / 2, 7), 7);
	CHECK_INT(limiter_on_bytes(&l, &none, 1, 8), 8);
}

TEST(burst_holds_at_least_the_largest_frame)
{
	CHECK_INT(limits_make(1000, 10).burst_bytes, 65568);
	CHECK_INT(limits_make(1000, 100000).burst_bytes, 100000);
}

TEST(a_burst_passes_and_what_is_above_waits_for_its_time)
{
	struct limiter l = {0};
	struct limits limits = limits_make(100000, 100000);

	CHECK_INT(limiter_on_bytes(&l, &limits, 60000, 1000), 1000);
	CHECK_INT(limiter_on_bytes(&l, &limits, 40000, 1000), 1000);
	/* 50,000 bytes over the burst take half a second at 100,000 a second. */
	CHECK_INT(limiter_on_bytes(&l, &limits, 50000, 1000), 1000 + 500000 + 1);
	/* A second later 100,000 are paid off: 50,000 of 100,000 are in use. */
	CHECK_INT(limiter_on_bytes(&l, &limits, 50000, 1001000), 1001000);
	CHECK_INT(limiter_on_bytes(&l, &limits, 1000, 1001000), 1001000 + 10000 + 1);
}

TEST(a_slow_rate_counts_every_small_step) /* no byte is forgiven by rounding */
{
	struct limiter l = {0};
	struct limits limits = limits_make(1000, 0);
	uint64_t now_us = 0, until_us = 0;

	for (unsigned i = 0; i < 100000; i++, now_us += 100)
		until_us = limiter_on_bytes(&l, &limits, 1, now_us);
	/* 100,000 bytes in 10 s, where 65,568 + 10,000 are allowed: 24,432 over, at 1,000 a second.
	 */
	CHECK(until_us > 10 * US_PER_S + 24 * US_PER_S && until_us < 10 * US_PER_S + 25 * US_PER_S);
}

TEST(a_limit_lifted_forgets_the_debt)
{
	struct limiter l = {0};
	struct limits tight = limits_make(1000, 0), none = limits_make(0, 0);

	CHECK(limiter_on_bytes(&l, &tight, 1000000, 5) > 5);
	CHECK_INT(limiter_on_bytes(&l, &none, 1, 6), 6);
	CHECK_INT(limiter_on_bytes(&l, &tight, 65568, 7), 7);
}
