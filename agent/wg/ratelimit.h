/*
 * ratelimit: how many handshake messages a network may cause us to work on while we are under load:
 * 20 a second, 5 at once, per IPv4 address or IPv6 /64.
 *
 * A table of 8192 buckets in sets of four; a new network takes the place of the set's longest
 * silent one, so that strangers can't make it grow. Set by keyed hash, so that they can't choose
 * their set either.
 */
#ifndef WARREN_RATELIMIT_H
#define WARREN_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum { RATELIMIT_KEY_LEN = 16 };

struct ratelimit;

/* key: random. NULL: no memory. Untouched sets cost none. */
struct ratelimit *ratelimit_new(const uint8_t key[static RATELIMIT_KEY_LEN]);
void ratelimit_free(struct ratelimit *r);

/* Takes one message's worth from network's bucket (source.h); false where there is none left. */
bool ratelimit_allow(struct ratelimit *r, uint64_t network, uint64_t now_us);

#endif
