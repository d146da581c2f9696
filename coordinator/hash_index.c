#include "coordinator/hash_index.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_CAP = 64 };

void hash_index_wipe(struct hash_index *index)
{
	free(index->slots);
	*index = (struct hash_index){0};
}

static void insert(struct hash_slot *slots, size_t cap, uint64_t hash, void *value)
{
	size_t i = hash & (cap - 1);

	while (slots[i].value)
		i = (i + 1) & (cap - 1);
	slots[i] = (struct hash_slot){.hash = hash, .value = value};
}

static int grow(struct hash_index *index)
{
	size_t cap = index->cap ? index->cap * 2 : FIRST_CAP;
	struct hash_slot *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < index->cap; i++)
		if (index->slots[i].value)
			insert(slots, cap, index->slots[i].hash, index->slots[i].value);
	free(index->slots);
	index->slots = slots;
	index->cap = cap;
	return 0;
}

int hash_index_put(struct hash_index *index, uint64_t hash, void *value)
{
	if (index->count >= index->cap / 4 * 3) {
		int err = grow(index);
		if (err)
			return err;
	}
	insert(index->slots, index->cap, hash, value);
	index->count++;
	return 0;
}

void *hash_index_find(const struct hash_index *index, uint64_t hash,
		      bool (*same)(const void *value, const void *key), const void *key)
{
	if (index->cap == 0)
		return NULL;
	for (size_t i = hash & (index->cap - 1); index->slots[i].value;
	     i = (i + 1) & (index->cap - 1))
		if (index->slots[i].hash == hash && same(index->slots[i].value, key))
			return index->slots[i].value;
	return NULL;
}

/* Moves later members of the run back over the hole at `hole`, so that no search ends early. */
static void close_hole(struct hash_index *index, size_t hole)
{
	size_t mask = index->cap - 1;

	for (size_t i = (hole + 1) & mask; index->slots[i].value; i = (i + 1) & mask) {
		size_t home = index->slots[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			index->slots[hole] = index->slots[i];
			hole = i;
		}
	}
	index->slots[hole] = (struct hash_slot){0};
}

void hash_index_remove(struct hash_index *index, uint64_t hash, const void *value)
{
	if (index->cap == 0)
		return;
	for (size_t i = hash & (index->cap - 1); index->slots[i].value;
	     i = (i + 1) & (index->cap - 1)) {
		if (index->slots[i].value != value)
			continue;
		close_hole(index, i);
		index->count--;
		return;
	}
}
