#include "agent/tunnel/backlog_pair.h"
#include "tests/unit/test.h"

static uint8_t pkt[2000], out[2000];

static unsigned push(struct backlog_pair *p, uint64_t time_us, uint8_t mark, size_t len)
{
	pkt[0] = mark;
	return backlog_pair_push(p, time_us, pkt, len);
}

static int pop(struct backlog_pair *p)
{
	struct backlog_entry e;

	if (!backlog_pair_peek(p, &e))
		return -1;
	backlog_pair_pop(p, out);
	return out[0];
}

TEST(gives_back_both_kinds_in_the_order_they_came)
{
	struct backlog_pair p;

	backlog_pair_init(&p, 10000, 10);
	CHECK(backlog_pair_is_whole(&p));
	CHECK_INT(push(&p, 100, 1, 1400), 0);
	CHECK_INT(push(&p, 100, 2, 60), 0);
	CHECK_INT(push(&p, 100, 3, 60), 0);
	CHECK_INT(push(&p, 100, 4, 1400), 0);
	for (int i = 1; i <= 4; i++)
		CHECK_INT(pop(&p), i);
	CHECK_INT(pop(&p), -1);
	backlog_pair_wipe(&p);
}

TEST(a_bulk_copy_pushes_out_itself_and_no_keystroke)
{
	struct backlog_pair p;

	backlog_pair_init(&p, 100000, 64);
	CHECK_INT(push(&p, 100, 77, 60), 0);
	for (unsigned i = 0; i < 63; i++)
		CHECK_INT(push(&p, 101, 1, 1280), 0);
	CHECK_INT(push(&p, 102, 78, 60), 1);
	for (unsigned i = 0; i < 1000; i++)
		CHECK_INT(push(&p, 103, 1, 1280), 1);
	CHECK_INT(backlog_pair_count(&p), 64);
	CHECK_INT(pop(&p), 77);
	CHECK_INT(pop(&p), 78);
	CHECK_INT(pop(&p), 1);
	backlog_pair_wipe(&p);
}

TEST(short_packets_alone_push_out_their_oldest)
{
	struct backlog_pair p;

	backlog_pair_init(&p, 100000, 64);
	for (unsigned i = 0; i < 64; i++)
		CHECK_INT(push(&p, i, (uint8_t)i, 60), 0);
	CHECK_INT(push(&p, 64, 64, 60), 1);
	CHECK_INT(pop(&p), 1);
	backlog_pair_wipe(&p);
}

TEST(expires_and_clears_both_kinds)
{
	struct backlog_pair p;

	backlog_pair_init(&p, 10000, 10);
	for (uint64_t i = 1; i <= 4; i++)
		CHECK_INT(push(&p, i * 100, (uint8_t)i, i % 2 ? 60 : 1280), 0);
	CHECK_INT(backlog_pair_expire(&p, 300), 2);
	CHECK_INT(pop(&p), 3);
	CHECK_INT(push(&p, 500, 5, 60), 0);
	CHECK_INT(backlog_pair_clear(&p), 2);
	CHECK_INT(backlog_pair_count(&p), 0);
	backlog_pair_wipe(&p);
}
