#include "agent/session/relay_session.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/net/http.h"
#include "tests/unit/test.h"

enum { S = US_PER_S, MS = US_PER_MS };

static const uint64_t t0 = 1000 * (uint64_t)S;
static const uint32_t half = UINT32_C(1) << 31;
static const uint8_t nonce[DERP_NONCE_LEN] = {5};

/* A session, the keys of both ends, and what the session wrote last. */
struct test {
	struct relay_session s;
	struct secret_key client, server;
	struct public_key client_key, server_key;
	uint8_t bytes[RELAY_SESSION_OUT_MAX * 2];
	struct writer out;
	struct relay_event event;
};

static struct test make(void)
{
	const uint8_t random_a[KEY_LEN] = {8}, random_b[KEY_LEN] = {16};
	struct test t = {0};

	secret_key_from_random(&t.client, random_a);
	secret_key_from_random(&t.server, random_b);
	secret_key_public(&t.client, &t.client_key);
	secret_key_public(&t.server, &t.server_key);
	return t;
}

static struct writer *fresh(struct test *t)
{
	t->out = writer_init(t->bytes, sizeof(t->bytes));
	return &t->out;
}

static enum relay_session_do due(struct test *t, uint64_t acked_us, uint64_t now_us)
{
	return relay_session_on_deadline(&t->s, acked_us, now_us, fresh(t));
}

/* The type of the n-th frame written, 0 = none. */
static uint8_t written(const struct test *t, size_t n, struct derp_raw_frame *raw)
{
	uint8_t copy[sizeof(t->bytes)];
	struct derp_reader r;

	derp_reader_init(&r, copy, sizeof(copy));
	memcpy(copy, t->bytes, t->out.len);
	derp_reader_fill(&r, t->out.len);
	for (size_t i = 0;; i++) {
		if (derp_reader_next(&r, raw) != 0)
			return 0;
		raw->payload = t->bytes + (raw->payload - copy);
		if (i == n)
			return raw->type;
	}
}

static int hear(struct test *t, const struct derp_frame *frame, uint64_t now_us)
{
	uint8_t bytes[512];
	struct writer w = writer_init(bytes, sizeof(bytes));

	CHECK(derp_frame_encode(frame, &w) == 0);
	const struct derp_raw_frame raw = {bytes[0], bytes + DERP_HEADER_LEN,
					   w.len - DERP_HEADER_LEN};
	return relay_session_on_frame(&t->s, &raw, &t->client, nonce, now_us, fresh(t), &t->event);
}

static int hear_server_info(struct test *t, uint64_t rate, uint64_t burst, uint64_t now_us)
{
	const struct derp_server_info info = {
		.version = 2, .rate_bytes_per_s = rate, .burst_bytes = burst};
	uint8_t bytes[512];
	struct writer w = writer_init(bytes, sizeof(bytes));

	CHECK(derp_server_info_seal(&info, &t->server, &t->client_key, nonce, &w) == 0);
	const struct derp_raw_frame raw = {bytes[0], bytes + DERP_HEADER_LEN,
					   w.len - DERP_HEADER_LEN};
	return relay_session_on_frame(&t->s, &raw, &t->client, nonce, now_us, fresh(t), &t->event);
}

static struct test connected(const struct public_key *derp_key, uint64_t now_us)
{
	struct test t = make();

	relay_session_hold(&t.s, true, true, now_us, fresh(&t));
	CHECK(due(&t, 0, now_us) == RELAY_DO_DIAL);
	CHECK(relay_session_on_connected(&t.s, "relay.test", NULL, derp_key, &t.client, nonce,
					 now_us, fresh(&t)) == 0);
	return t;
}

static void hear_pong(struct test *t, uint64_t now_us)
{
	struct derp_frame pong = {.type = DERP_PONG};

	pong.ping[7] = (uint8_t)t->s.asks;
	CHECK(hear(t, &pong, now_us) == 0);
}

/* Up since now_us, the first Ping answered after 20 ms. */
static struct test up(uint64_t now_us)
{
	struct test t = make();

