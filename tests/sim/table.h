/*
 * table: pointers and numbers found by a key of forty bytes: addresses, endpoints, pairs of them.
 *
 * Open addressing with linear probing, at most half full, grown as needed. Iteration order depends
 * on the keys alone, so that a replay is the same.
 */
#ifndef WARREN_SIM_TABLE_H
#define WARREN_SIM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

struct table_key {
	uint64_t w[5]; /* w[4] is never 0 in a key: see table_key_of */
};

struct table_entry {
	struct table_key key;
	union {
		void *ptr;
		uint64_t number;
	} value;
};

struct table { /* all zero is empty */
	struct table_entry *entries;
	size_t cap, count;
};

/* kind tells keys of several sorts in one table apart: 1 and on. b may be NULL. */
struct table_key table_key_of(uint16_t kind, const struct endpoint *a, const struct endpoint *b);
struct table_key table_key_of_ip(const struct ip_addr *ip);

/* NULL: not there. Valid until the next table_add or table_remove. */
struct table_entry *table_find(const struct table *t, const struct table_key *key);
/* The entry that is there, or a new one with value 0. */
struct table_entry *table_add(struct table *t, const struct table_key *key);
bool table_remove(struct table *t, const struct table_key *key);
/* Empties it and gives the memory back. */
void table_wipe(struct table *t);
/* The first entry in use from *at on, NULL at the end; *at is moved behind it. Start with 0. */
struct table_entry *table_next(const struct table *t, size_t *at);

#endif
