/*
 * backlog_pair: two backlogs that are one: short packets and full-size ones, each in memory of its
 * own, given back in the order they came.
 *
 * So that a bulk copy cannot push out keystrokes: where the whole may hold no more packets, the
 * oldest full-size one goes first. Two uses: packets that wait for a choice or a keypair, and
 * sealed packets that may be sent once more (resend.h). A core; one thread.
 */
#ifndef WARREN_BACKLOG_PAIR_H
#define WARREN_BACKLOG_PAIR_H

#include "agent/tunnel/backlog.h"

enum { BACKLOG_SHORT_MAX = 256 }; /* bytes; what is longer counts as full-size */

struct backlog_pair {
	struct backlog brief, full;
	unsigned n_max;	 /* packets in both */
	uint64_t serial; /* orders both */
};

/* half_bytes for each; at most n_max packets in all. backlog_pair_is_whole false: no memory. */
void backlog_pair_init(struct backlog_pair *p, size_t half_bytes, unsigned n_max);
bool backlog_pair_is_whole(const struct backlog_pair *p);
void backlog_pair_wipe(struct backlog_pair *p);

unsigned backlog_pair_count(const struct backlog_pair *p);
/* The rest is as backlog.h has it. */
unsigned backlog_pair_push(struct backlog_pair *p, uint64_t time_us, const uint8_t *pkt,
			   size_t len);
bool backlog_pair_peek(const struct backlog_pair *p, struct backlog_entry *out);
void backlog_pair_pop(struct backlog_pair *p, uint8_t *out);
unsigned backlog_pair_expire(struct backlog_pair *p, uint64_t oldest_us);
unsigned backlog_pair_clear(struct backlog_pair *p);

#endif
