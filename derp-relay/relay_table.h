/*
 * relay_table: an intrusive hash table, for the hub's keys and its record of who wrote to whom.
 *
 * Nodes are embedded in the caller's structs and carry their full hash; the caller computes it
 * (with a secret seed where strangers choose the key) and compares the rest. Grows by doubling, one
 * allocation each, and never shrinks. All-zero is the valid empty table.
 */
#ifndef WARREN_RELAY_TABLE_H
#define WARREN_RELAY_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct relay_table_node {
	struct relay_table_node *next;
	uint64_t hash;
};

struct relay_table {
	struct relay_table_node **buckets;
	size_t capacity; /* buckets: zero or a power of two */
	size_t count;
};

/* The first node with this hash, or NULL; go on with _next, comparing keys. */
struct relay_table_node *relay_table_first(const struct relay_table *t, uint64_t hash);
struct relay_table_node *relay_table_next(const struct relay_table_node *node);

void relay_table_add(struct relay_table *t, struct relay_table_node *node, uint64_t hash);
/* node is in the table. */
void relay_table_remove(struct relay_table *t, struct relay_table_node *node);
void relay_table_wipe(struct relay_table *t); /* nodes stay the caller's */

#endif
