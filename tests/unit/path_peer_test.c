/*
 * Two path_peers over a wire (path_wire.h). What is held to numbers is what a person would notice:
 * the longest time between two echoes of what is typed.
 */
#include "agent/path/path_peer.h"

#include <stdlib.h>
#include <string.h>

#include "agent/path/path_report.h"
#include "agent/path/path_why.h"
#include "common/clock.h"
#include "tests/unit/path_wire.h"
#include "tests/unit/test.h"

static const uint64_t rtts_us[] = {0, 20 * MS, 80 * MS, 150 * MS};
#define EACH_RTT(rtt_us)                                                                           \
	for (size_t rtt_i = 0; rtt_i < 4; rtt_i++)                                                 \
		for (uint64_t once = 1, rtt_us = rtts_us[rtt_i]; once; once = 0)

/* What the table of DESIGN allows for a silent death of a path, and what a key and a look of the
 * main thread add to it. */
static uint64_t silence_bound_us(uint64_t rtt_us)
{
	return 200 * MS + 4 * rtt_us + rtt_us + 50 * MS;
}

TEST(direct_takes_no_retry_timer_whatever_the_filtering)
{
	for (int filtering = OPEN_TO_ALL; filtering <= BY_ADDRESS_AND_PORT; filtering++)
		EACH_RTT(rtt_us)
		{
			struct wire *w = wire_new(rtt_us, (enum filtering)filtering);

			start_node(w, 0);
			run(w, 50 * MS);
			start_node(w, 1);
			run(w, 3 * US_PER_S);
			for (int i = 0; i < 2; i++) {
				uint64_t took_us = w->node[i].direct_us - w->node[1].started_us;

				CHECK(w->node[i].direct_us != 0);
				CHECK(took_us <= 2 * rtt_us + rtt_us / 2 + 5 * MS);
				CHECK(uses(w, i, WAY_DIRECT));
				CHECK_STR(why_code(w, i), "path-first");
			}
			free(w);
		}
}

TEST(a_peer_that_starts_later_than_all_bursts_is_reached_as_fast)
{
	struct wire *w = wire_new(80 * MS, BY_ADDRESS_AND_PORT);

	start_node(w, 0);
	run(w, 60 * (uint64_t)US_PER_S);
	start_node(w, 1);
	run(w, US_PER_S);
	CHECK(w->node[0].direct_us - w->node[1].started_us <= 205 * MS);
	CHECK(w->node[1].direct_us - w->node[1].started_us <= 205 * MS);
	free(w);
}

TEST(says_why_in_words_that_a_person_understands)
{
	struct wire *w = wire_new(20 * MS, BY_ADDRESS_AND_PORT);

	start_node(w, 0);
	start_node(w, 1);
	run(w, 5 * MS);
	CHECK_STR(path_peer_choice(&w->node[0].p)->why,
		  "relay 1: no direct address has answered yet");
	run(w, US_PER_S);
	const char *why = path_peer_choice(&w->node[0].p)->why;

	CHECK(strncmp(why, "direct 203.0.113.20:50123: first path that answered (20 ms", 58) == 0);
	free(w);
}

TEST(udp_blocked_goes_by_relay_at_once_and_stays_there)
{
	struct wire *w = wire_new(80 * MS, BY_ADDRESS_AND_PORT);
	struct path_actions none;

	w->cut[0] = w->cut[1] = true;
	path_actions_init(&none);
	path_peer_set_obstacle(&w->node[0].p, PATH_UDP_BLOCKED, w->now_us, &none);
	start_node(w, 0);
	CHECK(uses(w, 0, WAY_RELAY));
	CHECK_STR(why_code(w, 0), "udp-blocked");
	start_node(w, 1);
	w->types = true;
	w->next_key_us = w->now_us;
	run(w, 20 * (uint64_t)US_PER_S);
	CHECK(uses(w, 0, WAY_RELAY) && uses(w, 1, WAY_RELAY));
	CHECK(w->node[0].moves == 1);
	CHECK(longest_gap_us(w) <= 100 * MS);
	CHECK(nothing_lost(w));
	free(w);
}

