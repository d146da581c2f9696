/*
 * disco_keys: this node's own disco keys: the one in use, for a day behind a rotation the one
 * before it, and when it is time for which.
 *
 *	ONE --a week old--> BOTH --a day later--> ONE
 *
 * A key that was told to others must be on disk before (a serial never goes back), so the rotation
 * itself is the node's (node_keys.c). A core; wall time in seconds.
 */
#ifndef WARREN_DISCO_KEYS_H
#define WARREN_DISCO_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/key.h"

enum { DISCO_KEY_WEEK_S = 7 * 24 * 3600, DISCO_KEY_DAY_S = 24 * 3600 };

struct disco_own_key {
	struct secret_key secret;
	struct public_key public;
};

struct disco_keys {
	struct disco_own_key now, before;
	bool has_before;
};

/* before: all zero where there is none. */
void disco_keys_set(struct disco_keys *keys, const struct secret_key *now,
		    const struct secret_key *before);
void disco_keys_wipe(struct disco_keys *keys);

enum disco_keys_due {
	DISCO_KEYS_FINE,
	DISCO_KEYS_STAMP,  /* the age is not known, or the clock was set back: it counts from now */
	DISCO_KEYS_ROTATE, /* a new one */
	DISCO_KEYS_FORGET, /* the one before has had its day */
};

/* made_unix_s: when the key in use was made, 0: not known. */
enum disco_keys_due disco_keys_judge(uint64_t made_unix_s, bool has_before, uint64_t unix_s);

#endif
