#include "agent/wg/index_table.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "agent/wg/keypair.h"

enum { SLOT_MASK = INDEX_TABLE_SLOTS - 1, PROBES = 64 };

struct reservation {
	void *owner; /* NULL: the slot is free */
	uint32_t index;
};

/* Two arrays: lanes touch only the first, main's bookkeeping stays out of their cache lines. Both
 * are large enough for calloc to map them, so an unused slot costs no memory. */
struct index_table {
	_Atomic(struct keypair *) keypairs[INDEX_TABLE_SLOTS];
	struct reservation reservations[INDEX_TABLE_SLOTS];
};

struct index_table *index_table_new(void)
{
	return calloc(1, sizeof(struct index_table));
}

void index_table_free(struct index_table *t)
{
	free(t);
}

int index_table_reserve(struct index_table *t, void *owner, uint32_t random, uint32_t *index)
{
	assert(owner);
	for (uint32_t i = 0; i <= PROBES; i++) {
		uint32_t slot = (random + i) & SLOT_MASK;
		struct reservation *res = &t->reservations[slot];

		if (res->owner)
			continue;
		*res = (struct reservation){owner, (random & ~(uint32_t)SLOT_MASK) | slot};
		*index = res->index;
		return 0;
	}
	return -ENOBUFS;
}

static bool is_reserved(const struct index_table *t, uint32_t index)
{
	const struct reservation *res = &t->reservations[index & SLOT_MASK];
	return res->owner && res->index == index;
}

void *index_table_owner(const struct index_table *t, uint32_t index)
{
	return is_reserved(t, index) ? t->reservations[index & SLOT_MASK].owner : NULL;
}

void index_table_publish(struct index_table *t, struct keypair *kp)
{
	assert(is_reserved(t, kp->local_index));
	atomic_store_explicit(&t->keypairs[kp->local_index & SLOT_MASK], kp, memory_order_release);
}

void index_table_release(struct index_table *t, uint32_t index)
{
	if (!is_reserved(t, index))
		return;
	atomic_store_explicit(&t->keypairs[index & SLOT_MASK], NULL, memory_order_release);
	t->reservations[index & SLOT_MASK] = (struct reservation){0};
}

struct keypair *index_table_find(const struct index_table *t, uint32_t index)
{
	struct keypair *kp =
		atomic_load_explicit(&t->keypairs[index & SLOT_MASK], memory_order_acquire);
	return kp && kp->local_index == index ? kp : NULL;
}