TEST(says_that_udp_is_blocked_where_that_is_why_a_direct_way_failed)
{
	struct wire *w = wire_new(20 * MS, BY_ADDRESS_AND_PORT);
	struct path_actions none;

	start_node(w, 0);
	start_node(w, 1);
	run(w, US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT));
	w->types = true;
	w->next_key_us = w->now_us;
	w->cut[0] = w->cut[1] = true;
	path_actions_init(&none);
	path_peer_set_obstacle(&w->node[0].p, PATH_UDP_BLOCKED, w->now_us, &none);
	path_peer_on_own_endpoints(&w->node[0].p, w->now_us, &none);
	run(w, 3 * US_PER_S);
	CHECK(uses(w, 0, WAY_RELAY) && uses(w, 1, WAY_RELAY));
	CHECK_STR(why_code(w, 0), "udp-blocked");
	CHECK_STR(why_code(w, 1), "path-silent");
	free(w);
}

static void check_cut(uint64_t rtt_us, bool towards_0, bool towards_1)
{
	struct wire *w = wire_typing(rtt_us, BY_ADDRESS_AND_PORT);

	CHECK(uses(w, 0, WAY_DIRECT) && uses(w, 1, WAY_DIRECT));
	run(w, 123 * MS);
	w->cut[0] = towards_0;
	w->cut[1] = towards_1;
	run(w, 5 * US_PER_S);
	CHECK(longest_gap_us(w) <= silence_bound_us(rtt_us));
	CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_RELAY ||
	      path_peer_choice(&w->node[1].p)->first.kind == WAY_RELAY);

	/* UDP comes back: direct within 2 s, no stall. */
	w->longest_us = 0;
	w->node[0].direct_us = w->node[1].direct_us = 0;
	w->cut[0] = w->cut[1] = false;
	run(w, 2 * US_PER_S);
	CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_DIRECT);
	CHECK(path_peer_choice(&w->node[1].p)->first.kind == WAY_DIRECT);
	CHECK_STR(why_code(w, 0), "path-back");
	run(w, 3 * US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT) && uses(w, 1, WAY_DIRECT));
	CHECK(longest_gap_us(w) <= 60 * MS);
	CHECK(nothing_lost(w));
	free(w);
}

TEST(a_cut_both_ways_goes_on_by_relay_and_comes_back)
{
	EACH_RTT(rtt_us)
	check_cut(rtt_us, true, true);
}

TEST(a_cut_of_one_direction_is_no_slower)
{
	EACH_RTT(rtt_us)
	{
		check_cut(rtt_us, true, false);
		check_cut(rtt_us, false, true);
	}
}

/* What a ping reports is enough for the other side to see that it is not heard. */
TEST(a_cut_of_one_direction_needs_no_notice)
{
	EACH_RTT(rtt_us)
	{
		struct wire *w = wire_typing(rtt_us, BY_ADDRESS_AND_PORT);

		w->loses_notices = true;
		w->cut[0] = true; /* echoes are lost, keys arrive */
		run(w, 200 * MS + 4 * rtt_us);
		CHECK(path_peer_choice(&w->node[1].p)->copy.kind == WAY_RELAY);
		run(w, 2 * US_PER_S);
		CHECK(longest_gap_us(w) <= silence_bound_us(rtt_us));
		free(w);
	}
}

TEST(a_rebinding_nat_costs_a_dip_and_ends_direct)
{
	EACH_RTT(rtt_us)
	{
		for (int who = 0; who < 2; who++) {
			struct wire *w = wire_typing(rtt_us, BY_ADDRESS_AND_PORT);

			run(w, 77 * MS);
			w->node[who].wan.port++;
			w->node[who].opened_n = 0;
			run(w, 2 * US_PER_S + 4 * rtt_us);
			CHECK(longest_gap_us(w) <= 500 * MS + 4 * rtt_us);
			CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_DIRECT);
			CHECK(path_peer_choice(&w->node[1].p)->first.kind == WAY_DIRECT);
			run(w, 3 * US_PER_S);
			CHECK(uses(w, 0, WAY_DIRECT) && uses(w, 1, WAY_DIRECT));
			CHECK_STR(why_code(w, 1 - who), "nat-rebound");
			CHECK(nothing_lost(w));
			free(w);
		}
	}
}

