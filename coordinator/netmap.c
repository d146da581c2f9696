#include "coordinator/netmap.h"

#include <errno.h>
#include <stdlib.h>

struct netmap {
	uint64_t number; /* of the last change */
	uint64_t oldest; /* the lowest number from which deltas can be given */
	size_t capacity;
	uint32_t ring[]; /* the change `number` is at number % capacity */
};

struct netmap *netmap_new(uint64_t first, size_t capacity)
{
	struct netmap *m = calloc(1, sizeof(*m) + capacity * sizeof(m->ring[0]));

	if (!m)
		abort();
	m->number = m->oldest = first;
	m->capacity = capacity;
	return m;
}

void netmap_free(struct netmap *m)
{
	free(m);
}

uint64_t netmap_log(struct netmap *m, uint32_t node_id)
{
	m->number++;
	m->ring[m->number % m->capacity] = node_id;
	if (m->number - m->oldest > m->capacity)
		m->oldest = m->number - m->capacity;
	return m->number;
}

uint64_t netmap_forget(struct netmap *m)
{
	m->number++;
	m->oldest = m->number;
	return m->number;
}

uint64_t netmap_number(const struct netmap *m)
{
	return m->number;
}

static int by_id(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

int netmap_since(const struct netmap *m, uint64_t number, uint32_t **ids, size_t *count)
{
	if (number < m->oldest || number > m->number)
		return -ESTALE;

	size_t n = (size_t)(m->number - number), kept = 0;
	uint32_t *list = calloc(n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		list[i] = m->ring[(number + 1 + i) % m->capacity];
	qsort(list, n, sizeof(*list), by_id);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || list[i] != list[i - 1])
			list[kept++] = list[i];
	*ids = list;
	*count = kept;
	return 0;
}
