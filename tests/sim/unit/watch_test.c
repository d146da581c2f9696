/* Each watch is shown a history that goes wrong, and one that nearly does. */
#include <string.h>

#include "common/clock.h"
#include "tests/sim/watch_budget.h"
#include "tests/sim/watch_choice.h"
#include "tests/sim/watch_delivery.h"
#include "tests/sim/watch_echo.h"
#include "tests/sim/watch_gap.h"
#include "tests/sim/watch_lie.h"
#include "tests/sim/watch_member.h"
#include "tests/sim/watch_stranger.h"
#include "tests/sim/watch_wire.h"
#include "tests/unit/test.h"

static const uint64_t S = US_PER_S, MS = US_PER_MS;

/* laptop, dev (alice), tablet, build (bob), all behind easy NATs; 20 ms direct, 60 ms by relay. */
static struct day two_owners(void)
{
	struct day d = {.end_us = 600 * S, .delay_ms = {10, 5}, .coordinator_delay_ms = 10};

	for (unsigned i = 0; i < DAY_NODES; i++) {
		struct day_node *n = &d.nodes[i];

		snprintf(n->name, sizeof(n->name), "n%u", i);
		snprintf(n->owner, sizeof(n->owner), "%s", i < 2 ? "alice" : "bob");
		n->is_client = i % 2 == 0;
		n->home.delay_ms = n->away.delay_ms = 5;
		day_add(&d, &(struct day_event){.at_us = S, .word = DAY_JOIN, .who = i});
	}
	return d;
}

/* ---- echoes ---- */

TEST(an_echo_may_be_late_by_what_the_schedule_excuses_and_no_more)
{
	struct day d = two_owners();
	struct expect e;
	struct watch_echo w;
	struct verdict v = {0};

	expect_init(&e, &d, 0, 1);
	watch_echo_on_begin(&w, &e, "a", "b", 100 * MS, 20 * S, 100 * S);
	watch_echo_on_echo(&w, 100 * S + 40 * MS, &v);
	watch_echo_on_echo(&w, 100 * S + 500 * MS, &v);
	CHECK(!v.failed);
	watch_echo_on_echo(&w, 100 * S + 961 * MS, &v);
	CHECK(v.failed);
	CHECK_STR(v.invariant, "echo");
}

TEST(the_first_echo_after_a_calm_time_comes_at_once)
{
	struct day d = two_owners();
	struct expect e;
	struct watch_echo w;
	struct verdict v = {0};

	expect_init(&e, &d, 0, 1);
	uint64_t allowed_us = 2 * e.direct_us + 160 * MS;
	watch_echo_on_begin(&w, &e, "a", "b", 100 * MS, 20 * S, 100 * S);
	watch_echo_on_echo(&w, 100 * S + allowed_us, &v);
	CHECK(!v.failed);
	watch_echo_on_begin(&w, &e, "a", "b", 100 * MS, 20 * S, 100 * S);
	watch_echo_on_echo(&w, 100 * S + allowed_us + 1, &v);
	CHECK(v.failed);
	CHECK_STR(v.invariant, "first");
}

static bool is_late(const struct expect *e, uint64_t talked_us, uint64_t waited_us)
{
	struct watch_echo w;
	struct verdict v = {0};

	watch_echo_on_begin(&w, e, "a", "b", 100 * MS, talked_us, 300 * S);
	watch_echo_on_echo(&w, 300 * S + waited_us, &v);
	return v.failed;
}

TEST(who_lost_the_way_while_idle_begins_by_a_relay)
{
	struct day d = two_owners();
	struct expect e;

	day_add(&d, &(struct day_event){.at_us = 100 * S, .word = DAY_MOVE, .who = 1});
	day_add(&d, &(struct day_event){.at_us = 200 * S, .word = DAY_RESTART, .who = 1});
	expect_init(&e, &d, 0, 1);
	uint64_t direct_us = 2 * e.direct_us + 161 * MS;
	uint64_t relay_us = 2 * e.relay_us + 100 * MS + 161 * MS; /* by the next keystroke */
	CHECK(is_late(&e, 150 * S, direct_us)); /* a restart within three minutes costs nothing */
	CHECK(!is_late(&e, 10 * S, direct_us) && is_late(&e, 10 * S, relay_us));
	CHECK(!is_late(&e, 0, direct_us) && is_late(&e, 0, relay_us));
	d.n_events = 4;
	day_add(&d, &(struct day_event){.at_us = 200 * S, .word = DAY_RESTART, .who = 1});
	expect_init(&e, &d, 0, 1);
	CHECK(is_late(&e, 21 * S, direct_us) && !is_late(&e, 19 * S, direct_us));
}

