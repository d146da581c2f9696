#include "tests/sim/host_part.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

struct parts {
	struct host *host;
	void *ptr[HOST_PARTS];
	void (*free_part[HOST_PARTS])(void *ptr);
};

struct book {
	struct parts *entries;
	size_t n, cap, last; /* last: where the last look-up ended */
};

static void wipe(struct parts *p)
{
	for (size_t i = HOST_PARTS; i-- > 0;) {
		void *ptr = p->ptr[i];

		p->ptr[i] = NULL;
		if (ptr && p->free_part[i])
			p->free_part[i](ptr);
	}
}

static void free_book(void *ptr)
{
	struct book *b = ptr;

	for (size_t i = 0; i < b->n; i++)
		wipe(&b->entries[i]);
	free(b->entries);
	free(b);
}

static struct book *book(void)
{
	struct book *b = world_part(world_running(), WORLD_HOST_PARTS);

	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	world_set_part(world_running(), WORLD_HOST_PARTS, b, free_book);
	return b;
}

static struct parts *find(struct book *b, const struct host *host)
{
	if (b->last < b->n && b->entries[b->last].host == host)
		return &b->entries[b->last];
	for (size_t i = 0; i < b->n; i++)
		if (b->entries[i].host == host) {
			b->last = i;
			return &b->entries[i];
		}
	return NULL;
}

static struct parts *find_or_add(struct host *host)
{
	struct book *b = book();
	struct parts *p = find(b, host);

	if (p)
		return p;
	if (b->n == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 16;
		b->entries = realloc(b->entries, b->cap * sizeof(*b->entries));
		if (!b->entries)
			abort();
	}
	b->entries[b->n] = (struct parts){.host = host};
	return &b->entries[b->n++];
}

void *host_part(struct host *host, enum host_part part)
{
	struct parts *p = find(book(), host);

	return p ? p->ptr[part] : NULL;
}

void host_set_part(struct host *host, enum host_part part, void *ptr, void (*free_part)(void *ptr))
{
	struct parts *p = find_or_add(host);
	void *old = p->ptr[part];
	void (*free_old)(void *) = p->free_part[part];

	p->ptr[part] = ptr;
	p->free_part[part] = free_part;
	if (old && old != ptr && free_old)
		free_old(old);
}

void host_parts_drop(struct host *host)
{
	struct book *b = book();
	struct parts *p = find(b, host);

	if (!p)
		return;
	wipe(p);
	*p = b->entries[--b->n];
}
