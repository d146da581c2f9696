/*
 * ring: a bounded byte queue from one thread to one other; the only thing threads share.
 *
 * A record is a header and a payload, kept together and contiguous. One producer thread pushes, one
 * consumer thread peeks and pops; no locks. A sleeping consumer is woken by a descriptor (wake.h):
 *
 *	consumer:  for (;;) { while (ring_peek(r, &p, &n)) { use(p, n); ring_pop(r); }
 *	                      if (ring_arm(r)) { wait for ring_fd(r) to read; ring_disarm(r); } }
 *
 * ring_push makes a system call only while the consumer is armed, so once a burst. While the
 * consumer keeps up, a ring of 256 KB or more touches only the first quarter of them.
 */
#ifndef WARREN_RING_H
#define WARREN_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

struct ring;

/* capacity_bytes is rounded up to a power of two, at least 4096. A record takes its length plus
 * at most 31 bytes, and may be a little under half the capacity long. NULL where memory or
 * descriptors run out. */
struct ring *ring_new(size_t capacity_bytes);
/* Both threads must be done with it. */
void ring_free(struct ring *r);

/* ---- producer ---- */

/* Copies hdr and body as one record. -ENOBUFS where it does not fit now: nothing is pushed. */
MUST_CHECK int ring_push(struct ring *r, const void *hdr, size_t hdr_len, const void *body,
			 size_t len);

/* ring_push for several in a row: the consumer sees them, but is woken by ring_wake alone. */
MUST_CHECK int ring_push_quietly(struct ring *r, const void *hdr, size_t hdr_len, const void *body,
				 size_t len);
/* Owed behind ring_push_quietly; harmless where nothing was pushed. */
void ring_wake(struct ring *r);

/* The same in two steps, to write in place: room for len bytes, 16-byte aligned, or NULL. One
 * reservation at a time; ring_commit publishes its first len bytes; without it nothing happened. */
uint8_t *ring_reserve(struct ring *r, size_t len);
void ring_commit(struct ring *r, size_t len);

/* Bytes in use, as a hint for dropping early. Either side may ask. */
size_t ring_used(const struct ring *r);
size_t ring_capacity(const struct ring *r);

/* ---- consumer ---- */

/* The oldest record in place, valid until ring_pop; false where there is none. 16-byte aligned. */
bool ring_peek(struct ring *r, const uint8_t **record, size_t *len);
void ring_pop(struct ring *r);

/* Asks for a wake by ring_fd. False: a record came meanwhile, so peek again, nothing is armed. */
MUST_CHECK bool ring_arm(struct ring *r);
/* After waking (for whatever reason): takes the wake back and clears the descriptor. */
void ring_disarm(struct ring *r);
/* A wake, readable once something was pushed after ring_arm. The ring's own. */
int ring_fd(const struct ring *r);

#endif
