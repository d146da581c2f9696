#include "agent/key_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void key_map_free(struct key_map *m)
{
	free(m->slots);
	*m = (struct key_map){0};
}

static size_t home_of(const struct key_map *m, const struct public_key *key)
{
	uint64_t hash;

	memcpy(&hash, key->b, sizeof(hash));
	return (size_t)(hash ^ hash >> 32) & (m->cap - 1);
}

/* The key's slot, or the empty one where it would go. There is always an empty one. */
static struct key_map_slot *seek(const struct key_map *m, const struct public_key *key)
{
	size_t i = home_of(m, key);

	while (m->slots[i].value && memcmp(m->slots[i].key.b, key->b, KEY_LEN) != 0)
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

static int grow(struct key_map *m)
{
	struct key_map bigger = {.cap = m->cap ? 2 * m->cap : 16, .count = m->count};

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].value)
			*seek(&bigger, &m->slots[i].key) = m->slots[i];
	free(m->slots);
	*m = bigger;
	return 0;
}

int key_map_put(struct key_map *m, const struct public_key *key, void *value)
{
	if (2 * (m->count + 1) > m->cap && grow(m) != 0)
		return -ENOMEM;

	struct key_map_slot *slot = seek(m, key);
	m->count += slot->value == NULL;
	*slot = (struct key_map_slot){*key, value};
	return 0;
}

void *key_map_find(const struct key_map *m, const struct public_key *key)
{
	return m->count ? seek(m, key)->value : NULL;
}

void key_map_remove(struct key_map *m, const struct public_key *key)
{
	struct key_map_slot *slot = m->count ? seek(m, key) : NULL;

	if (!slot || !slot->value)
		return;
	slot->value = NULL;
	m->count--;

	/* What probed past the hole moves up, so that every chain stays whole. */
	size_t mask = m->cap - 1;
	for (size_t i = ((size_t)(slot - m->slots) + 1) & mask; m->slots[i].value;
	     i = (i + 1) & mask) {
		struct key_map_slot moved = m->slots[i];

		m->slots[i].value = NULL;
		*seek(m, &moved.key) = moved;
	}
}
