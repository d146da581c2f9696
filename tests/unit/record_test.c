#include "agent/measure/record.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/test.h"

static struct sample a_sample(void)
{
	struct sample s = {.unix_us = 1700000000123456, .peer_id = 9, .span = SAMPLE_MINUTE};

	s.rtt_p50_us = 23000;
	s.rtt_p99_us = 41000;
	s.jitter_us = 310;
	s.loss_ppm = -1;
	s.data_sent = 50;
	s.data_heard = 49;
	s.late_us = 1200;
	CHECK(endpoint_parse("203.0.113.20:41641", &s.way.addr) == 0);
	s.way.kind = WAY_DIRECT;
	return s;
}

TEST(a_sample_comes_back_as_it_was)
{
	uint8_t bytes[RECORD_SAMPLE_LEN];
	struct sample s = a_sample(), back;
	uint64_t seq;

	record_encode_sample(&s, 77, bytes);
	CHECK(record_decode_sample(bytes, &seq, &back) == 0);
	CHECK(seq == 77 && back.unix_us == s.unix_us && back.span == SAMPLE_MINUTE);
	CHECK(way_equal(&back.way, &s.way));
	CHECK(back.loss_ppm == -1 && back.rtt_p99_us == 41000 && back.late_us == 1200);
}

TEST(an_event_comes_back_as_it_was)
{
	uint8_t bytes[RECORD_EVENT_LEN];
	struct event back, e = event_make(EVENT_GAP, CODE_NAT_REBOUND, 9, "dev.alice", NULL, 17000);
	uint64_t seq;

	e.end_unix_us = 18000;
	e.lost_packets = 12;
	e.seen_by = EVENT_SEEN_BY_BOTH;
	e.to = way_relay(2);
	record_encode_event(&e, 5, bytes);
	CHECK(record_decode_event(bytes, &seq, &back) == 0);
	CHECK(seq == 5 && back.code == CODE_NAT_REBOUND && back.kind == EVENT_GAP);
	CHECK(back.end_unix_us == 18000 && back.lost_packets == 12);
	CHECK(way_equal(&back.to, &e.to) && back.from.kind == WAY_NONE);
	CHECK_STR(back.peer, "dev.alice");
	CHECK_STR(back.cause, e.cause);
}

TEST(any_flipped_bit_is_noticed)
{
	uint8_t bytes[RECORD_SAMPLE_LEN];
	struct sample s = a_sample(), back;
	uint64_t seq;

	record_encode_sample(&s, 77, bytes);
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_INT(record_decode_sample(bytes, &seq, &back), -EBADMSG);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

TEST(the_other_kind_and_an_empty_slot_are_no_records)
{
	uint8_t bytes[RECORD_EVENT_LEN] = {0};
	struct sample s = a_sample(), back;
	struct event e;
	uint64_t seq;

	CHECK_INT(record_decode_sample(bytes, &seq, &back), -EBADMSG);
	CHECK_INT(record_decode_event(bytes, &seq, &e), -EBADMSG);
	record_encode_sample(&s, 77, bytes);
	CHECK_INT(record_decode_event(bytes, &seq, &e), -EBADMSG);
}
