/* What a schedule excuses, in literal times. Round trips: 20 ms direct, 60 ms by relay. */
#include "tests/sim/expect.h"

#include "common/clock.h"
#include "tests/unit/test.h"

static const uint64_t S = US_PER_S, MS = US_PER_MS;

static struct day quiet_day(void)
{
	struct day d = {.end_us = 600 * S, .delay_ms = {10, 5}, .coordinator_delay_ms = 10};

	for (unsigned i = 0; i < DAY_NODES; i++) {
		d.nodes[i].home.delay_ms = d.nodes[i].away.delay_ms = 5;
		day_add(&d, &(struct day_event){.at_us = S, .word = DAY_JOIN, .who = i});
	}
	return d;
}

TEST(a_quiet_pair_may_stall_for_300_ms_and_a_round_trip)
{
	struct day d = quiet_day();
	struct expect e;

	expect_init(&e, &d, 0, 1);
	CHECK(e.direct_us == 20 * MS && e.relay_us == 60 * MS && e.server_us == 30 * MS);
	CHECK(expect_pause_us(&e, 100 * S, 101 * S) == 360 * MS);
	CHECK(expect_is_calm(&e, 100 * S, 101 * S));
}

TEST(a_cut_excuses_a_second_and_its_round_trips_at_its_beginning_only)
{
	struct day d = quiet_day();
	struct expect e, other;

	day_add(&d,
		&(struct day_event){.at_us = 50 * S, .for_us = 20 * S, .word = DAY_CUT, .who = 1});
	expect_init(&e, &d, 0, 1);
	expect_init(&other, &d, 0, 3);
	CHECK(expect_pause_us(&e, 49900 * MS, 51 * S) == S + 4 * 20 * MS + 60 * MS);
	CHECK(expect_pause_us(&e, 60 * S, 61 * S) == 360 * MS);
	CHECK(!expect_is_calm(&e, 49 * S, 50 * S) && expect_is_calm(&e, 60 * S, 61 * S));
	CHECK(expect_is_calm(&other, 49 * S, 71 * S));
}

TEST(a_link_that_loses_a_fifth_excuses_more_than_one_that_loses_a_tenth)
{
	struct day tenth = quiet_day(), fifth = quiet_day();
	struct expect e;
	struct day_event lossy = {
		.at_us = 50 * S, .for_us = 10 * S, .word = DAY_LOSSY, .who = 1, .amount = 100};

	day_add(&tenth, &lossy);
	lossy.amount = 200;
	day_add(&fifth, &lossy);
	expect_init(&e, &tenth, 0, 1);
	CHECK(expect_pause_us(&e, 55 * S, 56 * S) == 360 * MS + 2240 * MS);
	expect_init(&e, &fifth, 0, 1);
	uint64_t more_us = expect_pause_us(&e, 55 * S, 56 * S) - 2600 * MS;
	CHECK(more_us > 3200 * MS && more_us < 3400 * MS); /* 2 s (2^4.29 - 1) / 7 are 5.3 s */
	CHECK(expect_pause_us(&e, 61 * S, 62 * S) == 2600 * MS); /* it is over */
}

TEST(a_link_that_loses_excuses_more_while_one_relay_is_alone)
{
	struct day both = quiet_day(), alone;
	struct expect e;

	day_add(&both, &(struct day_event){.at_us = 50 * S,
					   .for_us = 10 * S,
					   .word = DAY_LOSSY,
					   .who = 1,
					   .amount = 100});
	alone = both;
	day_add(&alone,
		&(struct day_event){.at_us = 40 * S, .for_us = 12 * S, .word = DAY_RELAY_CRASH});
	expect_init(&e, &both, 0, 1);
	uint64_t both_us = expect_pause_us(&e, 51 * S, 52 * S);
	expect_init(&e, &alone, 0, 1);
	CHECK(expect_pause_us(&e, 51 * S, 52 * S) > both_us + 2 * S); /* 2 s (2^4 - 1) / 7 */
	CHECK(expect_pause_us(&e, 55 * S, 56 * S) == both_us);
}

TEST(a_nat_that_forgets_an_idle_node_is_noticed_when_the_node_asks_next)
{
	struct day idle = quiet_day(), typed;
	struct expect e;

	day_add(&idle, &(struct day_event){.at_us = 50 * S, .word = DAY_REBIND, .who = 1});
	typed = idle;
	day_add(&typed, &(struct day_event){.at_us = 40 * S,
					    .for_us = 20 * S,
					    .word = DAY_TYPE,
					    .who = 2,
					    .whom = 1,
					    .amount = 100});
	expect_init(&e, &idle, 0, 1);
	CHECK(expect_pause_us(&e, 60 * S, 61 * S) > 30 * S);
	CHECK(!expect_is_calm(&e, 60 * S, 61 * S));
	expect_init(&e, &typed, 0, 1); /* node 1 talks with node 2, and misses its echoes */
	CHECK(expect_pause_us(&e, 60 * S, 61 * S) == 360 * MS);
	CHECK(expect_is_calm(&e, 60 * S, 61 * S));
}

TEST(who_is_just_back_is_idle_when_the_nat_forgets_him)
{
	struct day d = quiet_day(), later;
	struct expect e;

	day_add(&d, &(struct day_event){.at_us = 40 * S,
					.for_us = 30 * S,
					.word = DAY_TYPE,
					.who = 0,
					.whom = 1,
					.amount = 100});
	day_add(&d,
		&(struct day_event){.at_us = 48 * S, .for_us = 2 * S, .word = DAY_CRASH, .who = 1});
	later = d;
	day_add(&d, &(struct day_event){.at_us = 50100 * MS, .word = DAY_REBIND, .who = 1});
	day_add(&later, &(struct day_event){.at_us = 55 * S, .word = DAY_REBIND, .who = 1});
	expect_init(&e, &d, 0, 1);
	CHECK(expect_pause_us(&e, 60 * S, 61 * S) > 30 * S);
	expect_init(&e, &later, 0, 1);
	CHECK(expect_pause_us(&e, 60 * S, 61 * S) == 360 * MS);
}