TEST(no_echo_at_all_is_found_at_the_end)
{
	struct day d = two_owners();
	struct expect e;
	struct watch_echo w;
	struct verdict v = {0};

	expect_init(&e, &d, 0, 1);
	watch_echo_on_begin(&w, &e, "a", "b", 100 * MS, 20 * S, 100 * S);
	watch_echo_on_end(&w, 110 * S, &v);
	CHECK(v.failed && w.expect == NULL);
}

/* ---- delivery ---- */

static void deliver(struct watch_delivery *w, unsigned at, struct traffic_packet p, uint64_t now_us,
		    struct verdict *v)
{
	watch_delivery_on_sent(w, &p);
	watch_delivery_on_delivered(w, at, &p, now_us, v);
}

TEST(a_packet_comes_once_to_whom_it_was_sent)
{
	struct day d = two_owners();
	struct watch_delivery w;
	struct verdict twice = {0}, astray = {0}, unsent = {0};
	struct traffic_packet p = {.kind = TRAFFIC_KEY, .from = 0, .to = 1, .flow = 4, .seq = 9};

	watch_delivery_init(&w, &d, 2 * S);
	deliver(&w, 1, p, S, &twice);
	CHECK(!twice.failed);
	watch_delivery_on_delivered(&w, 1, &p, S, &twice);
	CHECK_STR(twice.invariant, "twice");
	p.seq = 8;
	deliver(&w, 2, p, S, &astray);
	CHECK_STR(astray.invariant, "delivery");
	p.seq = 10;
	watch_delivery_on_delivered(&w, 1, &p, S, &unsent);
	CHECK_STR(unsent.invariant, "delivery");
	p = (struct traffic_packet){.kind = TRAFFIC_ECHO, .from = 0, .to = 1, .flow = 4, .seq = 9};
	struct verdict echo = {0};

	deliver(&w, 0, p, S, &echo);
	CHECK(!echo.failed);
	watch_delivery_wipe(&w);
}

TEST(what_policy_forbids_is_never_delivered)
{
	struct day d = two_owners();
	struct watch_delivery w;
	struct verdict v[3] = {0};

	watch_delivery_init(&w, &d, 2 * S);
	deliver(&w, 0, (struct traffic_packet){.kind = TRAFFIC_TRESPASS, .from = 1, .to = 0}, S,
		&v[0]);
	deliver(&w, 3, (struct traffic_packet){.kind = TRAFFIC_KEY, .from = 0, .to = 3, .flow = 1},
		S, &v[1]);
	CHECK_STR(v[0].invariant, "policy");
	CHECK_STR(v[1].invariant, "policy");
	watch_delivery_on_revoke(&w, 1, 10 * S);
	struct traffic_packet p = {.kind = TRAFFIC_KEY, .from = 0, .to = 1, .flow = 2};

	deliver(&w, 1, p, 11 * S, &v[2]);
	CHECK(!v[2].failed);
	p.seq = 1;
	deliver(&w, 1, p, 13 * S, &v[2]);
	CHECK_STR(v[2].invariant, "policy");
	watch_delivery_wipe(&w);
}

TEST(what_was_allowed_is_cut_a_second_after_the_news_and_flows_again_when_it_is_given_back)
{
	struct day d = two_owners();
	struct expect e;
	struct watch_delivery w;
	struct verdict v[3] = {0};
	struct traffic_packet p = {.kind = TRAFFIC_KEY, .from = 0, .to = 1, .flow = 2};

	expect_init(&e, &d, 0, 1);
	uint64_t cut_us = 10 * S + S + e.server_us / 2 + e.relay_us / 2;

	watch_delivery_init(&w, &d, 2 * S);
	watch_delivery_on_forbid(&w, 0, 1, &e, 10 * S);
	deliver(&w, 1, p, cut_us, &v[0]);
	CHECK(!v[0].failed);
	p.seq = 1;
	deliver(&w, 1, p, cut_us + 1, &v[1]);
	CHECK_STR(v[1].invariant, "policy");
	watch_delivery_on_allow(&w, 0, 1);
	p.seq = 2;
	deliver(&w, 1, p, 20 * S, &v[2]);
	CHECK(!v[2].failed);
	watch_delivery_wipe(&w);
}

