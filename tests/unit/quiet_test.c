#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "agent/tunnel/quiet.h"
#include "tests/unit/test.h"

static unsigned released;

static void count_release(void *ptr)
{
	(void)ptr;
	released++;
}

TEST(frees_at_once_while_all_lanes_sleep)
{
	struct quiet q;
	int thing;

	released = 0;
	quiet_init(&q, 2);
	quiet_retire(&q, &thing, count_release);
	CHECK_INT(quiet_reclaim(&q), 0);
	CHECK_INT(released, 1);
	quiet_wipe(&q);
}

TEST(waits_for_each_lane_that_was_awake)
{
	struct quiet q;
	int thing;

	released = 0;
	quiet_init(&q, 3);
	quiet_wake(&q, 0);
	quiet_wake(&q, 1);
	quiet_retire(&q, &thing, count_release);
	CHECK_INT(quiet_reclaim(&q), 1);
	quiet_pass(&q, 0);
	CHECK_INT(quiet_reclaim(&q), 1);
	CHECK_INT(released, 0);
	quiet_sleep(&q, 1);
	CHECK_INT(quiet_reclaim(&q), 0);
	CHECK_INT(released, 1);
	quiet_wipe(&q);
}

TEST(a_lane_that_wakes_later_does_not_hold_up_what_was_retired_before)
{
	struct quiet q;
	int old, fresh;

	released = 0;
	quiet_init(&q, 1);
	quiet_wake(&q, 0);
	quiet_retire(&q, &old, count_release);
	quiet_sleep(&q, 0);
	quiet_wake(&q, 0);
	quiet_retire(&q, &fresh, count_release);
	CHECK_INT(quiet_reclaim(&q), 1);
	CHECK_INT(released, 1);
	quiet_wipe(&q); /* the end frees what is left */
	CHECK_INT(released, 2);
}

TEST(nothing_is_retired_for_null)
{
	struct quiet q;

	released = 0;
	quiet_init(&q, 0);
	quiet_retire(&q, NULL, count_release);
	CHECK_INT(quiet_reclaim(&q), 0);
	CHECK_INT(released, 0);
	quiet_wipe(&q);
}

/* ---- two threads: what a lane reads is never freed under it ---- */

static struct quiet shared;
static _Atomic(_Atomic int *) published;
static atomic_bool done;

static void poison_and_free(void *ptr)
{
	_Atomic int *value = ptr;

	atomic_store(value, -1);
	free(ptr);
}

static void *read_for_ever(void *arg)
{
	bool *saw_poison = arg;
	unsigned n = 0;

	while (!atomic_load(&done)) {
		quiet_wake(&shared, 0);
		for (unsigned i = 0; i < 8; i++) {
			_Atomic int *p = atomic_load(&published);

			if (p && atomic_load(p) != 42)
				*saw_poison = true;
			if (++n % 3 == 0) /* p is not held any more */
				quiet_pass(&shared, 0);
		}
		quiet_sleep(&shared, 0);
	}
	return NULL;
}

TEST(a_reader_never_sees_what_was_freed)
{
	bool saw_poison = false;
	pthread_t reader;

	quiet_init(&shared, 1);
	CHECK_INT(pthread_create(&reader, NULL, read_for_ever, &saw_poison), 0);
	for (unsigned i = 0; i < 100000; i++) {
		_Atomic int *fresh = malloc(sizeof(*fresh));

		assert_non_null(fresh);
		atomic_init(fresh, 42);
		quiet_retire(&shared, atomic_exchange(&published, fresh), poison_and_free);
		quiet_reclaim(&shared);
	}
	atomic_store(&done, true);
	pthread_join(reader, NULL);
	quiet_retire(&shared, atomic_exchange(&published, NULL), poison_and_free);
	CHECK_INT(quiet_reclaim(&shared), 0);
	quiet_wipe(&shared);
	CHECK(!saw_poison);
}