TEST(sleep_is_no_pause_and_waking_takes_a_second_and_eight_round_trips)
{
	struct day d = quiet_day();
	struct expect e;

	day_add(&d, &(struct day_event){.at_us = 50 * S, .for_us = 20 * S, .word = DAY_SLEEP});
	expect_init(&e, &d, 0, 1);
	CHECK(expect_is_apart(&e, 60 * S, 61 * S) && !expect_is_apart(&e, 71 * S, 72 * S));
	CHECK(expect_pause_us(&e, 49 * S, 71 * S) == 20 * S + S + 8 * 60 * MS);
}

TEST(power_that_goes_amid_a_write_excuses_what_power_does)
{
	struct day d = quiet_day();
	struct expect e;

	day_add(&d, &(struct day_event){
			    .at_us = 50 * S, .for_us = 6 * S, .word = DAY_TORN, .amount = 3});
	expect_init(&e, &d, 0, 1);
	CHECK(expect_is_apart(&e, 51 * S, 52 * S) && !expect_is_apart(&e, 57 * S, 58 * S));
	CHECK(expect_pause_us(&e, 49 * S, 57 * S) == 6 * S + S + 8 * 60 * MS);
}

TEST(who_may_not_is_apart_and_back_as_if_the_other_had_joined)
{
	struct day d = quiet_day();
	struct expect e, other;

	day_add(&d, &(struct day_event){
			    .at_us = 50 * S, .for_us = 5 * S, .word = DAY_FORBID, .whom = 1});
	expect_init(&e, &d, 0, 1);
	expect_init(&other, &d, 0, 3);
	CHECK(expect_is_apart(&e, 51 * S, 52 * S) && !expect_is_apart(&e, 55 * S, 56 * S));
	CHECK(expect_pause_us(&e, 49 * S, 56 * S) == 5 * S + S + 14 * 30 * MS);
	CHECK(expect_is_calm(&other, 49 * S, 56 * S));
}

TEST(who_lives_behind_one_nat_is_direct_by_the_house_and_shares_what_happens_to_the_nat)
{
	struct day d = quiet_day();
	struct expect e;

	d.nodes[0].home.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT;
	d.nodes[0].home.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT;
	d.nodes[1].home = d.nodes[0].home;
	expect_init(&e, &d, 0, 1);
	CHECK(!e.can_be_direct);
	d.nodes[1].lives_with = 1;
	expect_init(&e, &d, 0, 1);
	CHECK(e.can_be_direct);
	day_add(&d, &(struct day_event){.at_us = 50 * S, .word = DAY_REBIND, .who = 1});
	expect_init(&e, &d, 0, 2);
	CHECK(!expect_is_calm(&e, 49 * S, 51 * S));
	day_add(&d, &(struct day_event){.at_us = 90 * S, .word = DAY_MOVE, .who = 1});
	expect_init(&e, &d, 0, 1);
	CHECK(!e.can_be_direct);
}

TEST(a_cut_between_two_houses_cuts_all_who_live_in_them)
{
	struct day d = quiet_day();
	struct expect e;

	d.nodes[1].lives_with = 1;
	day_add(&d,
		&(struct day_event){.at_us = 50 * S, .for_us = 5 * S, .word = DAY_CUT, .whom = 2});
	expect_init(&e, &d, 1, 2);
	CHECK(!expect_is_calm(&e, 49 * S, 51 * S));
	expect_init(&e, &d, 0, 1);
	CHECK(expect_is_calm(&e, 49 * S, 51 * S));
}

TEST(who_is_no_member_cannot_be_reached)
{
	struct day d = quiet_day();
	struct expect e;

	day_add(&d, &(struct day_event){.at_us = 50 * S, .word = DAY_REVOKE, .who = 1});
	day_add(&d, &(struct day_event){.at_us = 80 * S, .word = DAY_JOIN, .who = 1});
	expect_init(&e, &d, 0, 1);
	CHECK(expect_is_apart(&e, 0, 1) && expect_is_apart(&e, 60 * S, 61 * S));
	CHECK(!expect_is_apart(&e, 81 * S, 82 * S));
}

TEST(without_any_relay_nothing_is_promised)
{
	struct day d = quiet_day();
	struct expect e;

	for (unsigned i = 0; i < DAY_RELAYS; i++)
		day_add(&d, &(struct day_event){.at_us = (50 + i) * S,
						.for_us = 10 * S,
						.word = DAY_RELAY_CRASH,
						.who = i});
	expect_init(&e, &d, 0, 1);
	CHECK(!expect_is_apart(&e, 50 * S, 51 * S) && expect_is_apart(&e, 52 * S, 53 * S));
	CHECK(!expect_is_apart(&e, 60 * S, 61 * S));
}

TEST(two_hard_nats_are_never_direct_and_one_hard_needs_an_easy_filter)
{
	struct day d = quiet_day();
	struct expect e;

	expect_init(&e, &d, 0, 1);
	CHECK(e.can_be_direct);
	d.nodes[0].home.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT;
	expect_init(&e, &d, 0, 1);
	CHECK(e.can_be_direct);
	d.nodes[1].home.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT;
	expect_init(&e, &d, 0, 1);
	CHECK(!e.can_be_direct);
	d.nodes[1].home.is_public = 1;
	expect_init(&e, &d, 0, 1);
	CHECK(!e.can_be_direct || d.nodes[1].away.filtering == NAT_ENDPOINT_INDEPENDENT);
}
