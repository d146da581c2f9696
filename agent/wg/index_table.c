#include "agent/wg/index_table.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "agent/wg/keypair.h"

enum { LOW_BITS = INDEX_TABLE_SLOTS - 1, PROBES = 64 };
/* So many slots are in play that at most an eighth of them is taken. */
enum { SPAN_MIN = 512, SPAN_PER_USED = 8 };

struct reservation {
	void *owner; /* NULL: the slot is free */
	uint32_t index;
};

/* Two arrays: lanes touch only the first, main's bookkeeping stays out of their cache lines. Both
 * are large enough for calloc to map them, so an unused slot costs no memory. */
struct index_table {
	_Atomic(struct keypair *) keypairs[INDEX_TABLE_SLOTS];
	struct reservation reservations[INDEX_TABLE_SLOTS];
	_Atomic uint32_t mask; /* drawn with the first reservation, before anything is published */
	uint32_t used;
	bool has_mask;
};

struct index_table *index_table_new(void)
{
	return calloc(1, sizeof(struct index_table));
}

void index_table_free(struct index_table *t)
{
	free(t);
}

static uint32_t slot_of(const struct index_table *t, uint32_t index)
{
	return (index ^ atomic_load_explicit(&t->mask, memory_order_relaxed)) & LOW_BITS;
}

static uint32_t span_of(const struct index_table *t)
{
	uint32_t span = SPAN_MIN;

	while (span < INDEX_TABLE_SLOTS && span < SPAN_PER_USED * t->used)
		span *= 2;
	return span;
}

/* Where to look first. What the span has grown by is emptier than what it was before. */
static uint32_t start_of(const struct index_table *t, uint32_t random)
{
	uint32_t span = span_of(t);

	if (span == SPAN_MIN || span == INDEX_TABLE_SLOTS)
		return random & (span - 1);
	return span / 2 + (random & (span / 2 - 1));
}

static void draw_mask(struct index_table *t, uint32_t random)
{
	if (t->has_mask)
		return;
	atomic_store_explicit(&t->mask, random >> 16, memory_order_relaxed);
	t->has_mask = true;
}

int index_table_reserve(struct index_table *t, void *owner, uint32_t random, uint32_t *index)
{
	uint32_t start = start_of(t, random);

	assert(owner);
	draw_mask(t, random);
	for (uint32_t i = 0; i <= PROBES; i++) {
		uint32_t slot = (start + i) & LOW_BITS;
		struct reservation *res = &t->reservations[slot];

		if (res->owner)
			continue;
		res->owner = owner;
		res->index = (random & ~(uint32_t)LOW_BITS) | slot_of(t, slot);
		*index = res->index;
		t->used++;
		return 0;
	}
	return -ENOBUFS;
}

static bool is_reserved(const struct index_table *t, uint32_t index)
{
	const struct reservation *res = &t->reservations[slot_of(t, index)];
	return res->owner && res->index == index;
}

void *index_table_owner(const struct index_table *t, uint32_t index)
{
	return is_reserved(t, index) ? t->reservations[slot_of(t, index)].owner : NULL;
}

void index_table_publish(struct index_table *t, struct keypair *kp)
{
	assert(is_reserved(t, kp->local_index));
	atomic_store_explicit(&t->keypairs[slot_of(t, kp->local_index)], kp, memory_order_release);
}

void index_table_release(struct index_table *t, uint32_t index)
{
	if (!is_reserved(t, index))
		return;
	atomic_store_explicit(&t->keypairs[slot_of(t, index)], NULL, memory_order_release);
	t->reservations[slot_of(t, index)] = (struct reservation){0};
	t->used--;
}

struct keypair *index_table_find(const struct index_table *t, uint32_t index)
{
	struct keypair *kp =
		atomic_load_explicit(&t->keypairs[slot_of(t, index)], memory_order_acquire);
	return kp && kp->local_index == index ? kp : NULL;
}
