/*
 * index_table: receiver index to keypair, read by lanes without locks and without hashing.
 *
 * An index's low 16 bits are its slot under a random mask, its high 16 bits random, so that a stale
 * or guessed index finds nothing. Slots are taken from the table's start, as many as are needed,
 * so that few pages of it are ever touched. The main thread reserves, publishes and releases; any
 * thread finds. What index_table_find gave stays valid until the caller's next quiet point, as the
 * keypair is freed only after it (device.h, WG_RETIRED).
 *
 *	FREE --reserve--> RESERVED (handshake under way) --publish--> PUBLISHED --release--> FREE
 *	                  RESERVED --release--> FREE
 */
#ifndef WARREN_INDEX_TABLE_H
#define WARREN_INDEX_TABLE_H

#include <stdint.h>

#include "common/wire.h"

struct index_table;
struct keypair;

enum { INDEX_TABLE_SLOTS = 1 << 16 };

struct index_table *index_table_new(void);
void index_table_free(struct index_table *t); /* keypairs still in it stay their owners' */

/* Reserves an index for owner (not NULL; borrowed). random chooses slot and high bits, and
 * the first one the mask. -ENOBUFS
 * where the slot and the following 64 are all taken. Main thread. */
MUST_CHECK int index_table_reserve(struct index_table *t, void *owner, uint32_t random,
				   uint32_t *index);

/* Who reserved index, or NULL. Main thread. */
void *index_table_owner(const struct index_table *t, uint32_t index);

/* Makes kp be found under kp->local_index, which must be reserved. Main thread. */
void index_table_publish(struct index_table *t, struct keypair *kp);

/* Frees the slot; an index that isn't reserved is ignored. Main thread. */
void index_table_release(struct index_table *t, uint32_t index);

/* The keypair published under exactly this index, or NULL. Any thread. */
struct keypair *index_table_find(const struct index_table *t, uint32_t index);

#endif
