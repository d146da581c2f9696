#include "coordinator/hash_index.h"

#include <stdlib.h>

#include "tests/unit/test.h"

static bool same(const void *value, const void *key)
{
	return *(const uint32_t *)value == *(const uint32_t *)key;
}

/* Few buckets, so that runs are long and holes matter. */
static uint64_t hash_of(uint32_t value)
{
	return value % 7;
}

TEST(agrees_with_a_plain_array_over_random_puts_and_removes)
{
	enum { N = 64 };
	struct hash_index index = {0};
	uint32_t values[N];
	bool in[N] = {false};
	unsigned seed = 1;

	for (uint32_t i = 0; i < N; i++)
		values[i] = i;
	for (int round = 0; round < 20000; round++) {
		seed = seed * 1103515245 + 12345;
		uint32_t i = (seed >> 16) % N;

		if (in[i])
			hash_index_remove(&index, hash_of(i), &values[i]);
		else
			CHECK_INT(hash_index_put(&index, hash_of(i), &values[i]), 0);
		in[i] = !in[i];
		uint32_t probe = (seed >> 20) % N;
		void *found = hash_index_find(&index, hash_of(probe), same, &probe);
		CHECK(found == (in[probe] ? &values[probe] : NULL));
	}
	hash_index_wipe(&index);
}

TEST(finds_nothing_when_empty)
{
	struct hash_index index = {0};
	uint32_t key = 1;

	CHECK(hash_index_find(&index, 1, same, &key) == NULL);
	hash_index_remove(&index, 1, &key);
	CHECK(index.count == 0);
}
