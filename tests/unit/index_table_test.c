#include "agent/wg/index_table.h"

#include <errno.h>
#include <pthread.h>

#include "agent/wg/keypair.h"
#include "tests/unit/test.h"

TEST(finds_what_is_published_under_the_whole_index_only)
{
	struct index_table *t = index_table_new();
	struct keypair *kp = keypair_new();
	int owner;

	CHECK_INT(index_table_reserve(t, &owner, 0xabcd1234, &kp->local_index), 0);
	CHECK(kp->local_index == 0xabcd1234);
	CHECK(index_table_find(t, 0xabcd1234) == NULL);
	CHECK(index_table_owner(t, 0xabcd1234) == &owner);
	index_table_publish(t, kp);
	CHECK(index_table_find(t, 0xabcd1234) == kp);
	CHECK(index_table_find(t, 0xabce1234) == NULL);
	CHECK(index_table_find(t, 0xabcd1235) == NULL);
	CHECK(index_table_owner(t, 0xabce1234) == NULL);

	index_table_release(t, 0xabce1234); /* not this one */
	CHECK(index_table_find(t, 0xabcd1234) == kp);
	index_table_release(t, 0xabcd1234);
	CHECK(index_table_find(t, 0xabcd1234) == NULL);
	CHECK(index_table_owner(t, 0xabcd1234) == NULL);
	keypair_free(kp);
	index_table_free(t);
}

TEST(takes_the_next_slot_where_one_is_taken_and_gives_up_after_64)
{
	struct index_table *t = index_table_new();
	uint32_t index;
	int owner;

	for (uint32_t i = 0; i <= 64; i++) {
		CHECK_INT(index_table_reserve(t, &owner, 0x7777fff0, &index), 0);
		CHECK(index == (0x77770000 | ((0xfff0 + i) & 0xffff)));
	}
	CHECK_INT(index_table_reserve(t, &owner, 0x7777fff0, &index), -ENOBUFS);
	index_table_release(t, 0x77770003);
	CHECK_INT(index_table_reserve(t, &owner, 0x7777fff0, &index), 0);
	CHECK(index == 0x77770003);
	index_table_free(t);
}

/* ---- a lane looks up while main publishes and releases ---- */

struct race {
	struct index_table *table;
	struct keypair *keypair;
	_Atomic bool stop;
	unsigned wrong;
};

static void *look_up(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->stop)) {
		struct keypair *kp = index_table_find(race->table, 0x00050007);

		race->wrong += kp && (kp != race->keypair || kp->remote_index != 42);
	}
	return NULL;
}

TEST(lookups_beside_changes_see_all_or_nothing)
{
	struct race race = {.table = index_table_new(), .keypair = keypair_new()};
	pthread_t thread;
	int owner;

	race.keypair->remote_index = 42;
	CHECK(pthread_create(&thread, NULL, look_up, &race) == 0);
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t index;

		CHECK_INT(index_table_reserve(race.table, &owner, 0x00050007, &index), 0);
		race.keypair->local_index = index;
		index_table_publish(race.table, race.keypair);
		index_table_release(race.table, index);
	}
	atomic_store(&race.stop, true);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_INT(race.wrong, 0);
	keypair_free(race.keypair);
	index_table_free(race.table);
}