	t = connected(&t.server_key, now_us);
	CHECK(hear_server_info(&t, 0, 0, now_us) == 0 && t.event.kind == RELAY_EVENT_UP);
	hear_pong(&t, now_us + 20 * MS);
	CHECK(t.event.kind == RELAY_EVENT_MEASURED && t.s.rtt_us == 20 * MS);
	return t;
}

/* ---- login ---- */

TEST(logs_in_by_upgrade_key_and_box)
{
	struct test t = connected(NULL, t0);
	struct derp_client_info info;
	struct derp_raw_frame raw;
	struct public_key who;
	struct http_head head;
	size_t used;

	CHECK(http_parse_request((char *)t.bytes, t.out.len, &head, &used) == 0);
	CHECK(used == t.out.len && http_text_is(head.path, "/derp"));
	CHECK(http_has_token(&head, "Upgrade", "derp") && !http_find(&head, "Ideal-Node").at);
	CHECK(http_parse_response("HTTP/1.1 101 x\r\nUpgrade: DERP\r\n\r\n", 33, &head, &used) ==
	      0);
	CHECK(relay_session_on_answer(&t.s, &head, t0) == 0 && t.s.state == RELAY_AWAITS_KEY);

	CHECK(hear(&t, &(struct derp_frame){.type = DERP_SERVER_KEY, .server_key = t.server_key},
		   t0) == 0);
	CHECK(written(&t, 0, &raw) == DERP_CLIENT_INFO);
	CHECK(derp_client_info_open(raw.payload, raw.len, &t.server, &who, &info) == 0);
	CHECK(public_key_equal(&who, &t.client_key) && info.version == 2 && info.can_ack_pings);

	CHECK(hear_server_info(&t, 0, 0, t0) == 0 && t.s.state == RELAY_UP);
	CHECK(written(&t, 0, &raw) == DERP_NOTE_PREFERRED && raw.payload[0] == 1);
	CHECK(written(&t, 1, &raw) == DERP_PING);
}

TEST(fast_start_logs_in_with_the_request_and_ignores_the_late_key)
{
	struct test t = make();
	struct http_head head;
	size_t used;

	t = connected(&t.server_key, t0);
	CHECK(t.s.state == RELAY_AWAITS_INFO);
	CHECK(http_parse_request((char *)t.bytes, t.out.len, &head, &used) == 0);
	CHECK(http_text_is(http_find(&head, "Derp-Fast-Start"), "1"));
	CHECK(t.bytes[used] == DERP_CLIENT_INFO);
	CHECK(hear(&t, &(struct derp_frame){.type = DERP_SERVER_KEY, .server_key = t.client_key},
		   t0) == 0);
	CHECK(t.out.len == 0);
	CHECK(hear_server_info(&t, 0, 0, t0) == 0 && t.event.kind == RELAY_EVENT_UP);
}

TEST(refuses_a_relay_that_cannot_prove_its_key_or_does_not_upgrade)
{
	struct test t = make();
	struct http_head head;
	size_t used;

	t = connected(&t.client_key, t0);
	CHECK(hear_server_info(&t, 0, 0, t0) == -EPROTO);
	CHECK_STR(t.s.reason, "the relay cannot prove its key");

	t = connected(NULL, t0);
	CHECK(http_parse_response("HTTP/1.1 426 x\r\n\r\n", 18, &head, &used) == 0);
	CHECK(relay_session_on_answer(&t.s, &head, t0) == -EPROTO);
	CHECK_STR(t.s.reason, "the relay answered 426 to the upgrade");
}

TEST(gives_the_login_ten_seconds)
{
	struct test t = connected(NULL, t0);

	CHECK(due(&t, 0, t0 + 9 * S) == RELAY_DO_NOTHING);
	CHECK(due(&t, 0, t0 + 10 * S) == RELAY_DO_CLOSE);
}

/* ---- liveness ---- */

