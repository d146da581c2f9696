/*
 * One path_peer alone: what it sends upon what is said to it, also by strangers and liars.
 */
#include "agent/path/path_send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/path/path_peer.h"
#include "common/clock.h"
#include "tests/unit/test.h"

enum { MS = US_PER_MS };
static const uint64_t start_us = US_PER_S;

static struct endpoint ep(const char *text)
{
	struct endpoint out;

	CHECK(endpoint_parse(text, &out) == 0);
	return out;
}

struct lone {
	struct candidate_rules rules;
	struct path_peer p;
	struct path_actions out;
};

static struct lone *lone_new(void)
{
	struct lone *l = calloc(1, sizeof(*l));
	const uint8_t seed[PATH_SEED_LEN] = {9};
	const struct path_relay relay = {.region = 1, .up = true};

	CHECK(l != NULL);
	path_peer_init(&l->p, &l->rules, seed, start_us);
	path_peer_set_relays(&l->p, &relay, 1, start_us, &l->out);
	l->out.n = 0;
	return l;
}

static unsigned count(const struct path_actions *out, enum path_action_kind kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < out->n; i++)
		n += out->list[i].kind == kind;
	return n;
}

static unsigned count_direct_pings(const struct path_actions *out)
{
	unsigned n = 0;

	for (size_t i = 0; i < out->n; i++)
		n += out->list[i].kind == PATH_SEND_PING && out->list[i].way.kind == WAY_DIRECT;
	return n;
}

static bool find_ping(const struct path_actions *out, uint8_t txid[static PROBE_TXID_LEN])
{
	for (size_t i = 0; i < out->n; i++) {
		if (out->list[i].kind != PATH_SEND_PING)
			continue;
		memcpy(txid, out->list[i].txid, PROBE_TXID_LEN);
		return true;
	}
	return false;
}

/* Calls sent while time passes, by every deadline on the way. */
static unsigned calls_until(struct lone *l, uint64_t from_us, uint64_t until_us)
{
	const struct path_traffic none = {0};
	unsigned calls = 0;

	for (uint64_t now_us = from_us; now_us < until_us; now_us += 10 * MS) {
		l->out.n = 0;
		if (path_peer_deadline_us(&l->p) <= now_us)
			path_peer_on_deadline(&l->p, &none, now_us, &l->out);
		calls += count(&l->out, PATH_SEND_CALL_ME_MAYBE);
	}
	return calls;
}

TEST(a_call_that_nobody_here_wanted_is_answered_once)
{
	struct lone *l = lone_new();
	const struct endpoint addr = ep("198.51.100.7:9");
	uint64_t now_us = start_us + 60 * US_PER_S;

	path_peer_on_own_endpoints(&l->p, now_us, &l->out);
	l->out.n = 0;
	path_peer_on_call_me_maybe(&l->p, &addr, 1, now_us, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_CALL_ME_MAYBE), 1);
	CHECK_INT(calls_until(l, now_us, now_us + 4 * US_PER_S), 0);
	l->out.n = 0;
	now_us += 4 * US_PER_S;
	path_peer_on_call_me_maybe(&l->p, &addr, 1, now_us, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_CALL_ME_MAYBE), 0);
	CHECK_INT(calls_until(l, now_us, now_us + 60 * US_PER_S), 0);
	now_us += 60 * US_PER_S;
	l->out.n = 0;
	path_peer_on_call_me_maybe(&l->p, &addr, 1, now_us, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_CALL_ME_MAYBE), 1);
	free(l);
}

TEST(a_flood_of_call_me_maybe_makes_32_pings_at_once_and_64_a_second)
{
	struct lone *l = lone_new();
	unsigned pings = 0;

	for (unsigned round = 0; round < 100; round++) {
		struct endpoint addrs[CANDIDATES_MAX];

		for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
			char text[ENDPOINT_TEXT_LEN];

			snprintf(text, sizeof(text), "198.51.%u.%u:9", round, i + 1);
			addrs[i] = ep(text);
		}
		l->out.n = 0;
		path_peer_on_call_me_maybe(&l->p, addrs, CANDIDATES_MAX, start_us + round * 9 * MS,
					   &l->out);
		pings += count_direct_pings(&l->out);
		if (round == 0)
			CHECK_INT(pings, 32);
	}
	CHECK(pings <= 64);
	CHECK(l->p.drops[PATH_DROP_BUDGET] > 0);
	free(l);
}

