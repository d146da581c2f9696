#include "agent/tunnel/resend.h"

enum { PACKETS_MAX = 256 };

void resend_init(struct resend *r)
{
	backlog_pair_init(&r->kept, RESEND_HALF_BYTES, PACKETS_MAX);
}

void resend_wipe(struct resend *r)
{
	backlog_pair_wipe(&r->kept);
}

void resend_keep(struct resend *r, uint64_t now_us, const uint8_t *pkt, size_t len)
{
	(void)backlog_pair_push(&r->kept, now_us, pkt, len);
}

size_t resend_next(struct resend *r, uint64_t now_us, uint8_t *out, size_t cap)
{
	uint64_t oldest_us = now_us > RESEND_AGE_US ? now_us - RESEND_AGE_US : 0;
	struct backlog_entry e;

	(void)backlog_pair_expire(&r->kept, oldest_us);
	while (backlog_pair_peek(&r->kept, &e)) {
		backlog_pair_pop(&r->kept, e.len <= cap ? out : NULL);
		if (e.len <= cap)
			return e.len;
	}
	return 0;
}

void resend_clear(struct resend *r)
{
	(void)backlog_pair_clear(&r->kept);
}
