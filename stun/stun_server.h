/*
 * stun_server: what a STUN server answers (RFC 8489 Binding; RFC 5780 with a second address and
 * port). A pure core: one packet in, at most one out.
 *
 * Stateless but for a rate limit by source (an address of IPv4, a /64 of IPv6), so that nobody can
 * have us shoot at a forged source; answers stay near the size of the question.
 */
#ifndef WARREN_STUN_SERVER_H
#define WARREN_STUN_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/proto/stun.h"

enum {
	STUN_SERVER_SLOTS = 4096, /* sources remembered; one that collides takes the slot over */
	STUN_SERVER_RATE = 200,	  /* answers per second, source and thread: many share a NAT */
	STUN_SERVER_BURST = 400,
	STUN_ANSWER_MAX = 128
};

enum stun_verdict {
	STUN_ANSWER,	/* send out->bytes */
	STUN_MALFORMED, /* not STUN, or not a request */
	STUN_LIMITED,	/* too many from there */
	STUN_VERDICTS
};

struct stun_slot {
	uint64_t source;
	uint64_t at_us;
	uint32_t tokens;
};

struct stun_server {
	/* RFC 5780: main[0] is the first address and port; address i, port j stand at [i][j]. None
	 * at [0][0] without it. */
	struct endpoint main[2][2];
	uint64_t hash_key; /* random, so that nobody can aim at a slot */
	struct stun_slot slots[STUN_SERVER_SLOTS];
};

struct stun_answer {
	uint8_t bytes[STUN_ANSWER_MAX];
	size_t len;
	struct endpoint from; /* the one of main to send from; none: where the question arrived */
};

/* alternate may be NULL; else both must be whole endpoints of one family with different addresses
 * and ports: -EINVAL otherwise. */
MUST_CHECK int stun_server_init(struct stun_server *s, const struct endpoint *first,
				const struct endpoint *alternate, uint64_t random);

/* at is the local endpoint the packet arrived at (used with an alternate only). */
enum stun_verdict stun_server_on_packet(struct stun_server *s, const void *packet, size_t len,
					const struct endpoint *from, const struct endpoint *at,
					uint64_t now_us, struct stun_answer *out);

const char *stun_verdict_str(enum stun_verdict verdict); /* "answer", "malformed", "limited" */

#endif