TEST(a_call_that_comes_by_two_relays_asks_each_address_once)
{
	struct lone *l = lone_new();
	const struct endpoint addr = ep("198.51.100.7:9");

	path_peer_on_call_me_maybe(&l->p, &addr, 1, start_us, &l->out);
	CHECK_INT(count_direct_pings(&l->out), 1);
	l->out.n = 0;
	path_peer_on_call_me_maybe(&l->p, &addr, 1, start_us + 4 * MS, &l->out);
	CHECK_INT(count_direct_pings(&l->out), 0);
	path_peer_on_call_me_maybe(&l->p, &addr, 1, start_us + 60 * MS, &l->out);
	CHECK_INT(count_direct_pings(&l->out), 1);
	free(l);
}

/* Pings to an address that is named for the first time. */
static unsigned pings_to_news(struct lone *l, const char *text, uint64_t now_us)
{
	const struct endpoint addr = ep(text);

	l->out.n = 0;
	path_peer_on_call_me_maybe(&l->p, &addr, 1, now_us, &l->out);
	return count_direct_pings(&l->out);
}

/* A minute of calls that each name another address, while UDP is blocked. */
static unsigned pings_of_a_blocked_minute(struct lone *l)
{
	unsigned asked = 0;

	path_peer_set_obstacle(&l->p, PATH_UDP_BLOCKED, start_us, &l->out);
	for (unsigned i = 0; i < 1000; i++) {
		char text[ENDPOINT_TEXT_LEN];

		snprintf(text, sizeof(text), "198.51.%u.%u:9", i / 200, i % 200 + 1);
		asked += pings_to_news(l, text, start_us + i * 60 * MS);
	}
	return asked;
}

TEST(what_calls_spend_while_udp_is_blocked_is_not_what_the_end_of_it_needs)
{
	struct lone *l = lone_new();
	uint64_t now_us = start_us + 60 * US_PER_S;
	unsigned asked = pings_of_a_blocked_minute(l);

	CHECK(asked > 300 && asked < 500);
	CHECK_INT(pings_to_news(l, "198.51.100.7:9", now_us), 0);
	path_peer_set_obstacle(&l->p, PATH_NO_OBSTACLE, now_us, &l->out);
	CHECK_INT(pings_to_news(l, "198.51.100.8:9", now_us), 1);
	free(l);
}

TEST(a_neighbour_that_is_heard_is_asked_also_while_udp_is_blocked)
{
	struct lone *l = lone_new();
	const uint8_t txid[PROBE_TXID_LEN] = {7};
	const struct way neighbour = way_direct(ep("192.168.1.20:41641"));

	pings_of_a_blocked_minute(l);
	l->out.n = 0;
	path_peer_on_ping(&l->p, &neighbour, txid, NULL, start_us + 60 * US_PER_S, &l->out);
	CHECK_INT(count_direct_pings(&l->out), 1);
	free(l);
}

TEST(the_peer_is_asked_as_soon_as_udp_gets_out_again)
{
	struct lone *l = lone_new();
	const struct endpoint addr = ep("198.51.100.7:9");
	uint64_t now_us = start_us;

	path_peer_set_obstacle(&l->p, PATH_UDP_BLOCKED, now_us, &l->out);
	path_peer_on_own_endpoints(&l->p, now_us, &l->out);
	path_peer_on_call_me_maybe(&l->p, &addr, 1, now_us, &l->out);
	for (unsigned i = 0; i < 121; i++, now_us += US_PER_S) {
		path_peer_want(&l->p, now_us, &l->out);
		calls_until(l, now_us, now_us + US_PER_S);
	}
	l->out.n = 0;
	path_peer_set_obstacle(&l->p, PATH_NO_OBSTACLE, now_us, &l->out);
	CHECK_INT(count_direct_pings(&l->out), 1);
	CHECK_INT(count(&l->out, PATH_SEND_CALL_ME_MAYBE), 1);
	free(l);
}

