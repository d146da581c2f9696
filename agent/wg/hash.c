#include "agent/wg/hash.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>

enum { BLOCK_LEN = 64 }; /* of BLAKE2s: what HMAC pads its key to */

struct hash {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
	EVP_MAC *mac;
	EVP_MAC_CTX *mac_ctx;
};

/* Kept contexts fail only where we misuse them. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

struct hash *hash_new(void)
{
	struct hash *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->md = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
	h->ctx = EVP_MD_CTX_new();
	h->mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	h->mac_ctx = h->mac ? EVP_MAC_CTX_new(h->mac) : NULL;
	if (!h->md || !h->ctx || !h->mac_ctx) {
		hash_free(h);
		return NULL;
	}
	return h;
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	EVP_MAC_CTX_free(h->mac_ctx);
	EVP_MAC_free(h->mac);
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	free(h);
}

void hash_pair(struct hash *h, const void *a, size_t a_len, const void *b, size_t b_len,
	       uint8_t out[static HASH_LEN])
{
	must(EVP_DigestInit_ex2(h->ctx, h->md, NULL));
	must(EVP_DigestUpdate(h->ctx, a, a_len));
	must(EVP_DigestUpdate(h->ctx, b, b_len));
	must(EVP_DigestFinal_ex(h->ctx, out, NULL));
}

void hash_mac(struct hash *h, const uint8_t *key, size_t key_len, const void *in, size_t len,
	      uint8_t out[static HASH_MAC_LEN])
{
	size_t out_len = HASH_MAC_LEN;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &out_len),
		OSSL_PARAM_construct_end(),
	};

	must(EVP_MAC_init(h->mac_ctx, key, key_len, params));
	must(EVP_MAC_update(h->mac_ctx, in, len));
	must(EVP_MAC_final(h->mac_ctx, out, &out_len, HASH_MAC_LEN));
}

void hash_hmac(struct hash *h, const uint8_t key[static HASH_LEN], const void *in, size_t len,
	       uint8_t out[static HASH_LEN])
{
	uint8_t inner[HASH_LEN], inner_pad[BLOCK_LEN], outer_pad[BLOCK_LEN];

	memset(inner_pad, 0x36, sizeof(inner_pad));
	memset(outer_pad, 0x5c, sizeof(outer_pad));
	for (size_t i = 0; i < HASH_LEN; i++) {
		inner_pad[i] ^= key[i];
		outer_pad[i] ^= key[i];
	}
	hash_pair(h, inner_pad, sizeof(inner_pad), in, len, inner);
	hash_pair(h, outer_pad, sizeof(outer_pad), inner, sizeof(inner), out);
	sodium_memzero(inner, sizeof(inner));
	sodium_memzero(inner_pad, sizeof(inner_pad));
	sodium_memzero(outer_pad, sizeof(outer_pad));
}

void hash_kdf(struct hash *h, const uint8_t key[static HASH_LEN], const void *in, size_t len,
	      uint8_t out1[static HASH_LEN], uint8_t *out2, uint8_t *out3)
{
	uint8_t *const outs[] = {out1, out2, out3};
	uint8_t secret[HASH_LEN], round[HASH_LEN + 1];

	hash_hmac(h, key, in, len, secret);
	for (uint8_t i = 0; i < 3 && outs[i]; i++) {
		size_t round_len = i == 0 ? 0 : HASH_LEN;

		round[round_len] = (uint8_t)(i + 1);
		hash_hmac(h, secret, round, round_len + 1, round);
		memcpy(outs[i], round, HASH_LEN);
	}
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(round, sizeof(round));
}
