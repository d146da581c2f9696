#include "agent/tunnel/backlog.h"

#include <stdlib.h>
#include <string.h>

void backlog_init(struct backlog *b, size_t size_bytes, unsigned n_max)
{
	*b = (struct backlog){.bytes = malloc(size_bytes), .size = size_bytes, .n_max = n_max};
}

void backlog_wipe(struct backlog *b)
{
	free(b->bytes);
	*b = (struct backlog){0};
}

/* Copies in and out go round the end. */
static void put(struct backlog *b, size_t at, const void *src, size_t len)
{
	size_t to_end = b->size - at;
	size_t part = len < to_end ? len : to_end;

	memcpy(b->bytes + at, src, part);
	memcpy(b->bytes, (const uint8_t *)src + part, len - part);
}

static void get(const struct backlog *b, size_t at, void *dst, size_t len)
{
	size_t to_end = b->size - at;
	size_t part = len < to_end ? len : to_end;

	memcpy(dst, b->bytes + at, part);
	memcpy((uint8_t *)dst + part, b->bytes, len - part);
}

static size_t wrap(const struct backlog *b, size_t at)
{
	return at >= b->size ? at - b->size : at;
}

bool backlog_peek(const struct backlog *b, struct backlog_entry *out)
{
	if (b->n == 0)
		return false;
	get(b, b->head, out, sizeof(*out));
	return true;
}

void backlog_pop(struct backlog *b, uint8_t *out)
{
	struct backlog_entry e;

	if (!backlog_peek(b, &e))
		return;
	if (out)
		get(b, wrap(b, b->head + sizeof(e)), out, e.len);
	b->head = wrap(b, b->head + sizeof(e) + e.len);
	b->used -= sizeof(e) + e.len;
	b->n--;
}

unsigned backlog_push(struct backlog *b, uint64_t time_us, uint64_t serial, const uint8_t *pkt,
		      size_t len)
{
	struct backlog_entry e = {.time_us = time_us, .serial = serial, .len = len};
	size_t need = sizeof(e) + len;
	unsigned dropped = 0;

	if (need > b->size)
		return 1;
	while (b->n == b->n_max || need > b->size - b->used) {
		backlog_pop(b, NULL);
		dropped++;
	}
	size_t tail = wrap(b, b->head + b->used);
	put(b, tail, &e, sizeof(e));
	put(b, wrap(b, tail + sizeof(e)), pkt, len);
	b->used += need;
	b->n++;
	return dropped;
}

unsigned backlog_expire(struct backlog *b, uint64_t oldest_us)
{
	struct backlog_entry e;
	unsigned dropped = 0;

	while (backlog_peek(b, &e) && e.time_us < oldest_us) {
		backlog_pop(b, NULL);
		dropped++;
	}
	return dropped;
}

unsigned backlog_clear(struct backlog *b)
{
	unsigned dropped = b->n;

	b->n = 0;
	b->head = b->used = 0;
	return dropped;
}
