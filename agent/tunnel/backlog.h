/*
 * backlog: packets kept for a while in a fixed piece of memory, oldest first.
 *
 * What does not fit pushes the oldest out; what is older than the caller likes, the caller drops.
 * Two uses: packets that wait for a choice or a keypair, and sealed packets that may be sent once
 * more (resend.h). A core; one thread.
 */
#ifndef WARREN_BACKLOG_H
#define WARREN_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backlog {
	uint8_t *bytes; /* its own, size bytes, touched only as used */
	size_t size, head, used;
	unsigned n, n_max;
};

struct backlog_entry {
	uint64_t time_us; /* when it was pushed */
	uint64_t serial;  /* the caller's */
	size_t len;
};

/* NULL bytes afterwards: no memory. */
void backlog_init(struct backlog *b, size_t size_bytes, unsigned n_max);
void backlog_wipe(struct backlog *b);

/* Keeps a copy. Returns how many packets were pushed out or, where it is larger than the whole
 * backlog, 1 for itself. */
unsigned backlog_push(struct backlog *b, uint64_t time_us, uint64_t serial, const uint8_t *pkt,
		      size_t len);
/* The oldest. False: empty. */
bool backlog_peek(const struct backlog *b, struct backlog_entry *out);
/* Takes the oldest out; its bytes go to out, NULL: nowhere. */
void backlog_pop(struct backlog *b, uint8_t *out);
/* Drops what is older than oldest_us; returns how many. */
unsigned backlog_expire(struct backlog *b, uint64_t oldest_us);
/* Drops all; returns how many. */
unsigned backlog_clear(struct backlog *b);

#endif
