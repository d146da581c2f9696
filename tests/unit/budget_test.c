#include "agent/path/budget.h"

#include "common/clock.h"
#include "tests/unit/test.h"

/* Takes all it can get each 5 ms from one second on; *most is the most in any 200 steps. */
static unsigned take_greedily(bool is_news, uint64_t seconds, unsigned *most)
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

		while (budget_take(&b, is_news, now_us))
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
		CHECK(budget_take(&b, false, US_PER_S));
	CHECK(!budget_take(&b, false, US_PER_S));
}

TEST(never_more_than_64_in_any_second_nor_1000_in_an_hour)
{
	unsigned most;
	unsigned total = take_greedily(true, 3600, &most);

	CHECK(most <= BUDGET_PER_SECOND && most >= 60);
	CHECK(total <= BUDGET_PER_HOUR && total >= 990);
}

TEST(what_was_only_named_leaves_a_tenth_to_what_is_news)
{
	struct budget b = {0};
	uint64_t now_us = US_PER_S;
	unsigned news = 0;

	for (; now_us < 60 * (uint64_t)US_PER_S; now_us += 5 * US_PER_MS)
		budget_take(&b, false, now_us);
	CHECK(!budget_take(&b, false, now_us));
	for (; now_us < 70 * (uint64_t)US_PER_S; now_us += 5 * US_PER_MS)
		news += budget_take(&b, true, now_us);
	CHECK(news >= BUDGET_PER_HOUR / 10);
}
