#include "agent/unheard.h"

#include "common/clock.h"
#include "tests/unit/test.h"

enum { MS = 1000, RTT_US = 20 * MS };
static const uint64_t start_us = 1000 * 1000 * 1000;

/* The peer has heard ten, and we have sent as many. */
static struct unheard after_ten(void)
{
	struct unheard u = {.since_us = 0};
	const struct unheard_report first = {
		.kind = WAY_DIRECT, .heard = 10, .sent = 10, .is_proof = true, .rtt_us = RTT_US};

	CHECK(!unheard_on_report(&u, &first, start_us));
	return u;
}

static bool asks(struct unheard *u, uint32_t heard, uint32_t sent, uint64_t at_ms)
{
	const struct unheard_report report = {.kind = WAY_DIRECT,
					      .heard = heard,
					      .sent = sent,
					      .is_proof = true,
					      .rtt_us = RTT_US};

	return unheard_on_report(u, &report, start_us + at_ms * MS);
}

TEST(four_packets_unheard_for_half_a_second_and_four_round_trips_ask_for_a_handshake)
{
	struct unheard u = after_ten();

	CHECK(!asks(&u, 10, 20, 579));
	CHECK(!asks(&u, 10, 13, 580)); /* three may have been lost */
	CHECK(asks(&u, 10, 14, 580));
}

TEST(who_hears_is_asked_nothing)
{
	struct unheard u = after_ten();

	for (uint32_t i = 1; i < 100; i++)
		CHECK(!asks(&u, 10 + i, 10 + 10 * i, 250 * i));
}

TEST(what_is_heard_by_the_other_way_is_heard)
{
	struct unheard u = after_ten();

	for (uint32_t i = 1; i < 100; i++) {
		const struct unheard_report relay = {.kind = WAY_RELAY, .heard = i, .sent = 10 * i};

		CHECK(!asks(&u, 10, 10 + 10 * i, 250 * i));
		CHECK(!unheard_on_report(&u, &relay, start_us + (250 * i + 1) * MS));
	}
}

TEST(it_asks_four_times_each_after_twice_the_time_and_anew_once_the_peer_heard)
{
	struct unheard u = after_ten();
	unsigned asked = 0;

	for (uint64_t at_ms = 0; at_ms < 4640; at_ms++)
		asked += asks(&u, 10, 50, at_ms);
	CHECK_INT(asked, 3); /* at 580, 1160 and 2320 ms */
	for (uint64_t at_ms = 4640; at_ms < 60 * 1000; at_ms++)
		asked += asks(&u, 10, 50, at_ms);
	CHECK_INT(asked, 4);
	CHECK(!asks(&u, 11, 50, 60 * 1000));
	CHECK(asks(&u, 11, 54, 60 * 1000 + 580));
}

TEST(a_count_that_fell_is_a_peer_that_began_anew_and_is_given_the_same_time)
{
	struct unheard u = after_ten();

	CHECK(!asks(&u, 0, 30, 1000));
	CHECK(!asks(&u, 0, 40, 1579));
	CHECK(asks(&u, 0, 40, 1580));
}

TEST(a_report_that_proves_no_way_of_ours_asks_nothing)
{
	struct unheard u = after_ten();
	const struct unheard_report ping = {.kind = WAY_DIRECT, .heard = 10, .sent = 100};

	CHECK(!unheard_on_report(&u, &ping, start_us + 10 * US_PER_S));
}

TEST(new_keys_begin_the_time_again_but_not_the_number_of_times)
{
	struct unheard u = after_ten();
	unsigned asked = 0;

	for (uint64_t at_ms = 0; at_ms < 100 * 1000; at_ms++) {
		if (!asks(&u, 10, (uint32_t)(10 + at_ms), at_ms))
			continue;
		asked++;
		unheard_on_keys(&u, (uint32_t)(10 + at_ms), start_us + at_ms * MS);
		CHECK(!asks(&u, 10, (uint32_t)(20 + at_ms), at_ms + 579));
	}
	CHECK_INT(asked, 4);
}