TEST(a_relay_that_dies_while_direct_is_up_is_not_noticed)
{
	struct wire *w = wire_typing(80 * MS, BY_ADDRESS_AND_PORT);

	w->relay_dead[1] = true;
	run(w, US_PER_S);
	set_relays(w, 0);
	set_relays(w, 1);
	run(w, 5 * US_PER_S);
	CHECK(longest_gap_us(w) <= 25 * MS);
	CHECK(w->node[0].moves == 0 && uses(w, 0, WAY_DIRECT));
	free(w);
}

static void check_relay_death(uint64_t rtt_us, bool is_told)
{
	struct wire *w = wire_new(rtt_us, BY_ADDRESS_AND_PORT);

	w->cut[0] = w->cut[1] = true;
	start_node(w, 0);
	start_node(w, 1);
	w->types = true;
	w->next_key_us = w->now_us;
	run(w, 5 * US_PER_S);
	CHECK(uses(w, 0, WAY_RELAY) && path_peer_choice(&w->node[0].p)->first.region == 1);
	w->longest_us = 0;
	w->relay_dead[1] = true;
	if (is_told) {
		set_relays(w, 0);
		set_relays(w, 1);
		CHECK_STR(why_code(w, 0), "relay-lost");
	}
	run(w, 4 * US_PER_S);
	CHECK(longest_gap_us(w) <= (is_told ? rtt_us + 50 * MS : silence_bound_us(rtt_us)));
	CHECK(path_peer_choice(&w->node[0].p)->first.region == 2);
	CHECK(path_peer_choice(&w->node[1].p)->first.region == 2);
	CHECK(nothing_lost(w));
	free(w);
}

TEST(a_relay_that_dies_in_use_hands_over_to_the_other)
{
	EACH_RTT(rtt_us)
	{
		check_relay_death(rtt_us, true);
		check_relay_death(rtt_us, false);
	}
}

TEST(an_address_change_goes_on_by_relay_and_ends_direct)
{
	EACH_RTT(rtt_us)
	{
		struct wire *w = wire_typing(rtt_us, BY_ADDRESS_AND_PORT);

		w->node[0].wan = ep("198.51.100.7:41641");
		w->node[0].opened_n = 0;
		path_peer_on_network_change(&w->node[0].p, "address-changed", w->now_us,
					    &w->actions);
		carry_out(w, 0);
		run(w, US_PER_S + 4 * rtt_us);
		CHECK(longest_gap_us(w) <= silence_bound_us(rtt_us));
		CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_DIRECT);
		CHECK(path_peer_choice(&w->node[1].p)->first.kind == WAY_DIRECT);
		CHECK_STR(why_code(w, 1), "address-changed");
		run(w, 3 * US_PER_S);
		CHECK(uses(w, 0, WAY_DIRECT) && uses(w, 1, WAY_DIRECT));
		CHECK(nothing_lost(w));
		free(w);
	}
}

TEST(a_quiet_minute_of_typing_moves_nothing_and_probes_little)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);
	unsigned pings = w->node[0].pings;

	run(w, 60 * (uint64_t)US_PER_S);
	CHECK(w->node[0].moves == 0 && w->node[1].moves == 0);
	CHECK(longest_gap_us(w) <= 25 * MS);
	/* Four a second in use, one by the standby relay, the other one each 10 s, and the endpoint
	 * that never answers. */
	CHECK(w->node[0].pings - pings <= 60 * 6 + 20);
	free(w);
}

TEST(an_idle_peer_costs_one_ping_each_25_s)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	w->types = false;
	run(w, 15 * (uint64_t)US_PER_S);
	unsigned pings = w->node[0].pings;

	run(w, 250 * (uint64_t)US_PER_S);
	CHECK(w->node[0].pings - pings >= 10 && w->node[0].pings - pings <= 12);
	CHECK(uses(w, 0, WAY_DIRECT));

	/* And traffic after the pause feels nothing. */
	w->types = true;
	w->next_key_us = w->now_us;
	w->last_echo_us = w->now_us;
	w->longest_us = 0;
	run(w, US_PER_S);
	CHECK(longest_gap_us(w) <= 60 * MS);
	free(w);
}