TEST(a_ping_of_the_user_that_is_not_answered_is_asked_again)
{
	struct lone *l = lone_new();
	const uint8_t pong_txid[PROBE_TXID_LEN] = {1};
	uint8_t txid[PROBE_TXID_LEN];
	struct way relay = way_relay(1);

	path_peer_on_ping(&l->p, &relay, pong_txid, NULL, start_us, &l->out);
	CHECK(find_ping(&l->out, txid));
	path_peer_on_pong(&l->p, &relay, txid, NULL, start_us + 20 * MS, &l->out);
	l->out.n = 0;
	CHECK_INT(path_peer_ping(&l->p, start_us + US_PER_S, &l->out), 0);
	CHECK(path_peer_deadline_us(&l->p) <= start_us + US_PER_S + 110 * MS);
	l->out.n = 0; /* and a probe that went just now does not stand for it */
	CHECK_INT(path_peer_ping(&l->p, start_us + US_PER_S, &l->out), 0);
	CHECK(l->out.n > 0 && l->out.list[0].kind == PATH_SEND_PING);
	free(l);
}

TEST(an_obstacle_of_the_old_network_is_none_of_the_new)
{
	struct lone *l = lone_new();

	path_peer_set_obstacle(&l->p, PATH_UDP_BLOCKED, start_us, &l->out);
	path_peer_on_network_change(&l->p, "address-changed", start_us + US_PER_S, &l->out);
	CHECK_INT(l->p.obstacle, PATH_NO_OBSTACLE);
	path_peer_set_obstacle(&l->p, PATH_RELAY_ONLY, start_us + US_PER_S, &l->out);
	path_peer_on_network_change(&l->p, "address-changed", start_us + 2 * US_PER_S, &l->out);
	CHECK_INT(l->p.obstacle, PATH_RELAY_ONLY); /* that was said by the user */
	free(l);
}

/* What the pong to ping number `number` of the peer says it has heard. */
static uint32_t heard_after(struct lone *l, uint64_t serial, uint32_t number)
{
	const uint8_t txid[PROBE_TXID_LEN] = {(uint8_t)serial};
	const struct path_report report = {.serial = serial, .number = number};
	struct way from = way_relay(1);

	l->out.n = 0;
	path_peer_on_ping(&l->p, &from, txid, &report, start_us + serial * MS, &l->out);
	for (size_t i = 0; i < l->out.n; i++)
		if (l->out.list[i].kind == PATH_SEND_PONG)
			return l->out.list[i].report.heard;
	return 0;
}

TEST(a_peer_that_began_anew_is_told_of_its_own_pings)
{
	struct lone *l = lone_new();

	CHECK_INT(heard_after(l, 1, 40), 40);
	CHECK_INT(heard_after(l, 2, 41), 41);
	CHECK_INT(heard_after(l, 3, 1), 1);
	CHECK_INT(heard_after(l, 4, 3), 3); /* one was lost */
	free(l);
}

TEST(a_ping_is_answered_once_and_never_to_a_forbidden_address)
{
	struct lone *l = lone_new();
	const uint8_t txid[PROBE_TXID_LEN] = {1}, txid2[PROBE_TXID_LEN] = {2};
	struct way from = way_direct(ep("198.51.100.1:7")),
		   other = way_direct(ep("198.51.100.2:7"));
	struct way loopback = way_direct(ep("127.0.0.1:7"));

	path_peer_on_ping(&l->p, &from, txid, NULL, start_us, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_PONG), 1);
	CHECK_INT(count(&l->out, PATH_SEND_PING), 1);
	l->out.n = 0;
	path_peer_on_ping(&l->p, &other, txid, NULL, start_us + 9 * US_PER_S, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_PONG), 0);
	CHECK_INT(l->p.drops[PATH_DROP_PING_REPEATED], 1);
	path_peer_on_ping(&l->p, &loopback, txid2, NULL, start_us + 9 * US_PER_S, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_PONG), 0);
	free(l);
}

TEST(only_an_answer_to_our_own_probe_by_the_same_kind_of_way_moves_us)
{
	struct lone *l = lone_new();
	const uint8_t txid[PROBE_TXID_LEN] = {1};
	struct way from = way_direct(ep("198.51.100.1:7")), relay = way_relay(1);
	uint8_t ours[PROBE_TXID_LEN] = {0};

	path_peer_on_ping(&l->p, &from, txid, NULL, start_us, &l->out);
	for (size_t i = 0; i < l->out.n; i++)
		if (l->out.list[i].kind == PATH_SEND_PING)
			memcpy(ours, l->out.list[i].txid, PROBE_TXID_LEN);
	CHECK(path_peer_choice(&l->p)->first.kind == WAY_RELAY);
	/* An id that was never ours. */
	CHECK(!path_peer_on_pong(&l->p, &from, txid, NULL, start_us + 1, &l->out).matched);
	/* Ours, but the peer answers for an address from elsewhere. */
	CHECK(!path_peer_on_pong(&l->p, &relay, ours, NULL, start_us + 2, &l->out).matched);
	CHECK_INT(l->p.drops[PATH_DROP_PONG_OTHER_WAY], 1);
	CHECK(path_peer_choice(&l->p)->first.kind == WAY_RELAY);
	free(l);
}

