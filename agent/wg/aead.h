/*
 * aead: ChaCha20-Poly1305 (RFC 8439) one by one and in batches.
 *
 * Two libraries behind one face: OpenSSL with kept contexts, and ipsec-mb, which is several times
 * as fast in batches and costs 4 MB of memory: it is loaded only when a MiB has passed in
 * batches, and only on CPUs where it wins (AVX2 or better). Both give the same bytes.
 * A struct aead belongs to one thread. Nonces are WireGuard's: 4 zero bytes, counter little-endian.
 */
#ifndef WARREN_AEAD_H
#define WARREN_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

enum { AEAD_KEY_LEN = 32, AEAD_TAG_LEN = 16, AEAD_XNONCE_LEN = 24 };
enum aead_backend { AEAD_OPENSSL, AEAD_IPSEC_MB };

struct aead;

struct aead_job {
	const uint8_t *key; /* AEAD_KEY_LEN */
	uint64_t counter;
	const uint8_t *in; /* seal: len bytes; open: len bytes and the tag behind them */
	uint8_t *out;	   /* seal: len bytes and the tag; open: len bytes. May be `in` itself */
	size_t len;	   /* of the plaintext */
	int status; /* set by open: 0, or -EBADMSG where the tag is wrong (out is void then) */
};

struct aead *aead_new(void); /* NULL where memory or the cipher is missing */
void aead_free(struct aead *a);

/* out: len + AEAD_TAG_LEN bytes; may be `in` itself. ad may be NULL where ad_len is 0. */
void aead_seal(struct aead *a, const uint8_t key[static AEAD_KEY_LEN], uint64_t counter,
	       const void *ad, size_t ad_len, const uint8_t *in, size_t len, uint8_t *out);

/* in: len bytes and the tag. -EBADMSG where the tag is wrong; out is zeroed then. */
MUST_CHECK int aead_open(struct aead *a, const uint8_t key[static AEAD_KEY_LEN], uint64_t counter,
			 const void *ad, size_t ad_len, const uint8_t *in, size_t len,
			 uint8_t *out);

/* Batches carry no additional data, as WireGuard's transport has none. */
void aead_seal_batch(struct aead *a, struct aead_job *jobs, size_t n);
void aead_open_batch(struct aead *a, struct aead_job *jobs, size_t n);

/* Which library the next batch uses. */
enum aead_backend aead_backend(const struct aead *a);

/* Chooses it for good, for tests and benchmarks. -ENOTSUP where this build or CPU lacks it. */
MUST_CHECK int aead_set_backend(struct aead *a, enum aead_backend backend);

/* Wipes the keys that the kept contexts still hold. */
void aead_forget_keys(struct aead *a);

/* XChaCha20-Poly1305 with a random nonce, for cookie replies. Sizes and errors as above. */
void aead_xseal(const uint8_t key[static AEAD_KEY_LEN], const uint8_t nonce[static AEAD_XNONCE_LEN],
		const void *ad, size_t ad_len, const uint8_t *in, size_t len, uint8_t *out);
MUST_CHECK int aead_xopen(const uint8_t key[static AEAD_KEY_LEN],
			  const uint8_t nonce[static AEAD_XNONCE_LEN], const void *ad,
			  size_t ad_len, const uint8_t *in, size_t len, uint8_t *out);

#endif
