#include "stun/stun_server.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/test.h"

enum { MS = 1000 };
static const uint8_t txid[STUN_TXID_LEN] = {1, 2, 3};

static struct endpoint ep(const char *text)
{
	struct endpoint out;

	CHECK(endpoint_parse(text, &out) == 0);
	return out;
}

static struct stun_server plain(void)
{
	struct stun_server s;

	CHECK_INT(stun_server_init(&s, NULL, NULL, 42), 0);
	return s;
}

static struct stun_server doubled(void)
{
	struct endpoint first = ep("192.0.2.1:3478"), second = ep("192.0.2.2:3479");
	struct stun_server s;

	CHECK_INT(stun_server_init(&s, &first, &second, 42), 0);
	return s;
}

static enum stun_verdict ask(struct stun_server *s, uint32_t change, const char *from,
			     const char *at, struct stun_answer *out, struct stun_message *m)
{
	uint8_t bytes[64];
	struct writer w = writer_init(bytes, sizeof(bytes));
	struct endpoint source = ep(from), arrival = ep(at);

	stun_write_binding_request(&w, txid, change);
	enum stun_verdict v = stun_server_on_packet(s, bytes, w.len, &source, &arrival, 5, out);
	if (v == STUN_ANSWER)
		CHECK_INT(stun_decode(out->bytes, out->len, m), 0);
	return v;
}

static bool is(const struct endpoint *got, const char *wanted)
{
	struct endpoint e = ep(wanted);

	return endpoint_equal(got, &e);
}

TEST(answers_with_the_source_it_saw_and_nothing_else)
{
	struct stun_server s = plain();
	struct stun_answer out;
	struct stun_message m;

	CHECK(ask(&s, 0, "203.0.113.5:4000", "192.0.2.1:3478", &out, &m) == STUN_ANSWER);
	CHECK(m.class == STUN_SUCCESS && memcmp(m.txid, txid, STUN_TXID_LEN) == 0);
	CHECK(is(&m.mapped, "203.0.113.5:4000"));
	CHECK_INT(out.len, 32); /* shorter than the question */
	CHECK(endpoint_is_none(&out.from) && endpoint_is_none(&m.other_address));
	CHECK(ask(&s, 0, "[2001:db8::5]:4000", "[2001:db8::1]:3478", &out, &m) == STUN_ANSWER);
	CHECK(is(&m.mapped, "[2001:db8::5]:4000"));
	CHECK_INT(out.len, 44);
}

TEST(a_bare_request_of_20_bytes_is_answered_too)
{
	struct stun_server s = plain();
	struct endpoint from = ep("203.0.113.5:4000"), at = ep("192.0.2.1:3478");
	struct stun_answer out;
	uint8_t bytes[20];
	struct writer w = writer_init(bytes, sizeof(bytes));

	stun_write_header(&w, STUN_REQUEST, STUN_BINDING, txid);
	CHECK(stun_server_on_packet(&s, bytes, w.len, &from, &at, 5, &out) == STUN_ANSWER);
}

TEST(without_a_second_address_a_change_is_refused_as_unknown)
{
	struct stun_server s = plain();
	struct stun_answer out;
	struct stun_message m;

	CHECK(ask(&s, STUN_CHANGE_IP, "203.0.113.5:4000", "192.0.2.1:3478", &out, &m) ==
	      STUN_ANSWER);
	CHECK(m.class == STUN_ERROR && m.error_code == 420);
}

TEST(an_attribute_that_must_be_understood_is_named_in_the_refusal)
{
	struct stun_server s = plain();
	struct endpoint from = ep("203.0.113.5:4000"), at = ep("192.0.2.1:3478");
	struct stun_answer out;
	uint8_t bytes[64];
	struct writer w = writer_init(bytes, sizeof(bytes));

	stun_write_header(&w, STUN_REQUEST, STUN_BINDING, txid);
	stun_write_attribute(&w, 0x0024, "\0\0\0\1", 4);
	CHECK(stun_server_on_packet(&s, bytes, w.len, &from, &at, 5, &out) == STUN_ANSWER);
	static const uint8_t tail[] = {0x00, 0x0a, 0x00, 0x02, 0x00, 0x24, 0x00, 0x00};
	CHECK_MEM(out.bytes + out.len - sizeof(tail), tail, sizeof(tail));
}

TEST(strangers_packets_are_told_and_not_answered)
{
	struct stun_server s = plain();
	struct endpoint from = ep("203.0.113.5:4000"), at = ep("192.0.2.1:3478");
	struct stun_answer out;
	uint8_t bytes[64];
	struct writer w = writer_init(bytes, sizeof(bytes));

	stun_write_header(&w, STUN_SUCCESS, STUN_BINDING, txid); /* no answer to an answer */
	CHECK(stun_server_on_packet(&s, bytes, w.len, &from, &at, 5, &out) == STUN_MALFORMED);
	w = writer_init(bytes, sizeof(bytes));
	stun_write_header(&w, STUN_INDICATION, STUN_BINDING, txid);
	CHECK(stun_server_on_packet(&s, bytes, w.len, &from, &at, 5, &out) == STUN_MALFORMED);
	w = writer_init(bytes, sizeof(bytes));
	stun_write_header(&w, STUN_REQUEST, 0x003, txid);
	CHECK(stun_server_on_packet(&s, bytes, w.len, &from, &at, 5, &out) == STUN_MALFORMED);
	CHECK(stun_server_on_packet(&s, "\x01\x02", 2, &from, &at, 5, &out) == STUN_MALFORMED);
}

