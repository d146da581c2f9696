/*
 * load: are handshake messages coming faster than we care to answer for free?
 *
 * One initiation costs three X25519 operations. Above 250 messages in a second (some 3 % of a core)
 * we are under load, and for a second after: then strangers get cookies first (device.h).
 * All zero is the valid start.
 */
#ifndef WARREN_LOAD_H
#define WARREN_LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct load {
	uint64_t second_start_us;
	unsigned messages; /* in this second */
	uint64_t until_us; /* under load before this */
};

/* Counts a handshake message and says whether we are under load. */
bool load_on_message(struct load *l, uint64_t now_us);

#endif
