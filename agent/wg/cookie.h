/*
 * cookie: the two MACs behind every handshake message, and the answer that makes strangers prove
 * their address while we are under load. WireGuard paper, sections 5.3, 5.4.4 and 5.4.7.
 *
 * mac1 shows that the sender knows our public key. mac2 shows that it received a cookie at the
 * address it sends from. cookie_checker is our side of it, cookie_maker what a peer's asks of us.
 */
#ifndef WARREN_COOKIE_H
#define WARREN_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/wg/hash.h"
#include "agent/wg/source.h"
#include "common/key.h"

enum {
	COOKIE_LEN = 16,
	COOKIE_MACS_LEN = 32,
	COOKIE_REPLY_LEN = 64,
	COOKIE_NONCE_LEN = 24,
	COOKIE_LIFE_US = 120 * 1000 * 1000,
};

struct cookie_keys { /* of one public key: what mac1 and cookie replies are keyed with */
	uint8_t mac1_key[HASH_LEN];
	uint8_t reply_key[HASH_LEN];
};

struct cookie_checker {
	struct hash *hash; /* borrowed */
	struct cookie_keys keys;
	uint8_t secret[HASH_LEN]; /* cookies are its MACs of sources */
	uint64_t secret_birth_us;
	bool has_secret;
};

struct cookie_maker {
	struct cookie_keys keys;
	uint8_t cookie[COOKIE_LEN];
	uint64_t cookie_birth_us;
	bool has_cookie;
	uint8_t last_mac1[HASH_MAC_LEN]; /* of what we sent last: a cookie reply is bound to it */
	bool has_last_mac1;
};

enum cookie_verdict { COOKIE_MAC1_WRONG, COOKIE_MAC1_RIGHT, COOKIE_MAC2_RIGHT };

void cookie_keys_set(struct cookie_keys *keys, struct hash *hash, const struct public_key *key);

/* Judges a handshake message, MACs and all (len above COOKIE_MACS_LEN). mac2 is looked at only
 * where want_mac2. */
enum cookie_verdict cookie_check(const struct cookie_checker *c, const uint8_t *msg, size_t len,
				 const struct wg_source *source, bool want_mac2, uint64_t now_us);

/* Builds the reply to such a message, sent by index sender_index. The secret is replaced by
 * fresh_secret when it is 120 s old. */
void cookie_reply_create(struct cookie_checker *c, const uint8_t *msg, size_t len,
			 uint32_t sender_index, const struct wg_source *source,
			 const uint8_t fresh_secret[static HASH_LEN],
			 const uint8_t nonce[static COOKIE_NONCE_LEN], uint64_t now_us,
			 uint8_t out[static COOKIE_REPLY_LEN]);

/* Writes both MACs behind the len bytes of msg. mac2 is zero without a cookie of the last 115 s. */
void cookie_add_macs(struct cookie_maker *m, struct hash *hash, uint8_t *msg, size_t len,
		     uint64_t now_us);

/* Takes the cookie for the next message. -EBADMSG: not a reply to what we sent last. */
MUST_CHECK int cookie_reply_consume(struct cookie_maker *m,
				    const uint8_t msg[static COOKIE_REPLY_LEN], uint64_t now_us);

#endif
