#include "stun/stun_client.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/test.h"

enum { MS = 1000 };
static const uint8_t txid[STUN_TXID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0xfe};

static struct endpoint ep(const char *text)
{
	struct endpoint out;

	CHECK(endpoint_parse(text, &out) == 0);
	return out;
}

static struct stun_client start(const struct stun_timing *timing)
{
	struct endpoint server = ep("192.0.2.1:3478");
	struct stun_client c;

	stun_client_start(&c, timing, &server, 0, txid, 0);
	return c;
}

/* The answer to try number n. */
static struct stun_message answer(unsigned n, const char *mapped)
{
	struct stun_message m = {.class = STUN_SUCCESS, .method = STUN_BINDING};

	memcpy(m.txid, txid, STUN_TXID_LEN);
	m.txid[STUN_TXID_LEN - 1] = (uint8_t)(m.txid[STUN_TXID_LEN - 1] + n);
	if (mapped)
		m.mapped = ep(mapped);
	return m;
}

TEST(gives_up_39500_ms_after_the_first_request) /* the figure RFC 8489 works out itself */
{
	struct stun_client c = start(&stun_timing_rfc);
	static const uint64_t at_ms[] = {0, 500, 1500, 3500, 7500, 15500, 31500};
	unsigned sent = 0;

	while (stun_client_deadline(&c) != US_NEVER) {
		uint64_t now_us = stun_client_deadline(&c);

		if (!stun_client_on_deadline(&c, now_us)) {
			CHECK(now_us == 39500 * MS);
			break;
		}
		CHECK(now_us == at_ms[sent] * MS);
		sent++;
	}
	CHECK(sent == 7 && c.state == STUN_FAILED && c.error_code == 0);
	CHECK(stun_client_deadline(&c) == US_NEVER);
}

TEST(a_survey_tries_three_times_within_200_ms)
{
	struct stun_client c = start(&stun_timing_survey);

	CHECK(stun_client_on_deadline(&c, 0));
	CHECK(!stun_client_on_deadline(&c, 99 * MS));
	CHECK(stun_client_on_deadline(&c, 100 * MS));
	CHECK(stun_client_on_deadline(&c, 200 * MS));
	CHECK(!stun_client_on_deadline(&c, 999 * MS) && c.state == STUN_ASKING);
	CHECK(!stun_client_on_deadline(&c, 1000 * MS) && c.state == STUN_FAILED);
}

TEST(measures_from_the_try_that_was_answered)
{
	struct endpoint server = ep("192.0.2.1:3478");
	struct stun_client c = start(&stun_timing_survey);
	struct stun_message m = answer(1, "203.0.113.5:4000");

	CHECK(stun_client_on_deadline(&c, 0));
	CHECK(stun_client_on_deadline(&c, 100 * MS));
	CHECK_INT(stun_client_on_answer(&c, &m, &server, 150 * MS), 0);
	CHECK(c.state == STUN_ANSWERED && c.rtt_us == 150 * MS && c.answered_us == 150 * MS);
	CHECK(c.mapped.port == 4000 && stun_client_deadline(&c) == US_NEVER);

	c = start(&stun_timing_survey);
	m = answer(2, "203.0.113.5:4000");
	CHECK(stun_client_on_deadline(&c, 0));
	CHECK(stun_client_on_deadline(&c, 100 * MS));
	CHECK_INT(stun_client_on_answer(&c, &m, &server, 150 * MS), 0);
	CHECK(c.rtt_us == 50 * MS);
}

TEST(each_request_carries_the_id_of_its_try)
{
	struct stun_client c = start(&stun_timing_survey);
	uint8_t out[STUN_REQUEST_LEN];
	struct stun_message m;

	for (unsigned n = 1; n <= 3; n++) {
		struct writer w = writer_init(out, sizeof(out));

		CHECK(stun_client_on_deadline(&c, n * 100 * MS));
		stun_client_request(&c, &w);
		CHECK_INT(stun_decode(out, w.len, &m), 0);
		CHECK(m.txid[11] == (uint8_t)(0xfe + n) && stun_client_owns(&c, &m));
	}
}

TEST(refuses_forged_late_and_foreign_answers)
{
	struct endpoint server = ep("192.0.2.1:3478"), other = ep("192.0.2.1:3479");
	struct stun_client c = start(&stun_timing_survey);
	struct stun_message right = answer(1, "203.0.113.5:4000");
	struct stun_message not_yet = answer(2, "203.0.113.5:4000");
	struct stun_message forged = right;

	CHECK_INT(stun_client_on_answer(&c, &right, &server, 0), -ESTALE); /* nothing asked yet */
	CHECK(stun_client_on_deadline(&c, 0));
	forged.txid[0] ^= 1;
	CHECK_INT(stun_client_on_answer(&c, &forged, &server, 1), -ESTALE);
	CHECK_INT(stun_client_on_answer(&c, &not_yet, &server, 1), -ESTALE);
	CHECK_INT(stun_client_on_answer(&c, &right, &other, 1), -ESTALE);
	CHECK_INT(stun_client_on_answer(&c, &right, &server, 40), 0);
	CHECK_INT(stun_client_on_answer(&c, &right, &server, 41), -ESTALE);
}

TEST(an_answer_without_an_address_or_with_demands_is_void)
{
	struct endpoint server = ep("192.0.2.1:3478");
	struct stun_client c = start(&stun_timing_survey);
	struct stun_message bare = answer(1, NULL), demanding = answer(1, "203.0.113.5:4000");
	struct stun_message request = answer(1, "203.0.113.5:4000");

	demanding.n_unknown = 1;
	request.class = STUN_REQUEST;
	CHECK(stun_client_on_deadline(&c, 0));
	CHECK_INT(stun_client_on_answer(&c, &bare, &server, 1), -EPROTO);
	CHECK_INT(stun_client_on_answer(&c, &demanding, &server, 1), -EPROTO);
	CHECK_INT(stun_client_on_answer(&c, &request, &server, 1), -EPROTO);
	CHECK(c.state == STUN_ASKING);
}

TEST(an_error_answer_ends_the_question)
{
	struct endpoint server = ep("192.0.2.1:3478");
	struct stun_client c = start(&stun_timing_survey);
	struct stun_message m = answer(1, NULL);

	m.class = STUN_ERROR;
	m.error_code = 420;
	CHECK(stun_client_on_deadline(&c, 0));
	CHECK_INT(stun_client_on_answer(&c, &m, &server, 1), 0);
	CHECK(c.state == STUN_FAILED && c.error_code == 420);
}

TEST(an_answer_from_elsewhere_counts_where_that_was_asked_for)
{
	struct endpoint server = ep("192.0.2.1:3478"), other = ep("192.0.2.9:3479");
	struct stun_message m = answer(1, "203.0.113.5:4000");
	struct stun_client c;

	stun_client_start(&c, &stun_timing_survey, &server, STUN_CHANGE_IP, txid, 0);
	CHECK(stun_client_on_deadline(&c, 0));
	CHECK_INT(stun_client_on_answer(&c, &m, &other, 1), 0);
}