TEST(asks_each_25_s_where_held_and_each_10_s_in_use)
{
	struct test t = up(t0);
	struct derp_raw_frame raw;

	CHECK(t.s.deadline_us == t0 + 25 * S);
	CHECK(due(&t, 0, t0 + 25 * S) == RELAY_DO_NOTHING);
	CHECK(written(&t, 0, &raw) == DERP_PING);
	hear_pong(&t, t0 + 25 * S + 100 * MS);
	CHECK(t.s.rtt_us == 30 * MS);

	relay_session_on_use(&t.s, t0 + 26 * S);
	CHECK(hear(&t, &(struct derp_frame){.type = DERP_KEEP_ALIVE}, t0 + 26 * S) == 0);
	CHECK(t.s.deadline_us == t0 + 35 * S);
}

TEST(silence_after_a_packet_is_a_question_and_no_answer_to_it_is_death)
{
	struct test t = up(t0);
	struct derp_raw_frame raw;

	relay_session_on_use(&t.s, t0 + 5 * S);
	relay_session_on_use(&t.s, t0 + 5 * S + 100 * MS);
	CHECK(t.s.deadline_us == t0 + 5 * S + 250 * MS);
	CHECK(due(&t, 0, t0 + 5 * S + 250 * MS) == RELAY_DO_NOTHING);
	CHECK(written(&t, 0, &raw) == DERP_PING);
	CHECK(t.s.deadline_us == t0 + 6 * S + 250 * MS);
	CHECK(due(&t, t0 + 5 * S, t0 + 6 * S + 250 * MS) == RELAY_DO_CLOSE);
	CHECK_STR(t.s.reason, "the relay does not answer");
}

TEST(a_full_link_that_still_acknowledges_gets_five_seconds)
{
	struct test t = up(t0);

	relay_session_on_use(&t.s, t0 + 5 * S);
	CHECK(due(&t, 0, t0 + 5 * S + 250 * MS) == RELAY_DO_NOTHING);
	CHECK(due(&t, t0 + 6 * S, t0 + 6 * S + 250 * MS) == RELAY_DO_NOTHING);
	CHECK(t.s.deadline_us == t0 + 7 * S);
	CHECK(due(&t, t0 + 10 * S, t0 + 10 * S + 249 * MS) == RELAY_DO_NOTHING);
	CHECK(due(&t, t0 + 10 * S, t0 + 10 * S + 250 * MS) == RELAY_DO_CLOSE);
}

TEST(any_frame_answers_the_question)
{
	struct test t = up(t0);

	relay_session_on_use(&t.s, t0 + 5 * S);
	CHECK(hear(&t, &(struct derp_frame){.type = DERP_KEEP_ALIVE}, t0 + 5 * S + MS) == 0);
	CHECK(t.s.question_us == 0 && t.s.deadline_us == t0 + 10 * S);
}

TEST(a_session_that_is_not_held_ends_a_minute_after_its_last_use)
{
	struct test t = up(t0);

	relay_session_hold(&t.s, false, false, t0, fresh(&t));
	relay_session_on_use(&t.s, t0 + 30 * S);
	CHECK(hear(&t, &(struct derp_frame){.type = DERP_KEEP_ALIVE}, t0 + 30 * S) == 0);
	for (uint64_t now_us = t.s.deadline_us; now_us < t0 + 90 * S; now_us = t.s.deadline_us) {
		CHECK(due(&t, now_us, now_us) == RELAY_DO_NOTHING);
		hear_pong(&t, now_us);
	}
	CHECK(due(&t, 0, t0 + 90 * S) == RELAY_DO_CLOSE);
	CHECK_STR(t.s.reason, "idle");
	relay_session_on_closed(&t.s, "x", half, t0 + 90 * S);
	CHECK(t.s.state == RELAY_DOWN && t.s.deadline_us == US_NEVER);
	relay_session_on_use(&t.s, t0 + 100 * S);
	CHECK(due(&t, 0, t0 + 100 * S) == RELAY_DO_DIAL);
}

