/*
 * hash_index: finds a thing by the hash of one of its keys.
 *
 * Holds borrowed pointers and knows nothing of what they point to: the caller hashes (with a keyed
 * hash, since strangers choose the keys) and says by `same` whether a candidate is the one sought.
 * The all-zero struct is an empty index.
 */
#ifndef WARREN_HASH_INDEX_H
#define WARREN_HASH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_slot {
	uint64_t hash;
	void *value; /* NULL: free */
};

struct hash_index {
	struct hash_slot *slots; /* owned; linear probing, at most three quarters full */
	size_t cap;		 /* zero or a power of two */
	size_t count;
};

void hash_index_wipe(struct hash_index *index);

/* The caller has made sure that value is not in it. -ENOMEM. */
int hash_index_put(struct hash_index *index, uint64_t hash, void *value);

void *hash_index_find(const struct hash_index *index, uint64_t hash,
		      bool (*same)(const void *value, const void *key), const void *key);

/* Removes exactly this pointer; absent is fine. */
void hash_index_remove(struct hash_index *index, uint64_t hash, const void *value);

#endif