/* ---- the wire ---- */

TEST(neither_words_nor_mesh_addresses_are_seen_on_the_wire)
{
	static const uint8_t marker[] = "marker!!";
	uint8_t packet[64] = {0};
	struct endpoint outer = {.ip = ip_from_v4((const uint8_t[]){203, 0, 113, 1}), .port = 7};
	struct endpoint inner = {.ip = ip_from_v4((const uint8_t[]){10, 9, 8, 7}), .port = 7};
	struct watch_wire w;
	struct endpoint inner6 = {.ip = {.b = {0xfd, 1, [15] = 9}}, .port = 7};
	struct verdict clean = {0}, mesh = {0}, mesh6 = {0}, words = {0};

	watch_wire_init(&w, marker);
	watch_wire_on_packet(&w, "n", &outer, &inner, packet, sizeof(packet), S, &clean);
	CHECK(!clean.failed);
	watch_wire_on_address(&w, 2, &inner.ip);
	watch_wire_on_packet(&w, "n", &outer, &inner, packet, sizeof(packet), S, &mesh);
	CHECK_STR(mesh.invariant, "wire");
	watch_wire_on_address(&w, 2, &inner6.ip);
	watch_wire_on_packet(&w, "n", &inner6, &outer, packet, sizeof(packet), S, &mesh6);
	CHECK_STR(mesh6.invariant, "wire");
	memcpy(packet + 41, marker, TRAFFIC_MARKER_LEN);
	watch_wire_on_packet(&w, "n", &outer, &outer, packet, sizeof(packet), S, &words);
	CHECK_STR(words.invariant, "clear");
}

/* ---- choices ---- */

static struct way direct_way(void)
{
	return way_direct((struct endpoint){.port = 1});
}

TEST(two_moves_in_ten_quiet_seconds_are_one_too_many)
{
	struct day d = two_owners();
	struct expect e;
	struct watch_choice w;
	struct verdict v = {0};
	struct way relay = way_relay(1), direct = direct_way();

	expect_init(&e, &d, 0, 1);
	watch_choice_init(&w, &e, "a", "b");
	watch_choice_on_typing(&w, 100 * S);
	watch_choice_on_choice(&w, &relay, 120 * S, &v);
	watch_choice_on_choice(&w, &relay, 121 * S, &v);
	watch_choice_on_choice(&w, &direct, 131 * S, &v);
	CHECK(!v.failed);
	watch_choice_on_choice(&w, &relay, 140 * S, &v);
	CHECK_STR(v.invariant, "flaps");
}

TEST(moves_after_an_event_are_no_flapping)
{
	struct day d = two_owners();
	struct expect e;
	struct watch_choice w;
	struct verdict v = {0};
	struct way relay = way_relay(1), direct = direct_way();

	day_add(&d, &(struct day_event){
			    .at_us = 119 * S, .for_us = 2 * S, .word = DAY_BLOCK, .who = 1});
	expect_init(&e, &d, 0, 1);
	watch_choice_init(&w, &e, "a", "b");
	watch_choice_on_typing(&w, 100 * S);
	watch_choice_on_choice(&w, &relay, 120 * S, &v);
	watch_choice_on_choice(&w, &direct, 122 * S, &v);
	CHECK(!v.failed);
}

TEST(a_direct_way_that_is_found_is_no_flapping_one_that_was_left_is)
{
	struct day d = two_owners();
	struct expect e;
	struct watch_choice w;
	struct verdict v = {0};
	struct way relay = way_relay(1), other = way_relay(2), direct = direct_way();

	expect_init(&e, &d, 0, 1);
	watch_choice_init(&w, &e, "a", "b");
	watch_choice_on_typing(&w, 100 * S);
	watch_choice_on_choice(&w, &relay, 130 * S, &v);
	watch_choice_on_choice(&w, &other, 150 * S, &v);
	watch_choice_on_choice(&w, &direct, 159 * S, &v);
	CHECK(!v.failed);
	watch_choice_on_choice(&w, &relay, 170 * S, &v);
	watch_choice_on_choice(&w, &direct, 179 * S, &v);
	CHECK_STR(v.invariant, "flaps");
}

