#include "common/net/ring.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static bool readable(const struct ring *r, int timeout_ms)
{
	struct pollfd p = {.fd = ring_fd(r), .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

TEST(keeps_header_and_body_together_in_order)
{
	struct ring *r = ring_new(1);
	const uint8_t *at;
	size_t len;

	CHECK(ring_capacity(r) == 4096);
	CHECK(!ring_peek(r, &at, &len));
	CHECK(ring_push(r, "ab", 2, "cde", 3) == 0);
	CHECK(ring_push(r, "x", 1, NULL, 0) == 0);
	CHECK(ring_peek(r, &at, &len) && len == 5);
	CHECK_MEM(at, "abcde", 5);
	CHECK(((uintptr_t)at & 15) == 0);
	ring_pop(r);
	CHECK(ring_peek(r, &at, &len) && len == 1 && at[0] == 'x');
	ring_pop(r);
	CHECK(!ring_peek(r, &at, &len) && ring_used(r) == 0);
	ring_free(r);
}

TEST(refuses_what_does_not_fit_and_takes_it_after_a_pop)
{
	struct ring *r = ring_new(4096);
	static const uint8_t body[1500];
	const uint8_t *at;
	size_t len;

	CHECK(ring_push(r, NULL, 0, body, 1500) == 0);
	CHECK(ring_push(r, NULL, 0, body, 1500) == 0);
	CHECK(ring_push(r, NULL, 0, body, 1500) == -ENOBUFS);
	CHECK(ring_push(r, NULL, 0, body, 4096) == -ENOBUFS);
	CHECK(ring_peek(r, &at, &len) && len == 1500);
	ring_pop(r);
	CHECK(ring_push(r, NULL, 0, body, 1400) == 0); /* wraps to the start */
	ring_pop(r);
	CHECK(ring_peek(r, &at, &len) && len == 1400);
	ring_free(r);
}

TEST(writes_in_place_and_forgets_what_was_not_committed)
{
	struct ring *r = ring_new(4096);
	const uint8_t *at;
	size_t len;

	CHECK(ring_reserve(r, 2000) != NULL);
	CHECK(!ring_peek(r, &at, &len));
	uint8_t *room = ring_reserve(r, 100);
	memset(room, 7, 40);
	ring_commit(r, 40);
	CHECK(ring_peek(r, &at, &len) && len == 40 && at[39] == 7);
	ring_free(r);
}

TEST(stays_in_its_first_quarter_while_the_consumer_keeps_up)
{
	struct ring *r = ring_new(1 << 20);
	const uint8_t *first = NULL, *at;
	uint8_t record[1000] = {0};
	size_t len, furthest = 0;

	for (unsigned i = 0; i < 10000; i++) {
		memcpy(record, &i, sizeof(i));
		CHECK(ring_push(r, NULL, 0, record, sizeof(record)) == 0);
		CHECK(ring_peek(r, &at, &len) && len == sizeof(record));
		CHECK_MEM(at, record, sizeof(record));
		first = first ? first : at;
		furthest = (size_t)(at - first) > furthest ? (size_t)(at - first) : furthest;
		ring_pop(r);
	}
	CHECK(furthest > 260000 && furthest < 262144);
	ring_free(r);
}

TEST(wakes_an_armed_consumer_once_and_nobody_else)
{
	struct ring *r = ring_new(4096);
	const uint8_t *at;
	size_t len;

	CHECK(ring_push(r, "a", 1, NULL, 0) == 0);
	CHECK(!readable(r, 0)); /* awake: no system call */
	CHECK(!ring_arm(r));	/* something waits */
	CHECK(ring_peek(r, &at, &len));
	ring_pop(r);
	CHECK(ring_arm(r));
	CHECK(!readable(r, 0));
	CHECK(ring_push(r, "b", 1, NULL, 0) == 0);
	CHECK(readable(r, 0));
	ring_disarm(r);
	CHECK(!readable(r, 0));
	CHECK(ring_push(r, "c", 1, NULL, 0) == 0);
	CHECK(!readable(r, 0));
	ring_free(r);
}

TEST(quiet_pushes_are_seen_and_wake_when_told_to)
{
	struct ring *r = ring_new(4096);
	const uint8_t *at;
	size_t len;

	CHECK(ring_arm(r));
	CHECK(ring_push_quietly(r, "a", 1, "b", 1) == 0);
	CHECK(ring_peek(r, &at, &len) && len == 2 && !readable(r, 0));
	ring_wake(r);
	CHECK(readable(r, 0));
	ring_disarm(r);
	ring_wake(r);
	CHECK(!readable(r, 0)); /* awake */
	ring_free(r);
}

enum { RECORDS = 200000 };

static void *produce(void *arg)
{
	struct ring *r = arg;
	uint8_t body[300];

	for (uint32_t i = 0; i < RECORDS;) {
		size_t len = (i * 7919u) % sizeof(body);

		memset(body, (int)(i & 0xff), sizeof(body));
		bool quietly = i % 5 != 0;
		int err = quietly ? ring_push_quietly(r, &i, sizeof(i), body, len)
				  : ring_push(r, &i, sizeof(i), body, len);
		i += err == 0;
		if (err)
			ring_wake(r);
	}
	ring_wake(r);
	return NULL;
}

/* Returns false at the first record that is out of order, short or torn. */
static bool check_record(const uint8_t *at, size_t len, uint32_t wanted)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	if (number != wanted || len != sizeof(number) + (number * 7919u) % 300)
		return false;
	for (size_t i = sizeof(number); i < len; i++)
		if (at[i] != (uint8_t)number)
			return false;
	return true;
}

static void pass_records(size_t capacity_bytes)
{
	struct ring *r = ring_new(capacity_bytes);
	const uint8_t *at;
	pthread_t thread;
	uint32_t next = 0;
	size_t len;

	CHECK(pthread_create(&thread, NULL, produce, r) == 0);
	while (next < RECORDS) {
		while (ring_peek(r, &at, &len)) {
			CHECK(check_record(at, len, next));
			ring_pop(r);
			next++;
		}
		if (next < RECORDS && ring_arm(r)) {
			CHECK(readable(r, 5000)); /* a lost wake ends the test here */
			ring_disarm(r);
		}
	}
	CHECK(pthread_join(thread, NULL) == 0);
	ring_free(r);
}

TEST(two_threads_pass_records_whole_and_no_wake_is_lost)
{
	pass_records(16384);   /* wraps and is full often */
	pass_records(1 << 20); /* begins anew often */
}
