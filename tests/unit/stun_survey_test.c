#include "stun/stun_survey.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/test.h"

enum { MS = 1000 };
static const uint8_t random_id[STUN_TXID_LEN] = {0xaa, 1};

static struct endpoint ep(const char *text)
{
	struct endpoint out;

	CHECK(endpoint_parse(text, &out) == 0);
	return out;
}

/* Servers at 192.0.2.1, .2, … or those given, one region each from 1. */
static struct stun_survey start(const char *const *servers, size_t n)
{
	struct stun_survey_server list[STUN_SURVEY_MAX];
	struct stun_survey s;

	for (size_t i = 0; i < n; i++)
		list[i] = (struct stun_survey_server){ep(servers[i]), (uint32_t)i + 1};
	stun_survey_start(&s, list, n, random_id, 0);
	return s;
}

/* Takes what is due; how many requests that was. The last request to each server is kept. */
static unsigned send_due(struct stun_survey *s, uint64_t now_us,
			 struct stun_send last[static STUN_SURVEY_MAX])
{
	struct stun_send out;
	unsigned n = 0;

	while (stun_survey_next(s, now_us, &out)) {
		for (size_t i = 0; i < s->n; i++) {
			if (endpoint_equal(&s->asks[i].server, &out.to))
				last[i] = out;
		}
		n++;
	}
	return n;
}

static int answer(struct stun_survey *s, const struct stun_send *request, const char *mapped,
		  uint64_t now_us)
{
	struct stun_message m;

	CHECK_INT(stun_decode(request->bytes, request->len, &m), 0);
	m.class = STUN_SUCCESS;
	m.mapped = ep(mapped);
	return stun_survey_on_message(s, &m, &request->to, now_us);
}

static const char *const two[] = {"192.0.2.1:3478", "192.0.2.2:3478"};

TEST(the_first_answer_gives_the_public_endpoint)
{
	struct stun_survey s = start(two, 2);
	struct stun_send sent[STUN_SURVEY_MAX];
	struct stun_survey_report r;

	CHECK_INT(send_due(&s, 0, sent), 2);
	CHECK_INT(answer(&s, &sent[1], "203.0.113.5:4000", 20 * MS), 0);
	stun_survey_report(&s, NULL, 0, &r);
	CHECK(r.answered_v4 && !r.asked_v6 && r.public_v4.port == 4000);
	CHECK(r.mapping == NAT_UNKNOWN && r.first_answer_us == 20 * MS);
	CHECK(!stun_survey_is_done(&s) && stun_survey_deadline(&s) == 100 * MS);
	CHECK(stun_survey_rtt(&s, 2) == 20 * MS && stun_survey_rtt(&s, 1) == US_NEVER);
}

TEST(the_same_mapping_from_two_addresses_is_endpoint_independent)
{
	struct stun_survey s = start(two, 2);
	struct endpoint local = ep("192.168.1.7:4000");
	struct stun_send sent[STUN_SURVEY_MAX];
	struct stun_survey_report r;

	send_due(&s, 0, sent);
	CHECK_INT(answer(&s, &sent[0], "203.0.113.5:4000", 20 * MS), 0);
	CHECK_INT(answer(&s, &sent[1], "203.0.113.5:4000", 30 * MS), 0);
	stun_survey_report(&s, &local, 1, &r);
	CHECK(r.mapping == NAT_ENDPOINT_INDEPENDENT && r.port_preserving);
	CHECK(stun_survey_is_done(&s));
	CHECK(endpoint_is_none(&r.other_v4));
}

TEST(another_mapping_for_another_address_varies_and_reads_as_the_hardest)
{
	struct stun_survey s = start(two, 2);
	struct stun_send sent[STUN_SURVEY_MAX];
	struct stun_survey_report r;

	send_due(&s, 0, sent);
	CHECK_INT(answer(&s, &sent[0], "203.0.113.5:4001", 20 * MS), 0);
	CHECK_INT(answer(&s, &sent[1], "203.0.113.5:4000", 10 * MS), 0);
	stun_survey_report(&s, NULL, 0, &r);
	CHECK(r.mapping == NAT_ADDRESS_AND_PORT_DEPENDENT && !r.port_preserving);
	CHECK(r.public_v4.port == 4000 &&
	      r.other_v4.port == 4001); /* the fastest is the public one */
}