TEST(a_report_proves_no_way_that_never_answered)
{
	struct lone *l = lone_new();
	const uint8_t first[PROBE_TXID_LEN] = {1}, second[PROBE_TXID_LEN] = {2};
	/* A true message of the peer, which somebody on the way gave another sender. */
	struct way from = way_direct(ep("198.51.100.1:7"));
	const struct path_report said = {.serial = 1, .number = 1},
				 hears = {.serial = 2, .number = 2, .heard = 1};

	path_peer_on_ping(&l->p, &from, first, &said, start_us, &l->out);
	CHECK_INT(count(&l->out, PATH_SEND_PING), 1); /* number 1 of that way */
	path_peer_on_ping(&l->p, &from, second, &hears, start_us + 50 * MS, &l->out);
	CHECK(path_peer_choice(&l->p)->first.kind == WAY_RELAY);
	free(l);
}

TEST(reports_and_notices_with_old_serials_are_dropped_and_counted)
{
	struct lone *l = lone_new();
	const uint8_t txid[PROBE_TXID_LEN] = {1}, txid2[PROBE_TXID_LEN] = {2};
	struct way relay = way_relay(1);
	struct path_report report = {.serial = 50, .number = 1};

	path_peer_on_ping(&l->p, &relay, txid, &report, start_us, &l->out);
	path_peer_on_ping(&l->p, &relay, txid2, &report, start_us + 1, &l->out);
	CHECK_INT(l->p.drops[PATH_DROP_STALE_REPORT], 1);
	path_peer_on_notice(&l->p, PATH_LEAVING, WAY_NONE, 50, start_us + 2, &l->out);
	CHECK_INT(l->p.drops[PATH_DROP_STALE_NOTICE], 1);
	CHECK(!l->p.has_left);
	path_peer_on_notice(&l->p, PATH_LEAVING, WAY_NONE, 51, start_us + 3, &l->out);
	CHECK(l->p.has_left);
	free(l);
}

TEST(handshakes_go_by_every_relay_and_last_endpoint_until_a_way_is_proved)
{
	struct lone *l = lone_new();
	const struct path_named last = {ep("198.51.100.1:7"), CANDIDATE_LAST};
	struct way ways[8];

	path_peer_set_candidates(&l->p, &last, 1, start_us, &l->out);
	CHECK_INT(path_peer_handshake_ways(&l->p, ways, 8), 2);
	CHECK(ways[0].kind == WAY_RELAY && ways[1].kind == WAY_DIRECT);
	free(l);
}

TEST(an_answer_that_a_relay_held_while_we_slept_tells_no_round_trip)
{
	struct lone *l = lone_new();
	const uint8_t txid[PROBE_TXID_LEN] = {1};
	uint8_t ours[PROBE_TXID_LEN] = {0}, awake[PROBE_TXID_LEN] = {0};
	struct way relay = way_relay(1);
	uint64_t woke_us = start_us + 5 * US_PER_S;

	path_peer_on_ping(&l->p, &relay, txid, NULL, start_us, &l->out);
	CHECK(find_ping(&l->out, ours));
	path_peer_on_network_change(&l->p, "asleep", woke_us, &l->out);
	l->out.n = 0;
	struct path_pong held = path_peer_on_pong(&l->p, &relay, ours, NULL, woke_us + 1, &l->out);
	CHECK(held.matched && held.rtt_us == 0);
	CHECK(path_peer_choice(&l->p)->first.kind == WAY_RELAY);

	l->out.n = 0;
	CHECK_INT(path_peer_ping(&l->p, woke_us + 50 * MS, &l->out), 0);
	CHECK(find_ping(&l->out, awake));
	struct path_pong now =
		path_peer_on_pong(&l->p, &relay, awake, NULL, woke_us + 90 * MS, &l->out);
	CHECK(now.matched && now.rtt_us == 40 * MS);
	CHECK_INT(l->p.path[l->p.in_use].score.srtt_us, 40 * MS);
	free(l);
}
