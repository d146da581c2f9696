#include "agent/tunnel/resend.h"

enum { SMALL_PACKETS = 256, LARGE_PACKETS = 64 };

void resend_init(struct resend *r)
{
	backlog_init(&r->small, RESEND_HALF_BYTES, SMALL_PACKETS);
	backlog_init(&r->large, RESEND_HALF_BYTES, LARGE_PACKETS);
	r->serial = 0;
}

void resend_wipe(struct resend *r)
{
	backlog_wipe(&r->small);
	backlog_wipe(&r->large);
}

void resend_keep(struct resend *r, uint64_t now_us, const uint8_t *pkt, size_t len)
{
	struct backlog *half = len <= RESEND_SMALL_MAX ? &r->small : &r->large;

	(void)backlog_push(half, now_us, r->serial++, pkt, len);
}

size_t resend_next(struct resend *r, uint64_t now_us, uint8_t *out, size_t cap)
{
	uint64_t oldest_us = now_us > RESEND_AGE_US ? now_us - RESEND_AGE_US : 0;
	struct backlog_entry small, large;

	(void)backlog_expire(&r->small, oldest_us);
	(void)backlog_expire(&r->large, oldest_us);
	for (;;) {
		bool has_small = backlog_peek(&r->small, &small);
		bool has_large = backlog_peek(&r->large, &large);

		if (!has_small && !has_large)
			return 0;
		bool is_small = has_small && (!has_large || small.serial < large.serial);
		size_t len = is_small ? small.len : large.len;
		backlog_pop(is_small ? &r->small : &r->large, len <= cap ? out : NULL);
		if (len <= cap)
			return len;
	}
}

void resend_clear(struct resend *r)
{
	(void)backlog_clear(&r->small);
	(void)backlog_clear(&r->large);
}