/* ---- frames ---- */

TEST(hands_on_packets_and_peers_gone_and_answers_pings)
{
	struct test t = up(t0);
	struct derp_raw_frame raw;
	struct derp_frame ping = {.type = DERP_PING, .ping = {1, 2, 3}};
	struct derp_frame packet = {
		.type = DERP_RECV_PACKET,
		.packet = {.src = {{7}}, .data = (const uint8_t *)"hey", .len = 3}};
	struct derp_frame gone = {.type = DERP_PEER_GONE, .gone.key = {{9}}};

	CHECK(hear(&t, &packet, t0) == 0 && t.event.kind == RELAY_EVENT_PACKET);
	CHECK(t.event.packet.len == 3 && t.event.packet.src.b[0] == 7);
	CHECK(hear(&t, &gone, t0) == 0 && t.event.kind == RELAY_EVENT_PEER_GONE);
	CHECK(t.event.key.b[0] == 9);
	CHECK(hear(&t, &ping, t0) == 0 && t.event.kind == RELAY_EVENT_NONE);
	CHECK(written(&t, 0, &raw) == DERP_PONG && raw.payload[2] == 3);
}

TEST(packets_before_the_login_are_not_handed_on)
{
	struct test t = connected(NULL, t0);
	struct derp_frame packet = {.type = DERP_RECV_PACKET,
				    .packet = {.data = (const uint8_t *)"hey", .len = 3}};

	CHECK(hear(&t, &packet, t0) == 0 && t.event.kind == RELAY_EVENT_NONE);
}

TEST(health_and_restarting_are_told_and_the_relay_says_when_to_come_back)
{
	struct test t = up(t0);
	struct derp_frame health = {.type = DERP_HEALTH, .health = {"full", 4}};
	struct derp_frame restarting = {.type = DERP_RESTARTING, .restarting = {2000, 5000}};

	CHECK(hear(&t, &health, t0) == 0 && t.event.kind == RELAY_EVENT_HEALTH);
	CHECK_STR(t.s.health, "full");
	CHECK(hear(&t, &restarting, t0 + S) == 0 && t.event.kind == RELAY_EVENT_DRAINS);
	CHECK(t.s.drains && t.s.state == RELAY_UP);
	relay_session_on_closed(&t.s, "closed", half, t0 + 2 * S);
	CHECK(!t.s.drains && t.s.deadline_us == t0 + 3 * S + 250 * MS);
}

TEST(a_relay_that_sends_everybody_away_is_dialled_ever_slower)
{
	struct derp_frame restarting = {.type = DERP_RESTARTING, .restarting = {1, 0}};
	struct test t = up(t0);

	t.s.failures = 5;
	CHECK(hear(&t, &restarting, t0 + S) == 0);
	relay_session_on_closed(&t.s, "closed", half, t0 + S);
	CHECK(t.s.deadline_us == t0 + S + 1600 * MS);

	t = up(t0); /* after a service of 20 s */
	CHECK(hear(&t, &restarting, t0 + 20 * S) == 0);
	relay_session_on_closed(&t.s, "closed", half, t0 + 20 * S);
	CHECK(t.s.deadline_us == t0 + 20 * S + 10 * MS);
}

TEST(a_new_home_is_told_at_once)
{
	struct test t = up(t0);
	struct derp_raw_frame raw;

	relay_session_hold(&t.s, true, false, t0, fresh(&t));
	CHECK(written(&t, 0, &raw) == DERP_NOTE_PREFERRED && raw.payload[0] == 0);
	relay_session_hold(&t.s, true, false, t0, fresh(&t));
	CHECK(t.out.len == 0);
}

TEST(the_relays_token_bucket_is_kept)
{
	struct test t = make();

	t = connected(&t.server_key, t0);
	CHECK(hear_server_info(&t, 1000000, 100000, t0) == 0);
	CHECK(relay_session_may_send(&t.s, 60000, t0));
	CHECK(!relay_session_may_send(&t.s, 60000, t0));
	CHECK(!relay_session_may_send(&t.s, 60000, t0 + 19 * MS));
	CHECK(relay_session_may_send(&t.s, 60000, t0 + 20 * MS));
	t.s.rate_bytes_per_s = UINT64_MAX;
	CHECK(relay_session_may_send(&t.s, 60000, UINT64_MAX - 1));
}

