#include "tests/sim/table.h"

#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 16 };

struct table_key table_key_of(uint16_t kind, const struct endpoint *a, const struct endpoint *b)
{
	struct table_key key = {0};

	memcpy(&key.w[0], &a->ip, 16);
	if (b)
		memcpy(&key.w[2], &b->ip, 16);
	key.w[4] = (uint64_t)kind << 32 | (uint64_t)a->port << 16 | (b ? b->port : 0);
	return key;
}

struct table_key table_key_of_ip(const struct ip_addr *ip)
{
	struct table_key key = {.w[4] = 1};

	memcpy(&key.w[0], ip, 16);
	return key;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t home_of(const struct table *t, const struct table_key *k)
{
	uint64_t h = fold(k->w[0] ^ 0xa0761d6478bd642f, k->w[1] ^ 0xe7037ed1a0b428db);

	h ^= fold(k->w[2] ^ 0x8ebc6af09c88c6e3, k->w[3] ^ 0x589965cc75374cc3);
	h = fold(h ^ 0x1d8e4e27c47d124f, k->w[4] ^ 0xeb44accab455d165);
	return (size_t)h & (t->cap - 1);
}

static bool is_used(const struct table_entry *e)
{
	return e->key.w[4] != 0;
}

static bool has_key(const struct table_entry *e, const struct table_key *k)
{
	return ((e->key.w[0] ^ k->w[0]) | (e->key.w[1] ^ k->w[1]) | (e->key.w[2] ^ k->w[2]) |
		(e->key.w[3] ^ k->w[3]) | (e->key.w[4] ^ k->w[4])) == 0;
}

/* Where the key is, or the free entry where it would go. */
static struct table_entry *entry_for(const struct table *t, const struct table_key *key)
{
	size_t i = home_of(t, key);

	while (is_used(&t->entries[i]) && !has_key(&t->entries[i], key))
		i = (i + 1) & (t->cap - 1);
	return &t->entries[i];
}

struct table_entry *table_find(const struct table *t, const struct table_key *key)
{
	if (t->count == 0)
		return NULL;
	struct table_entry *e = entry_for(t, key);
	return is_used(e) ? e : NULL;
}

static void grow(struct table *t)
{
	struct table old = *t;

	t->cap = old.cap ? old.cap * 2 : CAP_MIN;
	t->entries = calloc(t->cap, sizeof(*t->entries));
	if (!t->entries)
		abort();
	for (size_t i = 0; i < old.cap; i++)
		if (is_used(&old.entries[i]))
			*entry_for(t, &old.entries[i].key) = old.entries[i];
	free(old.entries);
}

struct table_entry *table_add(struct table *t, const struct table_key *key)
{
	if (t->count * 2 >= t->cap)
		grow(t);
	struct table_entry *e = entry_for(t, key);
	if (!is_used(e)) {
		*e = (struct table_entry){.key = *key};
		t->count++;
	}
	return e;
}

bool table_remove(struct table *t, const struct table_key *key)
{
	struct table_entry *e = table_find(t, key);

	if (!e)
		return false;
	size_t hole = (size_t)(e - t->entries), mask = t->cap - 1;
	/* Entries behind it that a lookup would no longer reach move into the hole. */
	for (size_t i = (hole + 1) & mask; is_used(&t->entries[i]); i = (i + 1) & mask) {
		size_t home = home_of(t, &t->entries[i].key);
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		t->entries[hole] = t->entries[i];
		hole = i;
	}
	t->entries[hole] = (struct table_entry){0};
	t->count--;
	return true;
}

void table_wipe(struct table *t)
{
	free(t->entries);
	*t = (struct table){0};
}

struct table_entry *table_next(const struct table *t, size_t *at)
{
	while (*at < t->cap) {
		struct table_entry *e = &t->entries[(*at)++];
		if (is_used(e))
			return e;
	}
	return NULL;
}
