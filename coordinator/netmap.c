#include "coordinator/netmap.h"

#include <errno.h>
#include <stdlib.h>

struct removal {
	uint64_t number;
	uint32_t node_id;
};

struct netmap {
	uint64_t number; /* of the last change */
	uint64_t oldest; /* the lowest number from which deltas can be given */
	uint64_t logged; /* removals ever; the next goes to logged % capacity */
	size_t capacity;
	struct removal ring[];
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

uint64_t netmap_next(struct netmap *m)
{
	return ++m->number;
}

uint64_t netmap_log_removal(struct netmap *m, uint32_t node_id)
{
	struct removal *place = &m->ring[m->logged % m->capacity];

	if (m->logged >= m->capacity && place->number > m->oldest)
		m->oldest = place->number; /* who holds that number has heard of it */
	*place = (struct removal){.number = ++m->number, .node_id = node_id};
	m->logged++;
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

int netmap_removed_since(const struct netmap *m, uint64_t number, uint32_t **ids, size_t *count)
{
	if (number < m->oldest || number > m->number)
		return -ESTALE;

	size_t held = m->logged < m->capacity ? (size_t)m->logged : m->capacity, n = 0;
	while (n < held && m->ring[(m->logged - 1 - n) % m->capacity].number > number)
		n++;
	uint32_t *list = calloc(n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		list[i] = m->ring[(m->logged - n + i) % m->capacity].node_id;
	*ids = list;
	*count = n;
	return 0;
}
