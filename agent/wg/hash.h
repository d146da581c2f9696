/*
 * hash: BLAKE2s (RFC 7693), HMAC (RFC 2104) and HKDF (RFC 5869) over it, as the handshake uses
 * them. OpenSSL does the hashing, with contexts kept in a struct hash, which belongs to one thread.
 */
#ifndef WARREN_HASH_H
#define WARREN_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { HASH_LEN = 32, HASH_MAC_LEN = 16 };

struct hash;

struct hash *hash_new(void); /* NULL where memory or the algorithm is missing */
void hash_free(struct hash *h);

/* BLAKE2s-256 of a and b, one behind the other. out may overlap either. */
void hash_pair(struct hash *h, const void *a, size_t a_len, const void *b, size_t b_len,
	       uint8_t out[static HASH_LEN]);

/* Keyed BLAKE2s with 16 bytes of output; key_len is 16 or 32. */
void hash_mac(struct hash *h, const uint8_t *key, size_t key_len, const void *in, size_t len,
	      uint8_t out[static HASH_MAC_LEN]);

void hash_hmac(struct hash *h, const uint8_t key[static HASH_LEN], const void *in, size_t len,
	       uint8_t out[static HASH_LEN]);

/* KDF1, KDF2 or KDF3 of the WireGuard paper: as many outputs as aren't NULL, out1 always. Outputs
 * may overlap key and in. */
void hash_kdf(struct hash *h, const uint8_t key[static HASH_LEN], const void *in, size_t len,
	      uint8_t out1[static HASH_LEN], uint8_t *out2, uint8_t *out3);

#endif
