#include "agent/wg/aead.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <sodium.h>

#include "agent/wg/aead_mb.h"

enum { NONCE_LEN = 12, BULK_BYTES = 1 << 20, BULK_BATCH = 4 };

/* A kept context and the key it holds: setting a key costs a tenth of sealing a packet. */
struct kept {
	EVP_CIPHER_CTX *ctx;
	bool has_key;
	uint8_t key[AEAD_KEY_LEN];
};

struct aead {
	EVP_CIPHER *cipher;
	struct kept seal, open;
	struct aead_mb *mb; /* NULL until bulk flows */
	bool is_fixed;	    /* aead_set_backend was called */
	bool use_mb;
	uint64_t batch_bytes; /* until ipsec-mb is tried */
};

static void must(int ok)
{
	if (ok != 1)
		abort();
}

struct aead *aead_new(void)
{
	struct aead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	a->seal.ctx = EVP_CIPHER_CTX_new();
	a->open.ctx = EVP_CIPHER_CTX_new();
	if (!a->cipher || !a->seal.ctx || !a->open.ctx ||
	    EVP_EncryptInit_ex2(a->seal.ctx, a->cipher, NULL, NULL, NULL) != 1 ||
	    EVP_DecryptInit_ex2(a->open.ctx, a->cipher, NULL, NULL, NULL) != 1) {
		aead_free(a);
		return NULL;
	}
	return a;
}

void aead_free(struct aead *a)
{
	if (!a)
		return;
	aead_mb_free(a->mb);
	EVP_CIPHER_CTX_free(a->seal.ctx);
	EVP_CIPHER_CTX_free(a->open.ctx);
	EVP_CIPHER_free(a->cipher);
	sodium_memzero(a, sizeof(*a));
	free(a);
}

/* The key to set, or NULL where the context holds it already. */
static const uint8_t *key_to_set(struct kept *k, const uint8_t *key)
{
	if (k->has_key && sodium_memcmp(k->key, key, AEAD_KEY_LEN) == 0)
		return NULL;
	memcpy(k->key, key, AEAD_KEY_LEN);
	k->has_key = true;
	return key;
}

static void set_nonce(uint8_t nonce[static NONCE_LEN], uint64_t counter)
{
	struct writer w = writer_init(nonce, NONCE_LEN);

	write_u32le(&w, 0);
	write_u64le(&w, counter);
}

void aead_seal(struct aead *a, const uint8_t key[static AEAD_KEY_LEN], uint64_t counter,
	       const void *ad, size_t ad_len, const uint8_t *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = a->seal.ctx;
	uint8_t nonce[NONCE_LEN];
	int n;

	set_nonce(nonce, counter);
	must(EVP_EncryptInit_ex2(ctx, NULL, key_to_set(&a->seal, key), nonce, NULL));
	if (ad_len > 0)
		must(EVP_EncryptUpdate(ctx, NULL, &n, ad, (int)ad_len));
	if (len > 0)
		must(EVP_EncryptUpdate(ctx, out, &n, in, (int)len));
	must(EVP_EncryptFinal_ex(ctx, out + len, &n));
	must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, out + len));
}

int aead_open(struct aead *a, const uint8_t key[static AEAD_KEY_LEN], uint64_t counter,
	      const void *ad, size_t ad_len, const uint8_t *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = a->open.ctx;
	uint8_t nonce[NONCE_LEN], tag[AEAD_TAG_LEN];
	int n;

	memcpy(tag, in + len, sizeof(tag));
	set_nonce(nonce, counter);
	must(EVP_DecryptInit_ex2(ctx, NULL, key_to_set(&a->open, key), nonce, NULL));
	must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, tag));
	if (ad_len > 0)
		must(EVP_DecryptUpdate(ctx, NULL, &n, ad, (int)ad_len));
	if (len > 0)
		must(EVP_DecryptUpdate(ctx, out, &n, in, (int)len));
	if (EVP_DecryptFinal_ex(ctx, out + len, &n) == 1)
		return 0;
	memset(out, 0, len);
	return -EBADMSG;
}

/* Loads ipsec-mb once a MiB has passed in batches: an idle daemon never pays its 4 MB. */
static void note_bulk(struct aead *a, const struct aead_job *jobs, size_t n)
{
	if (n < BULK_BATCH || a->is_fixed || a->batch_bytes >= BULK_BYTES)
		return;
	for (size_t i = 0; i < n; i++)
		a->batch_bytes += jobs[i].len;
	if (a->batch_bytes < BULK_BYTES)
		return;
	a->mb = aead_mb_new();
	a->use_mb = a->mb != NULL;
}

static void run_openssl(struct aead *a, struct aead_job *j, bool sealing)
{
	j->status = 0;
	if (sealing)
		aead_seal(a, j->key, j->counter, NULL, 0, j->in, j->len, j->out);
	else
		j->status = aead_open(a, j->key, j->counter, NULL, 0, j->in, j->len, j->out);
}

static void run_batch(struct aead *a, struct aead_job *jobs, size_t n, bool sealing)
{
	note_bulk(a, jobs, n);
	for (size_t i = 0; i < n;) {
		size_t run = 0;

		while (a->use_mb && i + run < n && jobs[i + run].len > 0)
			run++;
		if (run == 0) {
			run_openssl(a, &jobs[i++], sealing);
			continue;
		}
		if (sealing)
			aead_mb_seal(a->mb, &jobs[i], run);
		else
			aead_mb_open(a->mb, &jobs[i], run);
		i += run;
	}
}

void aead_seal_batch(struct aead *a, struct aead_job *jobs, size_t n)
{
	run_batch(a, jobs, n, true);
}

void aead_open_batch(struct aead *a, struct aead_job *jobs, size_t n)
{
	run_batch(a, jobs, n, false);
}

enum aead_backend aead_backend(const struct aead *a)
{
	return a->use_mb ? AEAD_IPSEC_MB : AEAD_OPENSSL;
}

int aead_set_backend(struct aead *a, enum aead_backend backend)
{
	if (backend == AEAD_IPSEC_MB && !a->mb) {
		a->mb = aead_mb_new();
		if (!a->mb)
			return -ENOTSUP;
	}
	a->is_fixed = true;
	a->use_mb = backend == AEAD_IPSEC_MB;
	return 0;
}

void aead_forget_keys(struct aead *a)
{
	static const uint8_t zeros[AEAD_KEY_LEN];

	must(EVP_EncryptInit_ex2(a->seal.ctx, NULL, zeros, NULL, NULL));
	must(EVP_DecryptInit_ex2(a->open.ctx, NULL, zeros, NULL, NULL));
	sodium_memzero(a->seal.key, sizeof(a->seal.key));
	sodium_memzero(a->open.key, sizeof(a->open.key));
	a->seal.has_key = a->open.has_key = true;
}

void aead_xseal(const uint8_t key[static AEAD_KEY_LEN], const uint8_t nonce[static AEAD_XNONCE_LEN],
		const void *ad, size_t ad_len, const uint8_t *in, size_t len, uint8_t *out)
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, in, len, ad, ad_len, NULL, nonce,
						   key);
}

int aead_xopen(const uint8_t key[static AEAD_KEY_LEN], const uint8_t nonce[static AEAD_XNONCE_LEN],
	       const void *ad, size_t ad_len, const uint8_t *in, size_t len, uint8_t *out)
{
	int rc = crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len + AEAD_TAG_LEN,
							    ad, ad_len, nonce, key);
	return rc == 0 ? 0 : -EBADMSG;
}
