#include "agent/wg/ratelimit.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/wire.h"

enum { SETS = 2048, WAYS = 4 };
enum { COST_US = US_PER_S / 20, BURST_US = 5 * COST_US };

/* Credit is counted in microseconds: it grows by one each, up to the burst. */
struct bucket {
	uint64_t network;
	uint64_t seen_us; /* 0: unused */
	uint64_t credit_us;
};

struct ratelimit {
	uint8_t key[RATELIMIT_KEY_LEN];
	struct bucket buckets[SETS][WAYS];
};

_Static_assert(crypto_shorthash_KEYBYTES == RATELIMIT_KEY_LEN, "SipHash takes a key of 16 bytes");

struct ratelimit *ratelimit_new(const uint8_t key[static RATELIMIT_KEY_LEN])
{
	struct ratelimit *r = calloc(1, sizeof(*r));

	if (r)
		memcpy(r->key, key, RATELIMIT_KEY_LEN);
	return r;
}

void ratelimit_free(struct ratelimit *r)
{
	free(r);
}

static struct bucket *set_of(struct ratelimit *r, uint64_t network)
{
	uint8_t in[8], out[crypto_shorthash_BYTES];
	struct writer w = writer_init(in, sizeof(in));

	write_u64be(&w, network);
	crypto_shorthash(out, in, sizeof(in), r->key);
	struct reader hashed = reader_init(out, sizeof(out));
	return r->buckets[read_u64be(&hashed) % SETS];
}

/* The network's bucket, or the longest silent one of its set, emptied for it. */
static struct bucket *claim(struct bucket *set, uint64_t network, uint64_t now_us)
{
	struct bucket *oldest = &set[0];

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].seen_us != 0 && set[i].network == network)
			return &set[i];
		if (set[i].seen_us < oldest->seen_us)
			oldest = &set[i];
	}
	*oldest = (struct bucket){network, now_us, BURST_US};
	return oldest;
}

bool ratelimit_allow(struct ratelimit *r, uint64_t network, uint64_t now_us)
{
	struct bucket *b = claim(set_of(r, network), network, now_us);
	uint64_t credit_us = b->credit_us + (now_us - b->seen_us);

	b->seen_us = now_us;
	b->credit_us = credit_us < BURST_US ? credit_us : BURST_US;
	if (b->credit_us < COST_US)
		return false;
	b->credit_us -= COST_US;
	return true;
}
