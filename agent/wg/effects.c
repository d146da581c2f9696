#include "agent/wg/effects.h"

#include <stdlib.h>
#include <string.h>

enum { CAP_AT_FIRST = 8 };

static struct wg_effect *at(const struct effects *q, size_t i)
{
	return &q->items[(q->head + i) % q->cap];
}

static void grow(struct effects *q)
{
	size_t cap = q->cap ? 2 * q->cap : CAP_AT_FIRST;
	struct wg_effect *items = calloc(cap, sizeof(*items));

	if (!items)
		abort();
	for (size_t i = 0; i < q->count; i++)
		items[i] = *at(q, i);
	free(q->items);
	q->items = items;
	q->cap = cap;
	q->head = 0;
}

struct wg_effect *effects_push(struct effects *q, enum wg_effect_kind kind, struct wg_peer *peer)
{
	if (q->count == q->cap)
		grow(q);
	struct wg_effect *e = at(q, q->count++);
	*e = (struct wg_effect){.kind = kind, .peer = peer};
	return e;
}

bool effects_take(struct effects *q, struct wg_effect *out)
{
	if (q->count == 0)
		return false;
	*out = *at(q, 0);
	q->head = (q->head + 1) % q->cap;
	q->count--;
	return true;
}

void effects_forget_peer(struct effects *q, const struct wg_peer *peer)
{
	struct wg_effect e;

	for (size_t left = q->count; left > 0; left--) {
		(void)effects_take(q, &e);
		if (e.peer == peer && e.kind != WG_RETIRED)
			continue;
		if (e.peer == peer)
			e.peer = NULL;
		*at(q, q->count++) = e;
	}
}

void effects_wipe(struct effects *q)
{
	free(q->items);
	*q = (struct effects){0};
}
