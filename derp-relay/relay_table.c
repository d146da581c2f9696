#include "derp-relay/relay_table.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

static struct relay_table_node **bucket_of(const struct relay_table *t, uint64_t hash)
{
	return &t->buckets[hash & (t->capacity - 1)];
}

static struct relay_table_node *skip_to(struct relay_table_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct relay_table_node *relay_table_first(const struct relay_table *t, uint64_t hash)
{
	return t->capacity ? skip_to(*bucket_of(t, hash), hash) : NULL;
}

struct relay_table_node *relay_table_next(const struct relay_table_node *node)
{
	return skip_to(node->next, node->hash);
}

/* A table that can't grow stays right and only becomes slower; the first one must be had. */
static void grow(struct relay_table *t)
{
	struct relay_table bigger = {.capacity = t->capacity ? t->capacity * 2 : FIRST_CAPACITY};

	bigger.buckets = calloc(bigger.capacity, sizeof(struct relay_table_node *));
	if (!bigger.buckets) {
		if (t->capacity == 0)
			abort();
		return;
	}
	for (size_t i = 0; i < t->capacity; i++) {
		for (struct relay_table_node *n = t->buckets[i], *next; n; n = next) {
			struct relay_table_node **head = bucket_of(&bigger, n->hash);

			next = n->next;
			n->next = *head;
			*head = n;
		}
	}
	free(t->buckets);
	t->buckets = bigger.buckets;
	t->capacity = bigger.capacity;
}

void relay_table_add(struct relay_table *t, struct relay_table_node *node, uint64_t hash)
{
	if (t->count >= t->capacity)
		grow(t);

	struct relay_table_node **head = bucket_of(t, hash);
	node->hash = hash;
	node->next = *head;
	*head = node;
	t->count++;
}

void relay_table_remove(struct relay_table *t, struct relay_table_node *node)
{
	struct relay_table_node **link = bucket_of(t, node->hash);

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	t->count--;
}

void relay_table_wipe(struct relay_table *t)
{
	free(t->buckets);
	*t = (struct relay_table){0};
}