TEST(two_servers_at_one_address_do_not_prove_independence)
{
	static const char *const same[] = {"192.0.2.1:3478", "192.0.2.1:3479"};
	struct stun_survey s = start(same, 2);
	struct stun_send sent[STUN_SURVEY_MAX];
	struct stun_survey_report r;

	send_due(&s, 0, sent);
	CHECK_INT(answer(&s, &sent[0], "203.0.113.5:4000", 20 * MS), 0);
	CHECK_INT(answer(&s, &sent[1], "203.0.113.5:4000", 20 * MS), 0);
	stun_survey_report(&s, NULL, 0, &r);
	CHECK(r.mapping == NAT_UNKNOWN);
}

TEST(a_public_address_of_our_own_is_no_nat)
{
	struct stun_survey s = start(two, 2);
	struct endpoint local = ep("203.0.113.5:4000");
	struct stun_send sent[STUN_SURVEY_MAX];
	struct stun_survey_report r;

	send_due(&s, 0, sent);
	CHECK_INT(answer(&s, &sent[0], "203.0.113.5:4000", 20 * MS), 0);
	stun_survey_report(&s, &local, 1, &r);
	CHECK(r.mapping == NAT_NONE && r.port_preserving);
}

TEST(both_families_are_told_apart)
{
	static const char *const both[] = {"192.0.2.1:3478", "[2001:db8::1]:3478"};
	struct stun_survey s = start(both, 2);
	struct stun_send sent[STUN_SURVEY_MAX];
	struct stun_survey_report r;

	send_due(&s, 0, sent);
	CHECK_INT(answer(&s, &sent[1], "[2001:db8::77]:5000", 5 * MS), 0);
	stun_survey_report(&s, NULL, 0, &r);
	CHECK(r.asked_v4 && !r.answered_v4 && r.asked_v6 && r.answered_v6);
	CHECK(r.public_v6.port == 5000 && endpoint_is_none(&r.public_v4));
}

TEST(asks_three_times_and_then_gives_up_on_a_silent_server)
{
	struct stun_survey s = start(two, 2);
	struct stun_send sent[STUN_SURVEY_MAX];
	struct stun_survey_report r;

	CHECK_INT(send_due(&s, 0, sent), 2);
	CHECK_INT(answer(&s, &sent[0], "203.0.113.5:4000", 20 * MS), 0);
	CHECK_INT(send_due(&s, 100 * MS, sent), 1);
	CHECK_INT(send_due(&s, 200 * MS, sent), 1);
	CHECK(stun_survey_deadline(&s) == 1000 * MS);
	CHECK_INT(send_due(&s, 1000 * MS, sent), 0);
	CHECK(stun_survey_is_done(&s));
	stun_survey_report(&s, NULL, 0, &r);
	CHECK(r.answered_v4 && r.mapping == NAT_UNKNOWN);
}

TEST(a_server_that_cannot_be_reached_keeps_nobody_waiting)
{
	struct stun_survey s = start(two, 2);
	struct stun_send sent[STUN_SURVEY_MAX];

	send_due(&s, 0, sent);
	stun_survey_on_send_error(&s, &s.asks[0].server);
	CHECK_INT(answer(&s, &sent[1], "203.0.113.5:4000", 20 * MS), 0);
	CHECK(stun_survey_is_done(&s));
}

TEST(an_answer_counts_for_the_server_asked_only)
{
	struct stun_survey s = start(two, 2);
	struct stun_send sent[STUN_SURVEY_MAX];

	send_due(&s, 0, sent);
	sent[0].to = s.asks[1].server;
	CHECK_INT(answer(&s, &sent[0], "203.0.113.5:4000", 20 * MS), -ESTALE);
}
