#include "agent/tunnel/quiet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ASLEEP UINT64_MAX

void quiet_init(struct quiet *q, size_t n_lanes)
{
	assert(n_lanes <= QUIET_LANES_MAX);
	memset(q, 0, sizeof(*q));
	q->n_lanes = n_lanes;
	for (size_t i = 0; i < n_lanes; i++)
		atomic_store(&q->lanes[i].seen, ASLEEP);
}

void quiet_wipe(struct quiet *q)
{
	for (size_t i = 0; i < q->n_retired; i++)
		q->list[i].release(q->list[i].ptr);
	free(q->list);
	q->list = NULL;
	q->n_retired = q->cap = 0;
}

void quiet_pass(struct quiet *q, size_t lane)
{
	uint64_t epoch = atomic_load(&q->epoch);

	/* Most turns nothing was retired: then the cache line stays shared. */
	if (atomic_load_explicit(&q->lanes[lane].seen, memory_order_relaxed) != epoch)
		atomic_store(&q->lanes[lane].seen, epoch);
}

void quiet_sleep(struct quiet *q, size_t lane)
{
	atomic_store(&q->lanes[lane].seen, ASLEEP);
}

/* What matters is that this store precedes the lane's loads of published pointers in the single
 * order of sequentially consistent operations: main, having replaced a pointer, either sees the
 * lane awake or the lane sees the new pointer. */
void quiet_wake(struct quiet *q, size_t lane)
{
	atomic_store(&q->lanes[lane].seen, atomic_load(&q->epoch));
}

void quiet_retire(struct quiet *q, void *ptr, void (*release)(void *))
{
	if (!ptr)
		return;
	if (q->n_retired == q->cap) {
		size_t cap = q->cap ? 2 * q->cap : 16;
		struct quiet_retired *list = realloc(q->list, cap * sizeof(*list));

		/* Freeing early would be worse than ending: lanes may be reading it. */
		if (!list)
			abort();
		q->list = list;
		q->cap = cap;
	}
	uint64_t epoch = atomic_fetch_add(&q->epoch, 1) + 1;
	q->list[q->n_retired++] = (struct quiet_retired){ptr, release, epoch};
}

/* The newest epoch that every lane has passed. */
static uint64_t passed_by_all(struct quiet *q)
{
	uint64_t oldest = UINT64_MAX;

	for (size_t i = 0; i < q->n_lanes; i++) {
		uint64_t seen = atomic_load(&q->lanes[i].seen);
		if (seen < oldest)
			oldest = seen;
	}
	return oldest;
}

size_t quiet_reclaim(struct quiet *q)
{
	uint64_t passed = passed_by_all(q);
	size_t n = 0;

	while (n < q->n_retired && q->list[n].epoch <= passed) {
		q->list[n].release(q->list[n].ptr);
		n++;
	}
	q->n_retired -= n;
	if (n > 0)
		memmove(q->list, q->list + n, q->n_retired * sizeof(*q->list));
	return q->n_retired;
}