TEST(a_direct_way_left_for_a_slow_link_is_taken_again_after_ten_seconds)
{
	struct day d = two_owners();
	struct way relay = way_relay(1), direct = direct_way();

	day_add(&d, &(struct day_event){.at_us = 210 * S,
					.for_us = 4 * S,
					.word = DAY_WORSE,
					.who = 1,
					.amount = 150});
	for (unsigned at = 222; at <= 230; at += 8) {
		struct expect e;
		struct watch_choice w;
		struct verdict v = {0};

		expect_init(&e, &d, 0, 1);
		watch_choice_init(&w, &e, "a", "b");
		watch_choice_on_choice(&w, &direct, 150 * S, &v);
		watch_choice_on_typing(&w, 200 * S);
		watch_choice_on_choice(&w, &relay, 213 * S, &v);
		watch_choice_on_typed(&w, at * S, &v);
		CHECK(v.failed == (at == 230));
	}
}

TEST(who_can_be_direct_and_is_not_is_told)
{
	struct day d = two_owners();
	struct expect e;
	struct watch_choice w;
	struct verdict v = {0};
	struct way relay = way_relay(1), direct = direct_way();

	expect_init(&e, &d, 0, 1);
	watch_choice_init(&w, &e, "a", "b");
	watch_choice_on_typing(&w, 100 * S);
	watch_choice_on_choice(&w, &direct, 100 * S, &v);
	watch_choice_on_typed(&w, 130 * S, &v);
	CHECK(!v.failed);
	watch_choice_on_choice(&w, &relay, 150 * S, &v);
	watch_choice_on_typing(&w, 200 * S);
	watch_choice_on_typed(&w, 230 * S, &v);
	CHECK_STR(v.invariant, "direct");
}

TEST(who_is_not_direct_two_seconds_after_trouble_is_told)
{
	struct day d = two_owners();
	struct way relay = way_relay(1);

	day_add(&d, &(struct day_event){
			    .at_us = 210 * S, .for_us = 10 * S, .word = DAY_BLOCK, .who = 1});
	for (unsigned seconds = 1; seconds <= 3; seconds++) {
		struct expect e;
		struct watch_choice w;
		struct verdict v = {0};

		expect_init(&e, &d, 0, 1);
		watch_choice_init(&w, &e, "a", "b");
		watch_choice_on_typing(&w, 200 * S);
		watch_choice_on_choice(&w, &relay, 211 * S, &v);
		watch_choice_on_typed(&w, (220 + seconds) * S, &v);
		CHECK(v.failed == (seconds == 3)); /* 2 s, five times 60 ms, and 0.3 s */
	}
}

/* ---- gaps ---- */

static struct watch_gap typing_with_a_gap(const struct expect *e, uint64_t gap_us)
{
	struct watch_gap w;

	watch_gap_on_begin(&w, e, "a", "b", 100 * MS, 100 * S);
	for (unsigned i = 1; i <= 20; i++)
		watch_gap_on_echo(&w, 100 * S + i * 100 * MS);
	for (unsigned i = 0; i < 20; i++)
		watch_gap_on_echo(&w, 102 * S + gap_us + i * 100 * MS);
	return w;
}

TEST(a_gap_that_was_felt_must_be_told)
{
	struct day d = two_owners();
	struct expect e;
	struct verdict silent = {0}, told = {0};

	d.nodes[0].home.loss_permille = 20;
	expect_init(&e, &d, 0, 1);
	struct watch_gap w = typing_with_a_gap(&e, 3 * S);

	watch_gap_on_end(&w, 110 * S, &silent);
	CHECK_STR(silent.invariant, "gap");
	w = typing_with_a_gap(&e, 3 * S);
	watch_gap_on_told(&w, 102 * S, 105 * S);
	watch_gap_on_end(&w, 110 * S, &told);
	CHECK(!told.failed);
	watch_gap_on_begin(&w, &e, "a", "b", 100 * MS, 100 * S);
	watch_gap_on_way(&w, true); /* five of the round trips that its TCP makes of losses */
	watch_gap_on_echo(&w, 100100 * MS);
	watch_gap_on_echo(&w, 103 * S);
	watch_gap_on_end(&w, 110 * S, &told);
	CHECK(!told.failed);
}

