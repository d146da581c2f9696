#include "agent/session/control_session.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "tests/unit/test.h"

enum { S = US_PER_S, MS = US_PER_MS };

static const uint64_t t0 = 1000 * (uint64_t)S;
static const uint32_t half = UINT32_C(1) << 31;
static const char nonce_hex[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static struct control_session dialling(uint64_t now_us)
{
	struct control_session s = {0};

	CHECK(control_session_on_deadline(&s, 0, now_us) == CONTROL_DO_DIAL);
	CHECK(s.state == CONTROL_SESSION_DIALLING && s.deadline_us == now_us + 15 * S);
	return s;
}

static void greet(struct control_session *s, uint64_t now_us)
{
	uint8_t nonce[CONTROL_NONCE_LEN];

	control_session_on_connected(s, now_us);
	CHECK(s->state == CONTROL_SESSION_UPGRADING && !control_session_may_send(s));
	CHECK(control_session_on_upgraded(s, nonce_hex, nonce, now_us) == 0);
	CHECK(s->state == CONTROL_SESSION_GREETING && control_session_may_send(s));
	CHECK(nonce[1] == 0x11 && nonce[31] == 0xff);
}

static enum control_session_do hear(struct control_session *s, enum control_type type,
				    uint64_t now_us)
{
	return control_session_on_message(s, &(struct control_message){.type = type}, 0, now_us);
}

static struct control_session online(uint64_t now_us)
{
	struct control_session s = dialling(now_us);

	greet(&s, now_us);
	CHECK(hear(&s, CONTROL_WELCOME, now_us) == CONTROL_DO_NOTHING);
	CHECK(s.state == CONTROL_SESSION_ONLINE);
	return s;
}

TEST(dials_at_once_and_gives_each_step_its_time)
{
	struct control_session s = dialling(t0);

	CHECK(control_session_on_deadline(&s, 0, t0 + 14 * S) == CONTROL_DO_NOTHING);
	CHECK(control_session_on_deadline(&s, 0, t0 + 15 * S) == CONTROL_DO_CLOSE);
	CHECK_STR(s.reason, "the coordinator does not answer");

	s = dialling(t0);
	greet(&s, t0 + S);
	CHECK(control_session_on_deadline(&s, 0, t0 + 11 * S) == CONTROL_DO_CLOSE);
	CHECK_STR(s.reason, "the coordinator does not answer the hello");
}

TEST(a_server_without_a_nonce_is_no_coordinator)
{
	struct control_session s = dialling(t0);
	uint8_t nonce[CONTROL_NONCE_LEN];

	control_session_on_connected(&s, t0);
	CHECK(control_session_on_upgraded(&s, "", nonce, t0) == -EPROTO);
	control_session_on_closed(&s, "x", 0, t0);
	CHECK_STR(s.reason, "the server speaks WebSocket but is no Warren coordinator");
}

TEST(waits_longer_after_each_failure_up_to_a_minute_with_full_jitter)
{
	static const uint64_t waits_us[] = {250 * MS, 500 * MS, 1 * S,	2 * S, 4 * S,
					    8 * S,    16 * S,	30 * S, 30 * S};
	struct control_session s = {0};
	uint64_t now_us = t0;

	for (size_t i = 0; i < sizeof(waits_us) / sizeof(waits_us[0]); i++) {
		CHECK(control_session_on_deadline(&s, 0, now_us) == CONTROL_DO_DIAL);
		control_session_on_closed(&s, "refused", half, now_us);
		CHECK_STR(s.reason, "refused");
		CHECK_INT(s.deadline_us - now_us, waits_us[i]);
		now_us = s.deadline_us;
	}
	(void)control_session_on_deadline(&s, 0, now_us);
	control_session_on_closed(&s, "refused", 0, now_us);
	CHECK(s.deadline_us == now_us + 50 * MS); /* never a busy loop */
	(void)control_session_on_deadline(&s, 0, s.deadline_us);
	now_us = s.since_us;
	control_session_on_closed(&s, "refused", UINT32_MAX, now_us);
	CHECK(s.deadline_us > now_us + 59 * S && s.deadline_us <= now_us + 60 * S);
}

TEST(only_useful_service_resets_the_back_off)
{
	struct control_session s = online(t0);

	s.failures = 5;
	control_session_on_closed(&s, "closed", half, t0 + 29 * S);
	CHECK(s.failures == 6 && s.deadline_us == t0 + 29 * S + 8 * S);

	s = online(t0); /* for no longer than it stood */
	s.failures = 5;
	control_session_on_closed(&s, "closed", half, t0 + 6 * S);
	CHECK(s.failures == 6 && s.deadline_us == t0 + 6 * S + 3 * S);
	s = online(t0); /* too short to tell */
	s.failures = 5;
	control_session_on_closed(&s, "closed", half, t0 + 5 * S - 1);
	CHECK(s.deadline_us == t0 + 5 * S - 1 + 8 * S);

	s = online(t0);
	s.failures = 5;
	control_session_on_closed(&s, "closed", half, t0 + 30 * S);
	CHECK(s.failures == 1 && s.deadline_us == t0 + 30 * S + 250 * MS);
}

TEST(pings_each_20_s_of_silence_and_gives_up_10_s_later)
{
	struct control_session s = online(t0);

	CHECK(s.deadline_us == t0 + 20 * S);
	CHECK(hear(&s, CONTROL_MAP, t0 + 15 * S) == CONTROL_DO_NOTHING);
	CHECK(s.deadline_us == t0 + 35 * S);
	CHECK(control_session_on_deadline(&s, 0, t0 + 35 * S) == CONTROL_DO_PING);
	CHECK(s.pings == 1 && s.deadline_us == t0 + 45 * S);
	CHECK(hear(&s, CONTROL_PONG, t0 + 36 * S) == CONTROL_DO_NOTHING);
	CHECK(control_session_on_deadline(&s, 0, t0 + 56 * S) == CONTROL_DO_PING);
	CHECK(control_session_on_deadline(&s, 0, t0 + 66 * S) == CONTROL_DO_CLOSE);
	CHECK_STR(s.reason, "the coordinator is silent");
}

TEST(comes_back_when_it_was_told_to_and_counts_no_failure)
{
	struct control_session s = online(t0);
	struct control_message m = {.type = CONTROL_GOAWAY, .goaway_ms = 1000};

	CHECK(control_session_on_message(&s, &m, half, t0 + 30 * S) == CONTROL_DO_CLOSE);
	control_session_on_closed(&s, "x", half, t0 + 30 * S + MS);
	CHECK(s.deadline_us == t0 + 31250 * MS && s.failures == 0);
	CHECK(control_session_on_deadline(&s, 0, s.deadline_us) == CONTROL_DO_DIAL);
}

TEST(sent_away_as_soon_as_it_comes_it_comes_back_ever_slower)
{
	const struct control_message m = {.type = CONTROL_GOAWAY, .goaway_ms = 1};
	struct control_session s = {0};
	uint64_t now_us = t0, wait_us = 0;

	for (unsigned i = 0; i < 9; i++) {
		uint32_t random = i < 8 ? half : UINT32_MAX; /* the longest there is */

		CHECK(control_session_on_deadline(&s, half, now_us) == CONTROL_DO_DIAL);
		greet(&s, now_us);
		CHECK(hear(&s, CONTROL_WELCOME, now_us) == CONTROL_DO_NOTHING);
		CHECK(control_session_on_message(&s, &m, random, now_us) == CONTROL_DO_CLOSE);
		control_session_on_closed(&s, "", half, now_us);
		CHECK(s.deadline_us - now_us > wait_us);
		wait_us = s.deadline_us - now_us;
		now_us = s.deadline_us;
	}
	CHECK(wait_us >= 59 * S && wait_us <= 60 * S);
}

TEST(errors_for_good_stop_it_until_somebody_retries)
{
	struct control_session s = dialling(t0);
	struct control_message m = {.type = CONTROL_ERROR,
				    .error = {CONTROL_TOKEN_USED, "make another"}};

	greet(&s, t0);
	CHECK(control_session_on_message(&s, &m, 0, t0) == CONTROL_DO_CLOSE);
	control_session_on_closed(&s, "x", 0, t0);
	CHECK(s.state == CONTROL_SESSION_REFUSED && s.deadline_us == US_NEVER);
	CHECK_STR(s.reason, "token-used: make another");
	CHECK(control_session_check(&s, t0) == CONTROL_DO_NOTHING);
	control_session_retry(&s, t0 + S);
	CHECK(control_session_on_deadline(&s, 0, t0 + S) == CONTROL_DO_DIAL);
}

TEST(other_errors_are_tried_again_and_a_replaced_session_does_not_fight)
{
	struct control_session s = online(t0);
	struct control_message m = {.type = CONTROL_ERROR, .error = {CONTROL_FULL, "full"}};

	CHECK(control_session_on_message(&s, &m, 0, t0) == CONTROL_DO_CLOSE);
	control_session_on_closed(&s, "x", half, t0);
	CHECK(s.state == CONTROL_SESSION_WAITING && s.deadline_us == t0 + 250 * MS);

	s = online(t0);
	m.error.code = CONTROL_REPLACED;
	CHECK(control_session_on_message(&s, &m, 0, t0) == CONTROL_DO_CLOSE);
	control_session_on_closed(&s, "x", half, t0);
	CHECK(s.deadline_us == t0 + 60 * S);
}

TEST(a_doubt_asks_where_the_connection_stands_and_hurries_nothing_else)
{
	struct control_session s = online(t0);

	CHECK(control_session_doubt(&s, t0 + S) == CONTROL_DO_PING);
	CHECK(control_session_doubt(&s, t0 + 2 * S) == CONTROL_DO_NOTHING); /* asked already */
	CHECK(control_session_on_deadline(&s, 0, t0 + 11 * S) == CONTROL_DO_CLOSE);
	control_session_on_closed(&s, "x", UINT32_MAX, t0 + 11 * S);
	uint64_t deadline_us = s.deadline_us;
	CHECK(control_session_doubt(&s, t0 + 11 * S) == CONTROL_DO_NOTHING);
	CHECK(s.deadline_us == deadline_us);
}

TEST(a_changed_network_makes_it_prove_itself_or_dial_now)
{
	struct control_session s = online(t0);

	CHECK(control_session_check(&s, t0 + S) == CONTROL_DO_PING);
	CHECK(control_session_on_deadline(&s, 0, t0 + 4 * S) == CONTROL_DO_CLOSE);

	control_session_on_closed(&s, "x", UINT32_MAX, t0 + 4 * S);
	CHECK(control_session_check(&s, t0 + 4 * S) == CONTROL_DO_NOTHING);
	CHECK(control_session_on_deadline(&s, 0, t0 + 4 * S) == CONTROL_DO_DIAL);

	CHECK(control_session_check(&s, t0 + 4 * S + 999 * MS) == CONTROL_DO_NOTHING);
	CHECK(s.deadline_us == t0 + 5 * S); /* for the step that it is at */
	CHECK(control_session_check(&s, t0 + 5 * S) == CONTROL_DO_CLOSE);
	control_session_on_closed(&s, "x", 0, t0 + 5 * S);
	CHECK(s.deadline_us == t0 + 5 * S + 50 * MS);
}

TEST(a_network_that_changes_every_second_hides_no_silence)
{
	struct control_session s = online(t0);

	CHECK(control_session_check(&s, t0 + S) == CONTROL_DO_PING);
	CHECK(control_session_check(&s, t0 + 2 * S) == CONTROL_DO_NOTHING);
	CHECK(control_session_check(&s, t0 + 3 * S) == CONTROL_DO_NOTHING);
	CHECK(control_session_on_deadline(&s, 0, t0 + 4 * S) == CONTROL_DO_CLOSE);

	s = online(t0);
	CHECK(control_session_doubt(&s, t0 + S) == CONTROL_DO_PING);
	CHECK(control_session_check(&s, t0 + 2 * S) == CONTROL_DO_NOTHING);
	CHECK_INT(s.deadline_us, t0 + 5 * S); /* not the ten that it had */
}

TEST(what_failed_on_the_network_before_slows_nothing_down_on_this_one)
{
	struct control_session s = online(t0);

	s.failures = 7;
	CHECK(control_session_check(&s, t0 + 10 * S) == CONTROL_DO_PING);
	CHECK(control_session_on_deadline(&s, half, t0 + 13 * S) == CONTROL_DO_CLOSE);
	control_session_on_closed(&s, "closed", half, t0 + 13 * S);
	CHECK_INT(s.deadline_us, t0 + 13 * S + 250 * MS);
}

TEST(nothing_is_taken_before_the_hello)
{
	struct control_session s = dialling(t0);

	CHECK(hear(&s, CONTROL_WELCOME, t0) == CONTROL_DO_NOTHING);
	CHECK(s.state == CONTROL_SESSION_DIALLING);
}