TEST(a_path_cut_while_idle_is_found_out_by_the_first_keys)
{
	struct wire *w = wire_typing(80 * MS, BY_ADDRESS_AND_PORT);

	w->types = false;
	run(w, 30 * (uint64_t)US_PER_S);
	w->cut[0] = w->cut[1] = true;
	run(w, 5 * US_PER_S);
	w->types = true;
	w->next_key_us = w->now_us;
	w->last_echo_us = w->now_us;
	w->longest_us = 0;
	run(w, 3 * US_PER_S);
	CHECK(longest_gap_us(w) <= silence_bound_us(80 * MS));
	free(w);
}

TEST(a_lossy_direct_path_loses_to_a_clean_relay)
{
	struct wire *w = wire_typing(80 * MS, BY_ADDRESS_AND_PORT);

	w->loss_permille = 100;
	run(w, 12 * (uint64_t)US_PER_S);
	CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_RELAY);
	CHECK_STR(why_code(w, 0), "path-better");
	w->node[0].moves = 0;
	run(w, 60 * (uint64_t)US_PER_S);
	CHECK(w->node[0].moves == 0); /* no flapping */
	free(w);
}

TEST(a_little_loss_stays_direct)
{
	EACH_RTT(rtt_us)
	{
		struct wire *w = wire_typing(rtt_us, BY_ADDRESS_AND_PORT);

		w->loss_permille = 5;
		run(w, 60 * (uint64_t)US_PER_S);
		CHECK(w->node[0].moves == 0 && w->node[1].moves == 0);
		CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_DIRECT);
		free(w);
	}
}

static const struct score *score_in_use(const struct wire *w, int i)
{
	return &w->node[i].p.path[w->node[i].p.in_use].score;
}

TEST(a_cut_some_seconds_after_a_change_of_address_is_not_put_down_to_it)
{
	for (unsigned s = 1; s <= 6; s += 5) {
		struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

		path_why_note_cause(&w->node[0].p, "address-changed", w->now_us);
		run(w, s * US_PER_S);
		w->cut[0] = w->cut[1] = true;
		run(w, 2 * US_PER_S);
		CHECK(uses(w, 0, WAY_RELAY));
		CHECK_STR(why_code(w, 0), s == 1 ? "address-changed" : "path-silent");
		free(w);
	}
}

TEST(a_path_that_was_slow_is_direct_again_soon_after)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	path_why_note_cause(&w->node[0].p, "nat-rebound", w->now_us);
	w->slow_us = 20 * MS;
	run(w, 8 * (uint64_t)US_PER_S);
	CHECK(path_peer_choice(&w->node[0].p)->first.kind == WAY_RELAY);
	CHECK_STR(why_code(w, 0), "path-better"); /* whatever happened before */
	w->slow_us = 0;
	run(w, 7 * (uint64_t)US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT));
	free(w);
}

TEST(a_path_that_is_slow_again_and_again_is_left_alone_for_longer)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	for (int i = 0; i < 6; i++) {
		w->slow_us = 50 * MS;
		run(w, 10 * (uint64_t)US_PER_S);
		w->slow_us = 0;
		run(w, 12 * (uint64_t)US_PER_S);
	}
	CHECK(w->node[0].moves <= 7); /* 12 were it held as long each time */
	free(w);
}

/* Where one direction comes back first, the peer's report tells of it before any answer does. */
TEST(what_a_short_cut_took_is_no_loss)
{
	for (uint64_t last_us = 0; last_us <= 500 * MS; last_us += 20 * MS) {
		struct wire *w = wire_typing(80 * MS, BY_ADDRESS_AND_PORT);

		w->cut[0] = w->cut[1] = true;
		run(w, 600 * MS);
		w->cut[1] = false;
		run(w, last_us);
		w->cut[0] = false;
		run(w, 5 * US_PER_S);
		for (int i = 0; i < 2; i++)
			CHECK(uses(w, i, WAY_DIRECT) && score_loss(score_in_use(w, i)) < 0.01);
		free(w);
	}
}