TEST(a_gap_whose_end_its_node_did_not_live_to_see_need_not_be_told)
{
	struct day d = two_owners();
	struct expect e;

	expect_init(&e, &d, 0, 1);
	for (unsigned i = 0; i < 2; i++) {
		struct watch_gap w;
		struct verdict v = {0};

		watch_gap_on_begin(&w, &e, "a", "b", 100 * MS, 100 * S);
		watch_gap_on_echo(&w, 100100 * MS);
		watch_gap_on_echo(&w, 105 * S);
		watch_gap_on_absence(&w, 105 * S + (i == 0 ? 20 * MS : S));
		watch_gap_on_end(&w, 120 * S, &v);
		CHECK(v.failed == (i == 1));
	}
}

TEST(some_echoes_that_a_bad_link_lost_in_a_row_are_no_gap)
{
	struct day d = two_owners();
	struct expect e;

	d.nodes[0].home.loss_permille =
		190; /* a third of all echoes: seventeen in a row are rare */
	expect_init(&e, &d, 0, 1);
	for (unsigned i = 16; i <= 17; i++) {
		struct verdict v = {0};
		struct watch_gap w = typing_with_a_gap(&e, (i * 100 + 50) * MS);

		watch_gap_on_end(&w, 110 * S, &v);
		CHECK(v.failed == (i == 17));
	}
}

TEST(a_gap_that_is_felt_when_the_process_ends_must_be_told_if_that_has_the_time)
{
	struct day d = two_owners();
	struct expect e;
	struct verdict killed = {0}, ended = {0}, typed = {0};

	expect_init(&e, &d, 0, 1);
	struct watch_gap w = typing_with_a_gap(&e, 100 * MS);

	watch_gap_on_absence(&w, 107 * S);
	watch_gap_on_end(&w, 120 * S, &killed);
	CHECK(!killed.failed);
	w = typing_with_a_gap(&e, 100 * MS);
	watch_gap_on_goodbye(&w, 107 * S);
	watch_gap_on_end(&w, 120 * S, &ended);
	CHECK_STR(ended.invariant, "gap");
	w = typing_with_a_gap(&e, 100 * MS);
	watch_gap_on_typed(&w); /* silent, since nothing is asked any more */
	watch_gap_on_goodbye(&w, 107 * S);
	watch_gap_on_end(&w, 120 * S, &typed);
	CHECK(!typed.failed);
}

TEST(a_gap_that_nobody_felt_must_not_be_told)
{
	struct day d = two_owners();
	struct expect e;
	struct verdict v = {0};

	expect_init(&e, &d, 0, 1);
	struct watch_gap w = typing_with_a_gap(&e, 100 * MS);

	watch_gap_on_told(&w, 100500 * MS, 101 * S);
	watch_gap_on_end(&w, 103900 * MS, &v);
	CHECK_STR(v.invariant, "gap");
}

TEST(what_somebody_felt_before_may_be_told_when_they_hear_of_each_other_again)
{
	struct day d = two_owners();
	struct expect e;
	struct watch_gap w;
	struct verdict v[2] = {0};

	expect_init(&e, &d, 0, 1);
	watch_gap_on_begin(&w, &e, "a", "b", 100 * MS, 100 * S);
	CHECK(watch_gap_silent_since(&w, 100 * S + 125 * MS) == 0);
	CHECK(watch_gap_silent_since(&w, 101 * S) == 100 * S);
	for (unsigned i = 0; i < 2; i++) {
		watch_gap_on_begin(&w, &e, "a", "b", 100 * MS, 200 * S);
		if (i == 0)
			watch_gap_on_silence_before(&w, 100 * S, 200 * S);
		watch_gap_on_told(&w, 100 * S, 199 * S);
		watch_gap_on_echo(&w, 200 * S + 100 * MS);
		watch_gap_on_end(&w, 200 * S + 200 * MS, &v[i]);
	}
	CHECK(!v[0].failed && v[1].failed);
}

