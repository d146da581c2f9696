#include "agent/path/budget.h"

#include "common/clock.h"
#include "tests/unit/test.h"

/* Takes all it can get each 5 ms from one second on; *most is the most in any 200 steps. */
static unsigned take_greedily(enum budget_claim claim, uint64_t seconds, unsigned *most)
{
	static unsigned taken[200];
	struct budget b = {0};
	unsigned total = 0, window = 0;

	*most = 0;
	for (size_t i = 0; i < 200; i++)
		taken[i] = 0;
	for (uint64_t step = 0; step < seconds * 200; step++) {
		uint64_t now_us = US_PER_S + step * 5 * US_PER_MS;
		unsigned n = 0;

		while (budget_take(&b, claim, now_us))
			n++;
		window += n - taken[step % 200];
		taken[step % 200] = n;
		*most = window > *most ? window : *most;
		total += n;
	}
	return total;
}

TEST(thirty_two_at_once)
{
	struct budget b = {0};

	for (unsigned i = 0; i < 32; i++)
		CHECK(budget_take(&b, BUDGET_OLD, US_PER_S));
	CHECK(!budget_take(&b, BUDGET_OLD, US_PER_S));
}

TEST(never_more_than_64_in_any_second_nor_1000_in_an_hour)
{
	unsigned most;
	unsigned total = take_greedily(BUDGET_NEWS, 3600, &most);

	CHECK(most <= BUDGET_PER_SECOND && most >= 60);
	CHECK(total <= BUDGET_PER_HOUR && total >= 990);
}

static unsigned take_for_10_s(struct budget *b, enum budget_claim claim, uint64_t *now_us)
{
	unsigned n = 0;

	for (uint64_t end_us = *now_us + 10 * US_PER_S; *now_us < end_us; *now_us += 5 * US_PER_MS)
		n += budget_take(b, claim, *now_us);
	return n;
}

TEST(the_old_leave_a_tenth_to_the_new_and_the_named_half_of_it)
{
	struct budget b = {0};
	uint64_t now_us = US_PER_S;

	CHECK(take_for_10_s(&b, BUDGET_OLD, &now_us) > 300);
	take_for_10_s(&b, BUDGET_OLD, &now_us);
	CHECK(take_for_10_s(&b, BUDGET_OLD, &now_us) < 3); /* what flows in */
	CHECK(take_for_10_s(&b, BUDGET_NAMED, &now_us) >= BUDGET_PER_HOUR / 20);
	CHECK(take_for_10_s(&b, BUDGET_NAMED, &now_us) < 3);
	CHECK(take_for_10_s(&b, BUDGET_NEWS, &now_us) >= BUDGET_PER_HOUR / 20);
	CHECK(take_for_10_s(&b, BUDGET_NEWS, &now_us) < 3);
}