/* Its probes are answered and its first handshake is under way: nothing says that the way loses. */
TEST(what_a_peer_without_keys_could_not_open_is_no_loss)
{
	struct path_peer p = {.in_use = 0};
	struct path_pong pong = {.matched = true};

	p.path[0].live.state = PATH_UP;
	for (uint32_t i = 1; i <= 60; i++) {
		uint64_t now_us = start_us + i * 250 * MS;
		struct probe probe = {.sent_us = now_us, .data_sent = 2 * i, .is_counted = true};
		uint32_t heard = i <= 20 ? 0 : 2 * (i - 20);

		path_report_count_packets(&p, 0, &probe, heard, now_us, &pong);
	}
	CHECK(p.path[0].score.packets > 0 && p.path[0].score.packet_loss_ppm == 0);
}

/* Lanes send while main looks elsewhere: a ping between two looks knows an old count. */
TEST(a_ping_between_two_looks_at_the_lanes_finds_no_loss)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	w->node[0].p.path[w->node[0].p.in_use].deficit.since_us = 0;
	run(w, 900 * MS);
	for (int i = 0; i < 8; i++)
		send_data(w, 0, CARGO_KEY, ++w->keys);
	path_peer_ping(&w->node[0].p, w->now_us, &w->actions);
	carry_out(w, 0);
	run(w, 5 * US_PER_S);
	CHECK(score_in_use(w, 0)->packets > 0 && score_in_use(w, 0)->packet_loss_ppm == 0);
	free(w);
}

/* Both ends cut and let through again and again: the hold-down sets in. */
TEST(a_flapping_path_is_held_down)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	for (int i = 0; i < 10; i++) {
		w->cut[0] = w->cut[1] = true;
		run(w, 3 * US_PER_S);
		w->cut[0] = w->cut[1] = false;
		run(w, 3 * US_PER_S);
	}
	CHECK(w->node[0].moves <= 12); /* 20 without it */
	CHECK(longest_gap_us(w) <= silence_bound_us(20 * MS));
	run(w, 10 * (uint64_t)US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT));
	free(w);
}

TEST(a_peer_that_restarts_is_not_blamed_on_the_path)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	w->types = false;
	path_peer_on_notice(&w->node[0].p, PATH_RESTARTING, WAY_NONE, 1u << 30, w->now_us,
			    &w->actions);
	carry_out(w, 0);
	CHECK(w->node[0].hold_until_us == w->now_us + US_PER_S);
	w->node[1].started = false;
	run(w, 400 * MS);
	CHECK(uses(w, 0, WAY_DIRECT) && w->node[0].moves == 0);
	w->node[1].started = true;
	w->node[1].serial = (1u << 30) + 1;
	run(w, US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT) && w->node[0].moves == 0);
	free(w);
}

TEST(a_peer_that_is_back_after_its_restart_is_missed_as_soon_as_any)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	path_peer_on_notice(&w->node[0].p, PATH_RESTARTING, WAY_NONE, 1u << 30, w->now_us,
			    &w->actions);
	carry_out(w, 0);
	w->node[1].serial = (1u << 30) + 1; /* its new process, at once */
	path_peer_ping(&w->node[1].p, w->now_us, &w->actions);
	carry_out(w, 1);
	run(w, 200 * MS);
	w->cut[0] = w->cut[1] = true;
	run(w, 2 * US_PER_S);
	CHECK(longest_gap_us(w) <= silence_bound_us(20 * MS));
	free(w);
}

TEST(what_was_lost_while_a_peer_restarted_is_no_loss)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	path_peer_on_notice(&w->node[0].p, PATH_RESTARTING, WAY_NONE, 1u << 30, w->now_us,
			    &w->actions);
	carry_out(w, 0);
	w->cut[0] = w->cut[1] = true;
	run(w, 700 * MS);
	w->cut[0] = w->cut[1] = false;
	run(w, 3 * US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT) && score_in_use(w, 0)->fate == 0);
	free(w);
}

TEST(the_counts_of_a_peer_that_began_anew_are_no_loss)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	run(w, 5 * (uint64_t)US_PER_S);
	memset(&w->node[1].traffic, 0, sizeof(w->node[1].traffic));
	run(w, 10 * (uint64_t)US_PER_S);
	CHECK(w->node[0].p.path[w->node[0].p.in_use].score.packet_loss_ppm < 5000);
	CHECK(uses(w, 0, WAY_DIRECT));
	free(w);
}