TEST(a_first_echo_as_late_as_a_gap_may_be_told_as_one_from_the_last_proof_on)
{
	struct day d = two_owners();
	struct expect e;
	struct verdict late = {0}, soon = {0};
	struct watch_gap w;

	expect_init(&e, &d, 0, 1);
	for (unsigned is_late = 0; is_late < 2; is_late++) {
		watch_gap_on_begin(&w, &e, "a", "b", 230 * MS, 100 * S);
		watch_gap_on_echo(&w, 100 * S + (is_late ? 286 : 249) * MS);
		watch_gap_on_told(&w, 90 * S, 100290 * MS);
		for (unsigned i = 2; i <= 20; i++)
			watch_gap_on_echo(&w, 100 * S + i * 230 * MS);
		watch_gap_on_end(&w, 110 * S, is_late ? &late : &soon);
	}
	CHECK(!late.failed);
	CHECK_STR(soon.invariant, "gap");
}

TEST(a_gap_of_other_data_between_two_slow_keystrokes_may_be_told)
{
	struct day d = two_owners();
	struct expect e;
	struct verdict between = {0}, before = {0}, across = {0};
	struct watch_gap w;

	expect_init(&e, &d, 0, 1);
	for (unsigned across_it = 0; across_it < 2; across_it++) {
		watch_gap_on_begin(&w, &e, "a", "b", 210 * MS, 100 * S);
		for (unsigned i = 1; i <= 20; i++)
			watch_gap_on_echo(&w, 100 * S + i * 210 * MS);
		watch_gap_on_echo(&w, 104460 * MS); /* 260 ms after the last */
		watch_gap_on_told(&w, (across_it ? 104100 : 104200) * MS, 104465 * MS);
		for (unsigned i = 1; i <= 20; i++)
			watch_gap_on_echo(&w, 104460 * MS + i * 210 * MS);
		watch_gap_on_end(&w, 110 * S, across_it ? &across : &between);
	}
	watch_gap_on_begin(&w, &e, "a", "b", 250 * MS, 100 * S);
	watch_gap_on_told(&w, 100 * S, 100270 * MS); /* by a pong; the echo comes next */
	watch_gap_on_echo(&w, 100280 * MS);
	watch_gap_on_end(&w, 110 * S, &before);
	CHECK(!between.failed && !before.failed);
	CHECK_STR(across.invariant, "gap");
}

/* ---- what it costs ---- */

TEST(probes_idle_bytes_timers_and_memory_are_bounded)
{
	static const uint8_t probe[] = {'T', 'S', 0xf0, 0x9f, 0x92, 0xac, 1, 2, 3};
	struct watch_budget w;
	struct verdict probes = {0}, idle = {0}, timers = {0}, memory = {0};

	watch_budget_init(&w, "n");
	for (unsigned i = 0; i < WATCH_BUDGET_PROBES; i++)
		watch_budget_on_packet(&w, probe, sizeof(probe), true, 7 * S + i, &probes);
	CHECK(!probes.failed);
	watch_budget_on_packet(&w, probe, sizeof(probe), true, 8 * S - 1, &probes);
	CHECK_STR(probes.invariant, "probes");

	watch_budget_on_calm(&w, 100 * S);
	for (unsigned i = 0; i < 200; i++) /* a search, and 95 a second */
		watch_budget_on_packet(&w, probe, 102, false, (100 + i) * S, &idle);
	watch_budget_on_busy(&w, 300 * S, &idle);
	CHECK(!idle.failed);
	watch_budget_on_calm(&w, 400 * S);
	for (unsigned i = 0; i < 200; i++) /* 105 */
		watch_budget_on_packet(&w, probe, 112, false, (400 + i) * S, &idle);
	watch_budget_on_busy(&w, 600 * S, &idle);
	CHECK_STR(idle.invariant, "idle");

	watch_budget_on_timers(&w, WATCH_BUDGET_TIMERS, S, &timers);
	CHECK(!timers.failed);
	watch_budget_on_timers(&w, WATCH_BUDGET_TIMERS + 1, S, &timers);
	CHECK_STR(timers.invariant, "timers");
	watch_budget_on_heap(WATCH_BUDGET_HEAP, S, &memory);
	CHECK(!memory.failed);
	watch_budget_on_heap(WATCH_BUDGET_HEAP + 1, S, &memory);
	CHECK_STR(memory.invariant, "memory");
}

