#include "agent/wg/aead_mb.h"

#ifdef HAVE_IPSEC_MB

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <intel-ipsec-mb.h>
#include <sodium.h>

#include "agent/wg/aead.h"

enum { NONCE_LEN = 12 };

struct aead_mb {
	IMB_MGR *mgr;
};

bool aead_mb_available(void)
{
	/* With SSE alone it is slower than OpenSSL. */
	return __builtin_cpu_supports("avx2");
}

struct aead_mb *aead_mb_new(void)
{
	struct aead_mb *mb = aead_mb_available() ? calloc(1, sizeof(*mb)) : NULL;
	IMB_ARCH arch;

	if (!mb)
		return NULL;
	mb->mgr = alloc_mb_mgr(0);
	if (!mb->mgr) {
		free(mb);
		return NULL;
	}
	init_mb_mgr_auto(mb->mgr, &arch);
	if (arch < IMB_ARCH_AVX2) {
		aead_mb_free(mb);
		return NULL;
	}
	return mb;
}

void aead_mb_free(struct aead_mb *mb)
{
	if (!mb)
		return;
	free_mb_mgr(mb->mgr);
	free(mb);
}

/* One packet's work order; iv and tag live until the job is done. */
static void describe(IMB_JOB *job, const struct aead_job *j, const uint8_t *iv, uint8_t *tag)
{
	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->enc_keys = j->key;
	job->dec_keys = j->key;
	job->key_len_in_bytes = AEAD_KEY_LEN;
	job->u.CHACHA20_POLY1305.aad = NULL;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	job->src = j->in;
	job->dst = j->out;
	job->cipher_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = j->len;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = j->len;
	job->iv = iv;
	job->iv_len_in_bytes = NONCE_LEN;
	job->auth_tag_output = tag;
	job->auth_tag_output_len_in_bytes = AEAD_TAG_LEN;
}

static void set_nonce(uint8_t iv[static NONCE_LEN], uint64_t counter)
{
	struct writer w = writer_init(iv, NONCE_LEN);

	write_u32le(&w, 0);
	write_u64le(&w, counter);
}

/* The library may keep jobs back to run several at once; none outlives the call. */
static void run(IMB_MGR *mgr)
{
	(void)IMB_SUBMIT_JOB_NOCHECK(mgr);
	while (IMB_GET_COMPLETED_JOB(mgr))
		;
}

enum { ROUND = 32 };

void aead_mb_seal(struct aead_mb *mb, struct aead_job *jobs, size_t n)
{
	uint8_t iv[ROUND][NONCE_LEN];

	for (size_t at = 0; at < n; at += ROUND) {
		for (size_t i = 0; i < ROUND && at + i < n; i++) {
			struct aead_job *j = &jobs[at + i];
			IMB_JOB *job = IMB_GET_NEXT_JOB(mb->mgr);

			set_nonce(iv[i], j->counter);
			describe(job, j, iv[i], j->out + j->len);
			job->cipher_direction = IMB_DIR_ENCRYPT;
			job->chain_order = IMB_ORDER_CIPHER_HASH;
			run(mb->mgr);
			j->status = 0;
		}
		while (IMB_FLUSH_JOB(mb->mgr))
			;
	}
}

void aead_mb_open(struct aead_mb *mb, struct aead_job *jobs, size_t n)
{
	uint8_t iv[ROUND][NONCE_LEN], sent[ROUND][AEAD_TAG_LEN], own[ROUND][AEAD_TAG_LEN];

	for (size_t at = 0; at < n; at += ROUND) {
		size_t count = n - at < ROUND ? n - at : ROUND;

		for (size_t i = 0; i < count; i++) {
			struct aead_job *j = &jobs[at + i];
			IMB_JOB *job = IMB_GET_NEXT_JOB(mb->mgr);

			memcpy(sent[i], j->in + j->len, AEAD_TAG_LEN);
			set_nonce(iv[i], j->counter);
			describe(job, j, iv[i], own[i]);
			job->cipher_direction = IMB_DIR_DECRYPT;
			job->chain_order = IMB_ORDER_HASH_CIPHER;
			run(mb->mgr);
		}
		while (IMB_FLUSH_JOB(mb->mgr))
			;
		for (size_t i = 0; i < count; i++)
			jobs[at + i].status =
				sodium_memcmp(sent[i], own[i], AEAD_TAG_LEN) == 0 ? 0 : -EBADMSG;
	}
}

#else

bool aead_mb_available(void)
{
	return false;
}

struct aead_mb *aead_mb_new(void)
{
	return NULL;
}

void aead_mb_free(struct aead_mb *mb)
{
	(void)mb;
}

void aead_mb_seal(struct aead_mb *mb, struct aead_job *jobs, size_t n)
{
	(void)mb, (void)jobs, (void)n;
}

void aead_mb_open(struct aead_mb *mb, struct aead_job *jobs, size_t n)
{
	(void)mb, (void)jobs, (void)n;
}

#endif
