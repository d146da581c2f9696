#include "agent/tunnel/backlog_pair.h"

void backlog_pair_init(struct backlog_pair *p, size_t half_bytes, unsigned n_max)
{
	backlog_init(&p->brief, half_bytes, n_max);
	backlog_init(&p->full, half_bytes, n_max);
	p->n_max = n_max;
	p->serial = 0;
}

bool backlog_pair_is_whole(const struct backlog_pair *p)
{
	return p->brief.bytes && p->full.bytes;
}

void backlog_pair_wipe(struct backlog_pair *p)
{
	backlog_wipe(&p->brief);
	backlog_wipe(&p->full);
}

unsigned backlog_pair_count(const struct backlog_pair *p)
{
	return p->brief.n + p->full.n;
}

unsigned backlog_pair_push(struct backlog_pair *p, uint64_t time_us, const uint8_t *pkt, size_t len)
{
	struct backlog *half = len <= BACKLOG_SHORT_MAX ? &p->brief : &p->full;
	unsigned dropped = 0;

	if (backlog_pair_count(p) == p->n_max) {
		backlog_pop(p->full.n > 0 ? &p->full : &p->brief, NULL);
		dropped++;
	}
	return dropped + backlog_push(half, time_us, p->serial++, pkt, len);
}

/* The half that holds the oldest; either, where there is none. */
static struct backlog *older_half(struct backlog_pair *p)
{
	struct backlog_entry brief, full;

	if (!backlog_peek(&p->full, &full))
		return &p->brief;
	if (!backlog_peek(&p->brief, &brief))
		return &p->full;
	return brief.serial < full.serial ? &p->brief : &p->full;
}

bool backlog_pair_peek(const struct backlog_pair *p, struct backlog_entry *out)
{
	struct backlog_pair *pair = (struct backlog_pair *)(uintptr_t)p; /* only looked at */

	return backlog_peek(older_half(pair), out);
}

void backlog_pair_pop(struct backlog_pair *p, uint8_t *out)
{
	backlog_pop(older_half(p), out);
}

unsigned backlog_pair_expire(struct backlog_pair *p, uint64_t oldest_us)
{
	return backlog_expire(&p->brief, oldest_us) + backlog_expire(&p->full, oldest_us);
}

unsigned backlog_pair_clear(struct backlog_pair *p)
{
	return backlog_clear(&p->brief) + backlog_clear(&p->full);
}
