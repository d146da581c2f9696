#include <stdlib.h>
#include <string.h>

#include "agent/tunnel/backlog.h"
#include "tests/unit/test.h"

/* A record's cost besides its bytes. */
enum { HEAD = sizeof(struct backlog_entry) };

TEST(gives_back_what_it_kept_oldest_first)
{
	struct backlog b;
	struct backlog_entry e;
	uint8_t out[8];

	backlog_init(&b, 1000, 10);
	CHECK_INT(backlog_push(&b, 100, 7, (const uint8_t *)"first", 5), 0);
	CHECK_INT(backlog_push(&b, 200, 8, (const uint8_t *)"second", 6), 0);
	CHECK(backlog_peek(&b, &e) && e.time_us == 100 && e.serial == 7 && e.len == 5);
	backlog_pop(&b, out);
	CHECK_MEM(out, "first", 5);
	CHECK(backlog_peek(&b, &e) && e.time_us == 200 && e.serial == 8 && e.len == 6);
	backlog_pop(&b, out);
	CHECK_MEM(out, "second", 6);
	CHECK(!backlog_peek(&b, &e) && b.used == 0);
	backlog_wipe(&b);
}

TEST(what_does_not_fit_pushes_out_the_oldest)
{
	struct backlog b;
	struct backlog_entry e;
	uint8_t pkt[500] = {0};

	backlog_init(&b, 3 * (HEAD + 100), 10);
	for (uint64_t i = 0; i < 3; i++)
		CHECK_INT(backlog_push(&b, i, i, pkt, 100), 0);
	CHECK_INT(backlog_push(&b, 3, 3, pkt, 100), 1);
	CHECK(backlog_peek(&b, &e) && e.serial == 1);
	CHECK_INT(backlog_push(&b, 4, 4, pkt, 3 * 100), 3);
	CHECK(b.n == 1 && backlog_peek(&b, &e) && e.serial == 4);
	CHECK_INT(backlog_push(&b, 5, 5, pkt, b.size), 1); /* larger than all of it: itself */
	CHECK(b.n == 1);
	backlog_wipe(&b);
}

TEST(keeps_no_more_packets_than_it_may)
{
	struct backlog b;

	backlog_init(&b, 100000, 64);
	for (uint64_t i = 0; i < 64; i++)
		CHECK_INT(backlog_push(&b, i, i, (const uint8_t *)"x", 1), 0);
	CHECK_INT(backlog_push(&b, 64, 64, (const uint8_t *)"x", 1), 1);
	CHECK_INT(b.n, 64);
	backlog_wipe(&b);
}

TEST(expires_what_is_older_and_nothing_else)
{
	struct backlog b;
	struct backlog_entry e;

	backlog_init(&b, 1000, 10);
	for (uint64_t i = 1; i <= 5; i++)
		CHECK_INT(backlog_push(&b, i * 100, i, (const uint8_t *)"x", 1), 0);
	CHECK_INT(backlog_expire(&b, 300), 2);
	CHECK(backlog_peek(&b, &e) && e.time_us == 300);
	CHECK_INT(backlog_clear(&b), 3);
	CHECK(b.n == 0 && b.used == 0);
	backlog_wipe(&b);
}

/* Against a naive twin: an array of the last packets, over many wraps of the ring. */
TEST(agrees_with_a_naive_twin_over_many_wraps)
{
	static uint8_t kept[20000][64];
	static size_t len_of[20000];
	struct backlog b;
	struct backlog_entry e;
	size_t oldest = 0, newest = 0;

	srandom(3);
	backlog_init(&b, 777, 9);
	while (newest < 20000) {
		if (random() % 3 == 0 && oldest < newest) {
			uint8_t out[64];

			CHECK(backlog_peek(&b, &e) && e.serial == oldest &&
			      e.len == len_of[oldest]);
			backlog_pop(&b, out);
			CHECK_MEM(out, kept[oldest], e.len);
			oldest++;
			continue;
		}
		size_t len = (size_t)random() % 64;
		for (size_t i = 0; i < len; i++)
			kept[newest][i] = (uint8_t)random();
		len_of[newest] = len;
		oldest += backlog_push(&b, newest, newest, kept[newest], len);
		newest++;
		CHECK_INT(b.n, newest - oldest);
		CHECK(b.used <= b.size && b.n <= 9);
	}
	backlog_wipe(&b);
}
