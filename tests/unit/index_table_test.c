#include "agent/wg/index_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "agent/wg/keypair.h"
#include "tests/unit/test.h"

TEST(finds_what_is_published_under_the_whole_index_only)
{
	struct index_table *t = index_table_new();
	struct keypair *kp = keypair_new();
	uint32_t index;
	int owner;

	CHECK_INT(index_table_reserve(t, &owner, 0xabcd1234, &index), 0);
	CHECK(index >> 16 == 0xabcd);
	kp->local_index = index;
	CHECK(index_table_find(t, index) == NULL);
	CHECK(index_table_owner(t, index) == &owner);
	index_table_publish(t, kp);
	CHECK(index_table_find(t, index) == kp);
	for (unsigned bit = 0; bit < 32; bit++) {
		uint32_t other = index ^ (UINT32_C(1) << bit);

		CHECK(index_table_find(t, other) == NULL);
		CHECK(index_table_owner(t, other) == NULL);
		index_table_release(t, other); /* not ours */
	}
	CHECK(index_table_find(t, index) == kp);
	index_table_release(t, index);
	CHECK(index_table_find(t, index) == NULL);
	CHECK(index_table_owner(t, index) == NULL);
	keypair_free(kp);
	index_table_free(t);
}

/* The generator's low bits are poor. */
static uint32_t scrambled(uint32_t random)
{
	return (random ^ random >> 15) * UINT32_C(0x2c1b3c6d);
}

TEST(a_taken_slot_leads_to_the_next_and_a_full_table_refuses)
{
	struct index_table *t = index_table_new();
	uint32_t first, second, index, random = 1;
	unsigned n = 0;
	int owner, rc;

	CHECK_INT(index_table_reserve(t, &owner, 0x7777fff0, &first), 0);
	CHECK_INT(index_table_reserve(t, &owner, 0x7777fff0, &second), 0);
	CHECK(first != second);
	index_table_release(t, first);
	CHECK_INT(index_table_reserve(t, &owner, 0x7777fff0, &index), 0);
	CHECK(index == first);
	do {
		random = random * 1664525 + 1013904223;
		rc = index_table_reserve(t, &owner, scrambled(random), &index);
	} while (rc == 0 && ++n < INDEX_TABLE_SLOTS);
	CHECK_INT(rc, -ENOBUFS);
	CHECK(n > 30000);
	index_table_free(t);
}

TEST(a_few_at_a_time_stay_within_512_slots_and_20000_at_once_fit)
{
	struct index_table *t = index_table_new();
	bool *seen = calloc(INDEX_TABLE_SLOTS, sizeof(*seen));
	uint32_t random = 1, index, last = 0;
	unsigned slots = 0;
	int owner;

	CHECK(seen != NULL);
	for (unsigned i = 0; i < 100000; i++) {
		random = random * 1664525 + 1013904223;
		CHECK_INT(index_table_reserve(t, &owner, scrambled(random), &index), 0);
		slots += !seen[index % INDEX_TABLE_SLOTS];
		seen[index % INDEX_TABLE_SLOTS] = true;
		if (i > 0)
			index_table_release(t, last);
		last = index;
	}
	CHECK(slots <= 512 + 1);
	for (unsigned i = 0; i < 20000; i++) {
		random = random * 1664525 + 1013904223;
		CHECK_INT(index_table_reserve(t, &owner, scrambled(random), &index), 0);
	}
	free(seen);
	index_table_free(t);
}

/* ---- a lane looks up while main publishes and releases ---- */

enum { PUBLISHED = 5000 };

struct race {
	struct index_table *table;
	_Atomic uint32_t index;
	_Atomic bool stop;
	unsigned wrong;
};

static void *look_up(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->stop)) {
		struct keypair *kp = index_table_find(race->table, atomic_load(&race->index));

		race->wrong += kp && kp->remote_index != 42;
	}
	return NULL;
}

TEST(lookups_beside_changes_see_all_or_nothing)
{
	static struct keypair *keypairs[PUBLISHED]; /* as in use: none is changed once published */
	struct race race = {.table = index_table_new()};
	pthread_t thread;
	int owner;

	CHECK(pthread_create(&thread, NULL, look_up, &race) == 0);
	for (unsigned i = 0; i < PUBLISHED; i++) {
		uint32_t index;

		keypairs[i] = keypair_new();
		keypairs[i]->remote_index = 42;
		CHECK_INT(index_table_reserve(race.table, &owner, 0x00050007, &index), 0);
		keypairs[i]->local_index = index;
		atomic_store(&race.index, index);
		index_table_publish(race.table, keypairs[i]);
		index_table_release(race.table, index);
	}
	atomic_store(&race.stop, true);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_INT(race.wrong, 0);
	for (unsigned i = 0; i < PUBLISHED; i++)
		keypair_free(keypairs[i]);
	index_table_free(race.table);
}