/* ---- coming back ---- */

TEST(comes_back_soon_at_first_then_later_and_by_the_next_relay)
{
	static const uint64_t waits_us[] = {50 * MS,   100 * MS,  200 * MS, 400 * MS, 800 * MS,
					    1600 * MS, 3200 * MS, 5 * S,    5 * S};
	struct test t = make();
	uint64_t now_us = t0;

	relay_session_hold(&t.s, true, false, now_us, fresh(&t));
	for (unsigned i = 0; i < 9; i++) {
		CHECK(due(&t, 0, now_us) == RELAY_DO_DIAL);
		CHECK_INT(t.s.node, i);
		relay_session_on_closed(&t.s, "refused", half, now_us);
		CHECK_INT(t.s.deadline_us - now_us, waits_us[i]);
		now_us = t.s.deadline_us;
	}
	t = up(t0);
	t.s.failures = 6;
	t.s.node = 1;
	relay_session_on_closed(&t.s, "reset", half, t0 + 10 * S);
	CHECK(t.s.deadline_us == t0 + 10 * S + 50 * MS && t.s.node == 1);
	CHECK_STR(t.s.reason, "reset");
}

TEST(a_relay_that_stood_is_waited_for_no_longer_than_it_stood_and_for_a_second_at_most)
{
	struct test t = up(t0);

	t.s.failures = 6;
	relay_session_on_closed(&t.s, "reset", half, t0 + 600 * MS);
	CHECK(t.s.deadline_us == t0 + 900 * MS);
	t = up(t0);
	t.s.failures = 6;
	relay_session_on_closed(&t.s, "reset", half, t0 + 7 * S);
	CHECK(t.s.deadline_us == t0 + 7500 * MS);
	t = up(t0); /* too short to tell */
	t.s.failures = 6;
	relay_session_on_closed(&t.s, "reset", half, t0 + 500 * MS - 1);
	CHECK(t.s.deadline_us == t0 + 500 * MS - 1 + 3200 * MS);
}

TEST(of_two_short_lives_the_longer_counts_by_half)
{
	struct test t = up(t0);

	t.s.failures = 6;
	t.s.stood_us = 1300 * MS;
	relay_session_on_closed(&t.s, "reset", half, t0 + 250 * MS);
	CHECK(t.s.deadline_us == t0 + 250 * MS + 325 * MS);
	CHECK(relay_session_check(&t.s, t0 + S, fresh(&t)) == RELAY_DO_NOTHING);
	relay_session_on_closed(&t.s, "refused", half, t0 + S); /* it did not come up */
	CHECK(t.s.deadline_us == t0 + S + 5 * S);
}

/* A relay that sent into a sleep waits seconds before it sends again, and acknowledges meanwhile.
 */
TEST(after_a_change_of_the_network_acknowledgements_are_no_proof)
{
	struct test t = up(t0);

	t.s.rtt_us = 100 * MS;
	CHECK(relay_session_check(&t.s, t0 + S, fresh(&t)) == RELAY_DO_NOTHING);
	CHECK(due(&t, t0 + 1399 * MS, t0 + 1399 * MS) == RELAY_DO_NOTHING);
	CHECK(due(&t, t0 + 1399 * MS, t0 + 1400 * MS) == RELAY_DO_CLOSE);
}

