#include "agent/wg/tai64n.h"

#include <string.h>

#include "tests/unit/test.h"

enum { S = 1000 * 1000, MS = 1000 };
static const uint64_t UNIX_US = 1700000000 * (uint64_t)S;

static void check_stamp(const uint8_t *stamp, const char *hex)
{
	uint8_t wanted[TAI64N_LEN];

	test_unhex(hex, wanted, sizeof(wanted));
	CHECK_MEM(stamp, wanted, sizeof(wanted));
}

TEST(writes_seconds_and_nanoseconds_rounded_down_to_20_ms)
{
	struct tai64n t = {0};
	uint8_t stamp[TAI64N_LEN];

	/* 1700000000 is 0x6553f100; 500 ms are 0x1dcd6500 ns. */
	(void)tai64n_next(&t, UNIX_US + 519 * MS + 999, stamp);
	check_stamp(stamp, "400000006553f10a1dcd6500");
}

TEST(never_goes_back_nor_stands_still)
{
	struct tai64n t = {0};
	uint8_t last[TAI64N_LEN] = {0}, stamp[TAI64N_LEN];
	static const int64_t clock_ms[] = {0,  0,  1,  5,      -10000, -10000,
					   19, 20, 40, 100000, 60000,  0};

	for (size_t i = 0; i < sizeof(clock_ms) / sizeof(clock_ms[0]); i++) {
		(void)tai64n_next(&t, UNIX_US + (uint64_t)(clock_ms[i] * MS), stamp);
		CHECK(memcmp(stamp, last, sizeof(stamp)) > 0);
		memcpy(last, stamp, sizeof(last));
	}
}

TEST(asks_for_a_reservation_once_in_10_s)
{
	struct tai64n t = {0};
	uint8_t stamp[TAI64N_LEN];

	CHECK(tai64n_next(&t, UNIX_US, stamp));
	CHECK(t.reserved_us == UNIX_US + 10 * S);
	CHECK(!tai64n_next(&t, UNIX_US + 5 * S, stamp));
	CHECK(!tai64n_next(&t, UNIX_US + 10 * S, stamp));
	CHECK(tai64n_next(&t, UNIX_US + 10 * S + 20 * MS, stamp));
	CHECK(t.reserved_us == UNIX_US + 20 * S + 20 * MS);
}

TEST(starts_above_what_the_last_run_reserved)
{
	struct tai64n t;
	uint8_t stamp[TAI64N_LEN];

	tai64n_init(&t, UNIX_US + 10 * S);
	CHECK(tai64n_next(&t, UNIX_US, stamp));		/* beyond the reservation: reserve anew */
	check_stamp(stamp, "400000006553f11401312d00"); /* 10.02 s */
	CHECK(t.reserved_us == UNIX_US + 20 * S + 20 * MS);

	tai64n_init(&t, UNIX_US + 10 * S + 7); /* not a step of ours */
	(void)tai64n_next(&t, UNIX_US, stamp);
	CHECK(t.last_us > UNIX_US + 10 * S + 7);
	tai64n_init(&t, UNIX_US - 10 * S); /* long past: the clock rules */
	(void)tai64n_next(&t, UNIX_US, stamp);
	check_stamp(stamp, "400000006553f10a00000000");
}

TEST(an_impossible_reservation_is_ignored)
{
	struct tai64n t;
	uint8_t stamp[TAI64N_LEN];

	tai64n_init(&t, UINT64_MAX);
	(void)tai64n_next(&t, UNIX_US, stamp);
	check_stamp(stamp, "400000006553f10a00000000");
}
