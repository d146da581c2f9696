/*
 * key_map: finds a peer by a public key (node key, disco key), in constant time.
 *
 * Open addressing over pointers that the caller owns; nothing is removed from what they point to.
 * Keys in the map come from the network map, so their first bytes serve as the hash; a stranger's
 * key is only ever looked up.
 */
#ifndef WARREN_KEY_MAP_H
#define WARREN_KEY_MAP_H

#include <stddef.h>

#include "common/key.h"

struct key_map_slot {
	struct public_key key;
	void *value; /* NULL: empty */
};

struct key_map { /* all zero: empty */
	struct key_map_slot *slots;
	size_t cap; /* a power of two, at least twice count */
	size_t count;
};

void key_map_free(struct key_map *m);
/* Replaces the value of a known key. -ENOMEM. */
MUST_CHECK int key_map_put(struct key_map *m, const struct public_key *key, void *value);
/* NULL where the key is not there. */
void *key_map_find(const struct key_map *m, const struct public_key *key);
/* An absent key is fine. */
void key_map_remove(struct key_map *m, const struct public_key *key);

#endif