TEST(a_wait_is_cut_where_another_relay_ends)
{
	struct test t = up(t0);

	for (unsigned i = 0; i < 8; i++) { /* refused again and again */
		relay_session_on_closed(&t.s, "x", UINT32_MAX, t0);
		t.s.state = RELAY_DIALLING;
	}
	relay_session_on_closed(&t.s, "x", UINT32_MAX, t0);
	CHECK(t.s.deadline_us > t0 + 9 * S);
	relay_session_hurry(&t.s, UINT32_MAX / 2, t0 + S);
	CHECK(due(&t, 0, t0 + 1049 * MS) == RELAY_DO_NOTHING);
	CHECK(due(&t, 0, t0 + 1051 * MS) == RELAY_DO_DIAL);
	uint64_t deadline_us = t.s.deadline_us;

	relay_session_hurry(&t.s, 0, t0 + 2 * S); /* on its way already */
	CHECK(t.s.deadline_us == deadline_us && t.s.state == RELAY_DIALLING);
}

TEST(a_doubt_asks_a_relay_that_stands_and_hurries_no_other)
{
	struct test t = up(t0);
	struct derp_raw_frame raw;
	struct writer *out = fresh(&t);

	relay_session_doubt(&t.s, t0 + S, out);
	CHECK(written(&t, 0, &raw) == DERP_PING && t.s.deadline_us == t0 + 2 * S);
	size_t len = out->len;
	relay_session_doubt(&t.s, t0 + S + MS, out); /* asked already */
	CHECK(out->len == len && t.s.deadline_us == t0 + 2 * S);
	CHECK(due(&t, t0, t0 + 2 * S) == RELAY_DO_CLOSE);
	relay_session_on_closed(&t.s, "x", UINT32_MAX, t0 + 2 * S);
	uint64_t deadline_us = t.s.deadline_us;
	relay_session_doubt(&t.s, t0 + 2 * S, fresh(&t));
	CHECK(t.s.state == RELAY_DOWN && t.s.deadline_us == deadline_us);
}

TEST(a_changed_network_makes_it_prove_itself_or_dial_now)
{
	struct test t = up(t0);
	struct derp_raw_frame raw;

	CHECK(relay_session_check(&t.s, t0 + S, fresh(&t)) == RELAY_DO_NOTHING);
	CHECK(written(&t, 0, &raw) == DERP_PING && t.s.deadline_us == t0 + 1300 * MS);
	CHECK(due(&t, t0, t0 + 1300 * MS) == RELAY_DO_CLOSE);
	relay_session_on_closed(&t.s, "x", UINT32_MAX, t0 + 2 * S);
	CHECK(relay_session_check(&t.s, t0 + 2 * S, fresh(&t)) == RELAY_DO_NOTHING);
	CHECK(due(&t, 0, t0 + 2 * S) == RELAY_DO_DIAL);
	CHECK(relay_session_check(&t.s, t0 + 2 * S + 999 * MS, fresh(&t)) == RELAY_DO_NOTHING);
	CHECK(relay_session_check(&t.s, t0 + 3 * S, fresh(&t)) == RELAY_DO_CLOSE);
}

TEST(a_dial_that_a_change_of_the_network_met_has_a_second_for_its_step)
{
	struct test t = make();
	struct http_head head;
	size_t used;

	relay_session_hold(&t.s, true, true, t0, fresh(&t));
	CHECK(due(&t, 0, t0) == RELAY_DO_DIAL);
	CHECK(relay_session_check(&t.s, t0 + 30 * MS, fresh(&t)) == RELAY_DO_NOTHING);
	CHECK(due(&t, 0, t0 + 999 * MS) == RELAY_DO_NOTHING);
	CHECK(due(&t, 0, t0 + S) == RELAY_DO_CLOSE);

	t = connected(NULL, t0);
	CHECK(relay_session_check(&t.s, t0 + 30 * MS, fresh(&t)) == RELAY_DO_NOTHING);
	CHECK(http_parse_response("HTTP/1.1 101 x\r\nUpgrade: DERP\r\n\r\n", 33, &head, &used) ==
	      0);
	CHECK(relay_session_on_answer(&t.s, &head, t0 + 500 * MS) == 0); /* it goes on */
	CHECK(due(&t, 0, t0 + 9 * S) == RELAY_DO_NOTHING);
}
