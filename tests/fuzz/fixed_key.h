/*
 * fixed_key: the key pairs of those who play in a conversation: always the same, and computed once,
 * since a multiplication on Curve25519 costs as much as many steps. For targets that drive cores.
 */
#ifndef WARREN_FUZZ_FIXED_KEY_H
#define WARREN_FUZZ_FIXED_KEY_H

#include <sodium.h>

#include "common/key.h"
#include "tests/fuzz/script.h"

enum { FIXED_KEYS_MAX = 128 };

/* The pair of this number, below FIXED_KEYS_MAX. */
static inline void fixed_key(unsigned number, struct secret_key *secret, struct public_key *public)
{
	static struct fixed_pair {
		struct secret_key secret;
		struct public_key public;
		bool is_made;
	} pairs[FIXED_KEYS_MAX];

	MUST(number < FIXED_KEYS_MAX);
	struct fixed_pair *p = &pairs[number];
	if (!p->is_made) {
		MUST(sodium_init() >= 0); /* chooses this machine's fastest code */
		secret_key_from_random(&p->secret, (const uint8_t[KEY_LEN]){0, (uint8_t)number});
		secret_key_public(&p->secret, &p->public);
		p->is_made = true;
	}
	*secret = p->secret;
	*public = p->public;
}

#endif
