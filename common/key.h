/*
 * key: the keys nodes and relays are known by, and their text forms.
 *
 * Curve25519 pairs (node keys, disco keys, relay keys) and Ed25519 pairs (machine keys). No
 * randomness of its own: who makes a key passes 32 random bytes. Only public keys have a text form
 * that may be shown; secret_key_hex is for the 0600 state files and nothing else.
 */
#ifndef WARREN_KEY_H
#define WARREN_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

enum { KEY_LEN = 32, KEY_HEX_LEN = 64, KEY_BASE64_LEN = 44, SIGNATURE_LEN = 64 };
enum { KEY_TEXT_LEN = 80 }; /* "prefix:" + 64 hex digits + NUL, for every prefix in use */

struct public_key {
	uint8_t b[KEY_LEN];
};

struct secret_key {
	uint8_t b[KEY_LEN];
};

/* An Ed25519 machine key: the seed and, behind it, the public half. */
struct machine_secret {
	uint8_t b[64];
};

/* A Curve25519 secret from 32 random bytes, clamped (RFC 7748 section 5). */
void secret_key_from_random(struct secret_key *out, const uint8_t random[static KEY_LEN]);
void secret_key_public(const struct secret_key *secret, struct public_key *out);
void secret_key_wipe(struct secret_key *secret);

/* An Ed25519 pair from 32 random bytes (RFC 8032). */
void machine_secret_from_random(struct machine_secret *out, struct public_key *pub,
				const uint8_t random[static KEY_LEN]);
void machine_sign(const struct machine_secret *secret, const void *msg, size_t len,
		  uint8_t sig[static SIGNATURE_LEN]);
/* True where sig is pub's signature of msg. */
bool machine_verify(const struct public_key *pub, const void *msg, size_t len,
		    const uint8_t sig[static SIGNATURE_LEN]);

bool public_key_equal(const struct public_key *a, const struct public_key *b);
bool public_key_is_zero(const struct public_key *key);

/* 64 lower-case hex digits and a NUL. */
void public_key_hex(const struct public_key *key, char out[static KEY_HEX_LEN + 1]);
void secret_key_hex(const struct secret_key *key, char out[static KEY_HEX_LEN + 1]);

/* "prefix:" and 64 hex digits, such as "nodekey:…"; a NULL prefix means bare digits. */
void public_key_str(const struct public_key *key, const char *prefix,
		    char out[static KEY_TEXT_LEN]);

/* Reads exactly what the _str/_hex functions write (upper-case digits too). -EBADMSG otherwise. */
MUST_CHECK int public_key_parse(const char *text, const char *prefix, struct public_key *out);
MUST_CHECK int secret_key_parse(const char *text, const char *prefix, struct secret_key *out);

/* n bytes as 2n hex digits and a NUL; and back: -EBADMSG unless text is exactly 2n digits. */
void hex_encode(const uint8_t *bytes, size_t n, char *out);
MUST_CHECK int hex_decode(const char *text, uint8_t *out, size_t n);

#endif