TEST(a_peer_that_left_is_left_alone)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	path_peer_on_notice(&w->node[0].p, PATH_LEAVING, WAY_NONE, 1u << 30, w->now_us,
			    &w->actions);
	carry_out(w, 0);
	w->types = false;
	w->node[1].started = false;
	run(w, 3 * US_PER_S);
	unsigned pings = w->node[0].pings;

	run(w, 60 * (uint64_t)US_PER_S);
	CHECK_INT(w->node[0].pings, pings);
	free(w);
}

static struct wire *wire_typing_to_nobody(void)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	path_peer_on_notice(&w->node[0].p, PATH_LEAVING, WAY_NONE, 1u << 30, w->now_us,
			    &w->actions);
	carry_out(w, 0);
	w->node[1].started = false;
	run(w, 1700 * MS); /* its ways are down by now */
	return w;
}

TEST(a_peer_that_left_is_looked_for_once_the_map_says_it_is_there)
{
	struct wire *w = wire_typing_to_nobody();
	unsigned pings = w->node[0].pings;

	run(w, 200 * MS);
	CHECK_INT(w->node[0].pings, pings);
	path_peer_on_online(&w->node[0].p, w->now_us, &w->actions);
	carry_out(w, 0);
	run(w, 50 * MS);
	CHECK(w->node[0].pings > pings);
	free(w);
}

TEST(who_goes_on_typing_to_a_peer_that_left_looks_for_it_after_two_seconds)
{
	struct wire *w = wire_typing_to_nobody();
	unsigned pings = w->node[0].pings;

	run(w, 250 * MS);
	CHECK_INT(w->node[0].pings, pings);
	run(w, 600 * MS);
	CHECK(w->node[0].pings > pings);
	free(w);
}

TEST(who_begins_to_type_looks_for_a_peer_that_left)
{
	struct wire *w = wire_typing_to_nobody();

	w->types = false;
	run(w, 20 * (uint64_t)US_PER_S);
	unsigned pings = w->node[0].pings;

	path_peer_on_online(&w->node[0].p, w->now_us, &w->actions);
	carry_out(w, 0);
	path_peer_on_notice(&w->node[0].p, PATH_LEAVING, WAY_NONE, (1u << 30) + 1, w->now_us,
			    &w->actions);
	run(w, US_PER_S);
	CHECK_INT(w->node[0].pings, pings); /* nobody sends: it costs nothing */
	w->types = true;
	run(w, US_PER_S);
	CHECK(w->node[0].pings > pings);
	free(w);
}

TEST(a_late_timer_of_ours_is_no_silence_of_the_path)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);

	/* The whole process stands still for 3 s; what came in meanwhile is read after it. */
	w->types = false;
	run(w, 30 * MS);
	w->now_us += 3 * US_PER_S;
	for (int i = 0; i < 2; i++) {
		path_peer_on_deadline(&w->node[i].p, &w->node[i].traffic, w->now_us, &w->actions);
		carry_out(w, i);
	}
	run(w, US_PER_S);
	CHECK(uses(w, 0, WAY_DIRECT) && w->node[0].moves == 0);
	CHECK(uses(w, 1, WAY_DIRECT) && w->node[1].moves == 0);
	free(w);
}

TEST(a_stall_in_the_middle_of_a_question_does_not_answer_it)
{
	struct wire *w = wire_typing(20 * MS, BY_ADDRESS_AND_PORT);
	struct node *n = &w->node[0];
	const struct liveness *live = &n->p.path[n->p.in_use].live;

	w->cut[0] = w->cut[1] = true;
	while (live->asked < 2)
		run(w, MS);
	w->now_us += 3 * US_PER_S;
	path_peer_on_deadline(&n->p, &n->traffic, w->now_us, &w->actions);
	carry_out(w, 0);
	CHECK(live->state == PATH_UP && live->asked >= 2);
	run(w, 100 * MS);
	CHECK(live->state == PATH_SUSPECT);
	free(w);
}
