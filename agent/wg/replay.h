/*
 * replay: the sliding window that lets each packet counter of a keypair through once.
 *
 * A ring of 64-bit words as in RFC 6479: moving the window on clears whole words and shifts
 * nothing. One owner (the lane of the peer), no locks. All zero is the valid start.
 */
#ifndef WARREN_REPLAY_H
#define WARREN_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

/* One word of the ring is being filled, so the window proper is a word shorter than the ring. */
enum { REPLAY_RING_BITS = 8192 + 64, REPLAY_WINDOW = 8192 };

struct replay {
	uint64_t next; /* one above the highest counter accepted; 0 before the first */
	uint64_t ring[REPLAY_RING_BITS / 64];
};

/* True where counter could still be accepted. Changes nothing: asked before the costly opening. */
bool replay_is_fresh(const struct replay *w, uint64_t counter);

/* To be called for authenticated packets only. True the first time for each counter that has not
 * fallen out of the window; false for a copy or a straggler. */
bool replay_accept(struct replay *w, uint64_t counter);

#endif