/* ---- who is who ---- */

TEST(a_node_stays_who_it_is_and_its_peers_know_it)
{
	struct watch_member w;
	struct watch_member_view own = {.is_there = true,
					.member_id = 7,
					.mesh = ip_from_v4((const uint8_t[]){10, 0, 0, 1})};
	struct watch_member_view other = own, none = {0};
	struct verdict same = {0}, changed = {0}, unknown = {0}, mistaken = {0};

	other.mesh = ip_from_v4((const uint8_t[]){10, 0, 0, 2});
	watch_member_init(&w, "n");
	watch_member_on_look(&w, &own, 10 * S, &same);
	watch_member_on_look(&w, &own, 20 * S, &same);
	watch_member_on_talk(&w, "m", &own, &own, 20 * S, &same);
	CHECK(!same.failed);
	watch_member_on_look(&w, &other, 30 * S, &changed);
	CHECK_STR(changed.invariant, "identity");
	watch_member_on_talk(&w, "m", &own, &none, 30 * S, &unknown);
	CHECK_STR(unknown.invariant, "agree");
	watch_member_on_talk(&w, "m", &own, &other, 30 * S, &mistaken);
	CHECK_STR(mistaken.invariant, "agree");
}

TEST(a_node_is_somebody_else_only_with_another_membership_after_joining_anew)
{
	struct watch_member w;
	struct watch_member_view old = {.is_there = true,
					.member_id = 7,
					.mesh = ip_from_v4((const uint8_t[]){10, 0, 0, 1})};
	struct watch_member_view new = old;
	struct verdict anew = {0}, changed = {0}, other = {0};

	new.member_id = 8;
	new.mesh = ip_from_v4((const uint8_t[]){10, 0, 0, 2});
	watch_member_init(&w, "n");
	watch_member_on_look(&w, &old, 10 * S, &anew);
	watch_member_on_join(&w);
	watch_member_on_look(&w, &old, 20 * S, &anew); /* it has yet to reach the coordinator */
	watch_member_on_look(&w, &new, 80 * S, &anew);
	watch_member_on_look(&w, &new, 90 * S, &anew);
	CHECK(!anew.failed);
	new.mesh = old.mesh;
	watch_member_on_look(&w, &new, 100 * S, &changed);
	CHECK_STR(changed.invariant, "identity");
	watch_member_on_look(&w, &old, 110 * S, &other);
	CHECK_STR(other.invariant, "identity");
}

/* ---- who was not invited ---- */

static const char used[] = "the token was used";

/* Which word falls when `up` ends so while the coordinator is there? */
static bool is_right_answer(int exit_status, const char *error, bool was_there)
{
	struct watch_stranger w;
	struct verdict v = {0};

	watch_stranger_init(&w, used, 390 * MS);
	watch_stranger_on_ask(&w, 10 * S);
	watch_stranger_on_answer(&w, exit_status, error, was_there, 10 * S + 80 * MS, &v);
	return !v.failed;
}

TEST(a_stranger_is_refused_and_told_why)
{
	CHECK(is_right_answer(1, "the token was used by another machine already", true));
	CHECK(!is_right_answer(0, "", true));
	CHECK(!is_right_answer(0, "", false));
	CHECK(!is_right_answer(2, "the token was used by another machine already", true));
	CHECK(!is_right_answer(1, "the name dev.alice is taken", true));
	CHECK(is_right_answer(1, "cannot join: no answer", false));
}

/* What does the watch say of a stranger that leaves after so long? */
static bool stays_outside(struct watch_stranger_view view, bool is_answered, uint64_t after_us,
			  bool was_there)
{
	struct watch_stranger w;
	struct verdict v = {0};

	watch_stranger_init(&w, used, 390 * MS);
	watch_stranger_on_ask(&w, 10 * S);
	w.is_answered = is_answered;
	watch_stranger_on_end(&w, &view, was_there, 10 * S + after_us, &v);
	CHECK(!v.failed || strcmp(v.invariant, "stranger") == 0);
	return !v.failed;
}