/* RFC 5780 section 6.1, table 1. */
TEST(with_two_addresses_it_answers_from_where_it_is_asked_to)
{
	static const struct {
		const char *at;
		uint32_t change;
		const char *origin, *other;
	} cases[] = {
		{"192.0.2.1:3478", 0, "192.0.2.1:3478", "192.0.2.2:3479"},
		{"192.0.2.1:3478", STUN_CHANGE_IP, "192.0.2.2:3478", "192.0.2.2:3479"},
		{"192.0.2.1:3478", STUN_CHANGE_PORT, "192.0.2.1:3479", "192.0.2.2:3479"},
		{"192.0.2.1:3478", STUN_CHANGE_IP | STUN_CHANGE_PORT, "192.0.2.2:3479",
		 "192.0.2.2:3479"},
		{"192.0.2.2:3478", 0, "192.0.2.2:3478", "192.0.2.1:3479"},
		{"192.0.2.2:3479", STUN_CHANGE_IP, "192.0.2.1:3479", "192.0.2.1:3478"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stun_server s = doubled();
		struct stun_answer out;
		struct stun_message m;

		CHECK(ask(&s, cases[i].change, "203.0.113.5:4000", cases[i].at, &out, &m) ==
		      STUN_ANSWER);
		CHECK(is(&out.from, cases[i].origin));
		CHECK(is(&m.response_origin, cases[i].origin));
		CHECK(is(&m.other_address, cases[i].other));
		CHECK(is(&m.mapped, "203.0.113.5:4000"));
	}
}

TEST(an_address_beside_the_four_is_a_plain_servers)
{
	static const char *const at[] = {"198.51.100.1:3478", "192.0.2.1:9", "[2001:db8::1]:3478"};

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct stun_server s = doubled();
		struct stun_answer out;
		struct stun_message m;

		CHECK(ask(&s, 0, "203.0.113.5:4000", at[i], &out, &m) == STUN_ANSWER);
		CHECK(endpoint_is_none(&out.from)); /* from where it arrived */
		CHECK(endpoint_is_none(&m.response_origin) && endpoint_is_none(&m.other_address));
		CHECK(is(&m.mapped, "203.0.113.5:4000"));
		CHECK(ask(&s, STUN_CHANGE_IP, "203.0.113.5:4000", at[i], &out, &m) == STUN_ANSWER);
		CHECK_INT(m.error_code, 420);
	}
}

TEST(the_second_address_must_be_whole_and_different)
{
	struct endpoint first = ep("192.0.2.1:3478"), any = ep(":3478");
	static const char *const wrong[] = {"192.0.2.1:3479", "192.0.2.2:3478", "[2001:db8::1]:9",
					    "192.0.2.2:0"};
	struct stun_server s;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct endpoint second = ep(wrong[i]);

		CHECK_INT(stun_server_init(&s, &first, &second, 0), -EINVAL);
	}
	struct endpoint second = ep("192.0.2.2:3479");
	CHECK_INT(stun_server_init(&s, &any, &second, 0), -EINVAL);
}

static unsigned answers_to(struct stun_server *s, const char *from_text, unsigned n,
			   uint64_t now_us)
{
	struct endpoint from = ep(from_text), at = ep("192.0.2.1:3478");
	uint8_t bytes[64];
	struct writer w = writer_init(bytes, sizeof(bytes));
	struct stun_answer out;
	unsigned answered = 0;

	stun_write_binding_request(&w, txid, 0);
	for (unsigned i = 0; i < n; i++) {
		from.port++;
		answered += stun_server_on_packet(s, bytes, w.len, &from, &at, now_us, &out) ==
			    STUN_ANSWER;
	}
	return answered;
}

TEST(one_source_gets_400_at_once_and_200_a_second)
{
	struct stun_server s = plain();

	CHECK_INT(answers_to(&s, "203.0.113.5:1", 1000, 1000 * MS), 400);
	CHECK_INT(answers_to(&s, "203.0.113.6:1", 10, 1000 * MS), 10); /* another is not hurt */
	CHECK_INT(answers_to(&s, "203.0.113.5:1", 1000, 1500 * MS), 100);
	CHECK_INT(answers_to(&s, "203.0.113.5:1", 1, 1504 * MS), 0);
	CHECK_INT(answers_to(&s, "203.0.113.5:1", 2, 1505 * MS), 1);
	CHECK_INT(answers_to(&s, "203.0.113.5:1", 1000, 100000 * MS), 400);
}

TEST(a_network_of_ipv6_is_one_source)
{
	struct stun_server s = plain();

	CHECK_INT(answers_to(&s, "[2001:db8:0:1::1]:1", 400, 1000 * MS), 400);
	CHECK_INT(answers_to(&s, "[2001:db8:0:1::2]:1", 1, 1000 * MS), 0);
	CHECK_INT(answers_to(&s, "[2001:db8:0:2::2]:1", 1, 1000 * MS), 1);
}
