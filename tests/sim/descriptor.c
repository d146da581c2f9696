#include "tests/sim/descriptor.h"

#include <assert.h>
#include <stdlib.h>

#include "tests/sim/world.h"

enum { FIRST_NUMBER = 1000000, FIRST_CAP = 256 };

struct descriptor {
	enum descriptor_kind kind;
	void *object;
	unsigned ready;
	struct descriptor_watch watches; /* the ring's own end: never called */
	bool is_open;
	size_t next_free;
};

struct table {
	struct descriptor **slots; /* their addresses stay: rings of watches point into them */
	size_t n, cap;
	size_t free_list; /* slot number + 1; 0: none */
};

static void free_table(void *ptr)
{
	struct table *t = ptr;

	for (size_t i = 0; i < t->n; i++)
		free(t->slots[i]);
	free(t->slots);
	free(t);
}

static struct table *table(void)
{
	struct world *w = world_running();
	struct table *t = world_part(w, WORLD_DESCRIPTORS);

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	world_set_part(w, WORLD_DESCRIPTORS, t, free_table);
	return t;
}

static struct descriptor *find(int fd)
{
	struct table *t = table();
	size_t i = (size_t)(fd - FIRST_NUMBER);

	return fd >= FIRST_NUMBER && i < t->n && t->slots[i]->is_open ? t->slots[i] : NULL;
}

static size_t add_slot(struct table *t)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : FIRST_CAP;
		t->slots = realloc(t->slots, t->cap * sizeof(struct descriptor *));
		if (!t->slots)
			abort();
	}
	t->slots[t->n] = calloc(1, sizeof(struct descriptor));
	if (!t->slots[t->n])
		abort();
	return t->n++;
}

int descriptor_new(enum descriptor_kind kind, void *object)
{
	struct table *t = table();
	size_t slot = t->free_list ? t->free_list - 1 : add_slot(t);
	struct descriptor *d = t->slots[slot];

	if (t->free_list)
		t->free_list = d->next_free;
	*d = (struct descriptor){.kind = kind, .object = object, .is_open = true};
	d->watches.prev = d->watches.next = &d->watches;
	return FIRST_NUMBER + (int)slot;
}

void descriptor_free(int fd)
{
	struct table *t = table();
	struct descriptor *d = find(fd);

	if (!d)
		return;
	while (d->watches.next != &d->watches)
		descriptor_unwatch(d->watches.next);
	d->is_open = false;
	d->next_free = t->free_list;
	t->free_list = (size_t)(fd - FIRST_NUMBER) + 1;
}

void *descriptor_object(int fd, enum descriptor_kind kind)
{
	struct descriptor *d = find(fd);

	return d && d->kind == kind ? d->object : NULL;
}

static void set_level(int fd, unsigned bit, bool is_set)
{
	struct descriptor *d = find(fd);

	if (!d)
		return;
	bool rises = is_set && !(d->ready & bit);
	d->ready = is_set ? d->ready | bit : d->ready & ~bit;
	if (!rises)
		return;
	for (struct descriptor_watch *w = d->watches.next, *next; w != &d->watches; w = next) {
		next = w->next;
		if (w->what & bit)
			w->on_ready(w->arg);
	}
}

void descriptor_set_readable(int fd, bool is_readable)
{
	set_level(fd, DESCRIPTOR_READABLE, is_readable);
}

void descriptor_set_writable(int fd, bool is_writable)
{
	set_level(fd, DESCRIPTOR_WRITABLE, is_writable);
}

unsigned descriptor_ready(int fd)
{
	struct descriptor *d = find(fd);

	return d ? d->ready : 0;
}

void descriptor_watch(struct descriptor_watch *watch)
{
	struct descriptor *d = find(watch->fd);

	assert(!watch->next);
	if (!d)
		return;
	watch->prev = d->watches.prev;
	watch->next = &d->watches;
	watch->prev->next = watch;
	d->watches.prev = watch;
	if (d->ready & watch->what)
		watch->on_ready(watch->arg);
}

void descriptor_unwatch(struct descriptor_watch *watch)
{
	if (!watch->next)
		return;
	watch->prev->next = watch->next;
	watch->next->prev = watch->prev;
	watch->prev = watch->next = NULL;
}
