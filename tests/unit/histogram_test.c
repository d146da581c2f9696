#include "agent/measure/histogram.h"

#include <stdlib.h>

#include "tests/unit/test.h"

TEST(an_empty_histogram_gives_zero)
{
	struct histogram h = {0};

	CHECK_INT(histogram_percentile(&h, 500), 0);
}

TEST(a_percentile_is_at_most_an_eighth_off)
{
	const uint64_t values[] = {1, 7, 8, 300, 999, 23000, 151000, 6000000, 60000000};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct histogram h = {0};

		histogram_add(&h, values[i]);
		histogram_add(&h, 67000000); /* so that the maximum does not help */
		uint64_t got = histogram_percentile(&h, 500);
		CHECK(got >= values[i] - values[i] / 8 && got <= values[i] + values[i] / 8);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

TEST(agrees_with_sorting_on_random_input)
{
	enum { N = 2000 };
	static uint64_t v[N];
	struct histogram h = {0};
	uint32_t dice = 1;

	for (size_t i = 0; i < N; i++) {
		dice = dice * 1664525u + 1013904223u;
		v[i] = 1 + (dice >> 8) % (1u << (4 + i % 20));
		histogram_add(&h, v[i]);
	}
	qsort(v, N, sizeof(v[0]), compare);
	for (unsigned permille = 1; permille <= 1000; permille += 37) {
		uint64_t exact = v[(N * permille + 999) / 1000 - 1];
		uint64_t got = histogram_percentile(&h, permille);

		CHECK(got >= exact - exact / 8 && got <= exact + exact / 8);
	}
}

TEST(never_above_the_largest_and_longer_than_a_minute_counts_as_that)
{
	struct histogram h = {0};

	histogram_add(&h, 1001);
	CHECK(histogram_percentile(&h, 990) <= 1001);
	histogram_add(&h, UINT64_MAX);
	CHECK(histogram_percentile(&h, 1000) > 60000000);
}

TEST(merging_is_adding)
{
	struct histogram a = {0}, b = {0};

	for (uint64_t us = 100; us < 200; us++)
		histogram_add(us % 2 ? &a : &b, us);
	histogram_merge(&a, &b);
	CHECK_INT(a.total, 100);
	CHECK(histogram_percentile(&a, 500) >= 140 && histogram_percentile(&a, 500) <= 160);
}
