/*
 * roster: all peers of a device: by key, in the order they came, and by who is due first.
 *
 * Also the place where a peer's parts stand together (struct wg_peer); device.c alone changes them.
 * Peers are found by keyed hash, and the next due one by a binary heap, so that ten thousand cost
 * no more per event than ten.
 */
#ifndef WARREN_ROSTER_H
#define WARREN_ROSTER_H

#include <stddef.h>
#include <stdint.h>

#include "agent/wg/cookie.h"
#include "agent/wg/noise.h"
#include "agent/wg/rotation.h"
#include "agent/wg/timers.h"

struct wg_peer {
	struct noise_peer noise;
	struct noise_initiation initiation;
	struct cookie_maker cookie;
	struct answer { /* to the last initiation we took; all zero: none */
		uint32_t local_index;
		uint8_t bytes[NOISE_RESPONSE_LEN];
		uint64_t sent_us;
		unsigned repeats;
	} answer;
	struct rotation keypairs;
	struct timers timers;
	struct traffic *traffic; /* the caller's, shared with its lane */
	void *user;
	uint16_t keepalive_s;
	uint64_t last_handshake_unix_us;

	/* the roster's own */
	uint64_t deadline_us;
	size_t heap_at;
	struct wg_peer *next_in_bucket, *next, *previous;
};

enum { ROSTER_KEY_LEN = 16 };

struct roster {
	uint8_t hash_key[ROSTER_KEY_LEN];
	struct wg_peer **buckets; /* as many as cap */
	struct wg_peer **heap;	  /* count of them, the earliest first */
	size_t count, cap;
	struct wg_peer *first, *last;
};

void roster_init(struct roster *r, const uint8_t hash_key[static ROSTER_KEY_LEN]);
void roster_wipe(struct roster *r); /* peers stay the caller's */

/* Takes peer in, with nothing due. Its key must not be known yet. -ENOMEM. */
MUST_CHECK int roster_add(struct roster *r, struct wg_peer *peer);
void roster_remove(struct roster *r, struct wg_peer *peer);

struct wg_peer *roster_find(const struct roster *r, const struct public_key *key);

void roster_set_deadline(struct roster *r, struct wg_peer *peer, uint64_t deadline_us);
/* Who is due first, or NULL where there are no peers. */
struct wg_peer *roster_earliest(const struct roster *r);

#endif
