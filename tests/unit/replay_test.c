#include "agent/wg/replay.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

TEST(each_counter_passes_once)
{
	struct replay w = {0};

	CHECK(replay_accept(&w, 0) && !replay_accept(&w, 0));
	CHECK(replay_accept(&w, 1) && !replay_accept(&w, 1));
	CHECK(replay_accept(&w, 5) && replay_accept(&w, 3) && !replay_accept(&w, 5));
	CHECK(!replay_accept(&w, 3) && replay_accept(&w, 4) && replay_accept(&w, 2));
}

TEST(window_reaches_8192_counters_back_and_no_further)
{
	struct replay w = {0};

	CHECK(replay_accept(&w, 100000));
	CHECK(replay_is_fresh(&w, 100001 - REPLAY_WINDOW));
	CHECK(!replay_is_fresh(&w, 100000 - REPLAY_WINDOW));
	CHECK(!replay_accept(&w, 100000 - REPLAY_WINDOW));
	CHECK(replay_accept(&w, 100001 - REPLAY_WINDOW));
	CHECK(!replay_accept(&w, 100001 - REPLAY_WINDOW));
}

TEST(a_leap_beyond_the_ring_forgets_everything_and_accepts_what_it_skipped)
{
	struct replay w = {0};

	for (uint64_t i = 0; i < 10000; i++)
		CHECK(replay_accept(&w, i));
	CHECK(replay_accept(&w, UINT64_C(1) << 40));
	for (uint64_t i = 1; i < REPLAY_WINDOW; i++)
		CHECK(replay_accept(&w, (UINT64_C(1) << 40) - i));
	CHECK(!replay_accept(&w, 9999));
}

TEST(the_last_counter_of_all_is_never_taken)
{
	struct replay w = {0};

	CHECK(!replay_accept(&w, UINT64_MAX));
	CHECK(replay_accept(&w, UINT64_MAX - 1));
	CHECK(!replay_accept(&w, UINT64_MAX - 1));
	CHECK(!replay_accept(&w, UINT64_MAX));
}

/* ---- the naive twin: a byte for each counter ---- */

enum { TWIN_COUNTERS = 1 << 18 };

struct twin {
	uint8_t seen[TWIN_COUNTERS];
	uint64_t next;
};

static bool twin_accept(struct twin *t, uint64_t counter)
{
	if (counter < t->next && t->next - counter > REPLAY_WINDOW)
		return false;
	if (t->seen[counter])
		return false;
	t->seen[counter] = 1;
	if (counter >= t->next)
		t->next = counter + 1;
	return true;
}

TEST(agrees_with_the_naive_twin_on_random_input)
{
	for (unsigned seed = 1; seed <= 8; seed++) {
		struct twin *twin = calloc(1, sizeof(*twin));
		struct replay w = {0};
		uint32_t random = seed;
		uint64_t base = 0;

		CHECK(twin != NULL);
		for (unsigned i = 0; i < 200000; i++) {
			random = random * 1664525 + 1013904223;
			uint32_t r = random >> 8;
			/* Mostly near the front, now and then a leap, or far behind. */
			uint64_t counter = base + r % 64;
			if (r % 97 == 0)
				counter = base > 9000 ? base - r % 9000 : r % 9000;
			if (r % 4099 == 0)
				counter = base + r % 20000;
			if (counter >= TWIN_COUNTERS)
				break;
			CHECK(replay_is_fresh(&w, counter) ==
			      (!twin->seen[counter] &&
			       !(counter < twin->next && twin->next - counter > REPLAY_WINDOW)));
			CHECK(replay_accept(&w, counter) == twin_accept(twin, counter));
			base = twin->next;
		}
		free(twin);
	}
}