TEST(a_stranger_stays_outside)
{
	const struct watch_stranger_view outside = {0};

	CHECK(stays_outside(outside, true, 8 * S, true));
	CHECK(!stays_outside((struct watch_stranger_view){.member_id = 5}, true, 8 * S, true));
	CHECK(!stays_outside((struct watch_stranger_view){.has_address = true}, true, 8 * S, true));
	CHECK(!stays_outside((struct watch_stranger_view){.is_registered = true}, true, 8 * S,
			     false));
	CHECK(!stays_outside((struct watch_stranger_view){.known_to = "dev"}, true, 8 * S, true));
	CHECK(stays_outside(outside, false, 390 * MS, true));
	CHECK(!stays_outside(outside, false, 391 * MS, true));
	CHECK(stays_outside(outside, false, 8 * S, false));
}

TEST(a_stranger_receives_nothing)
{
	struct watch_stranger w;
	struct verdict v = {0};

	watch_stranger_init(&w, used, 390 * MS);
	watch_stranger_on_inner(&w, 11 * S, &v);
	CHECK_STR(v.invariant, "stranger");
}

/* ---- who is lied about ---- */

TEST(a_lie_is_told_by_whom_it_was_told_to_and_about_whom_it_was)
{
	struct watch_lie w;
	struct verdict right = {0}, nobody = {0}, other = {0}, late = {0};

	watch_lie_init(&w, "n");
	watch_lie_on_told(&w, "dev.alice", "came as another", 10 * S, &nobody);
	CHECK_STR(nobody.invariant, "identity");
	CHECK(watch_lie_on_begin(&w, "dev.alice", 20 * S));
	CHECK(!watch_lie_on_begin(&w, "build.alice", 21 * S));
	watch_lie_on_told(&w, "dev.alice", "came as another", 21 * S, &right);
	watch_lie_on_end(&w, true, 400 * MS, 26 * S, &right);
	watch_lie_on_told(&w, "dev.alice", "came as another", 26 * S + 400 * MS, &right);
	CHECK(!right.failed);
	watch_lie_on_told(&w, "build.alice", "came as another", 26 * S, &other);
	CHECK_STR(other.invariant, "identity");
	watch_lie_on_told(&w, "dev.alice", "came as another", 26 * S + 401 * MS, &late);
	CHECK_STR(late.invariant, "identity");
	CHECK(watch_lie_on_begin(&w, "build.alice", 27 * S));
}

TEST(a_lie_that_arrived_and_was_not_told_is_noticed)
{
	struct watch_lie w;
	struct verdict unheard = {0}, heard = {0};

	watch_lie_init(&w, "n");
	CHECK(watch_lie_on_begin(&w, "dev.alice", 20 * S));
	watch_lie_on_end(&w, false, US_NEVER, 26 * S, &unheard);
	watch_lie_on_told(&w, "dev.alice", "came as another", 300 * S, &unheard);
	CHECK(!unheard.failed);
	watch_lie_init(&w, "n");
	CHECK(watch_lie_on_begin(&w, "dev.alice", 20 * S));
	watch_lie_on_end(&w, true, 400 * MS, 26 * S, &heard);
	CHECK_STR(heard.invariant, "identity");
}

TEST(a_lie_is_told_once_unless_somebody_was_restarted_amid_it)
{
	struct watch_lie w;
	struct verdict calm = {0}, restless = {0};

	watch_lie_init(&w, "n");
	CHECK(watch_lie_on_begin(&w, "dev.alice", 20 * S));
	watch_lie_on_told(&w, "dev.alice", "came as another", 21 * S, &restless);
	watch_lie_on_told(&w, "dev.alice", "came as another", 23 * S, &restless);
	watch_lie_on_end(&w, true, US_NEVER, 26 * S, &restless);
	CHECK(!restless.failed);
	watch_lie_on_end(&w, true, 400 * MS, 26 * S, &calm);
	CHECK_STR(calm.text, "n tells 2 times of one lie about dev.alice");
}
