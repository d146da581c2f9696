/*
 * resend: what was sealed last, kept so that it can go once more by another way when the first
 * turns out dead (DESIGN, "Twice is once" (a)): recovery then need not wait for the application's
 * own retransmission, and a packet that did arrive is dropped by the far replay window.
 *
 * The last 0.5 s, at most 32 KB; short packets have half of it to themselves, so that a bulk
 * copy cannot push out keystrokes. Sealed bytes that are never sealed again. A core; one thread.
 */
#ifndef WARREN_RESEND_H
#define WARREN_RESEND_H

#include "agent/tunnel/backlog_pair.h"

enum { RESEND_HALF_BYTES = 16 * 1024, RESEND_AGE_US = 500 * 1000 };

struct resend {
	struct backlog_pair kept;
};

void resend_init(struct resend *r);
void resend_wipe(struct resend *r);

/* A sealed packet as it went out. */
void resend_keep(struct resend *r, uint64_t now_us, const uint8_t *pkt, size_t len);
/* Takes out the oldest not older than 0.5 s, of both halves: 0 at the end. out: cap bytes; what is
 * longer is left out. */
size_t resend_next(struct resend *r, uint64_t now_us, uint8_t *out, size_t cap);
/* Its keypair died, or the peer. */
void resend_clear(struct resend *r);

#endif
