#include "agent/wg/aead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "tests/unit/test.h"

/* RFC 8439 appendix A.5: the vector whose nonce begins with four zeros, as WireGuard's do. */
static const char rfc_key[] = "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0";
static const char rfc_ad[] = "f33388860000000000004e91";
static const char rfc_sealed[] =
	"64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e38"
	"2d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f9"
	"82b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d"
	"46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04"
	"b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049"
	"e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b"
	"eead9d67890cbb22392336fea1851f38";
static const char rfc_plain[] =
	"Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
	"replaced, or obsoleted by other documents at any time. It is inappropriate to use "
	"Internet-Drafts as reference material or to cite them other than as "
	"/\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
static const uint64_t rfc_counter = UINT64_C(0x0807060504030201);
enum { RFC_LEN = 265 };

TEST(seals_and_opens_the_vector_of_rfc_8439)
{
	struct aead *a = aead_new();
	uint8_t key[32], ad[12], sealed[RFC_LEN + 16], wanted[RFC_LEN + 16], opened[RFC_LEN];

	test_unhex(rfc_key, key, sizeof(key));
	test_unhex(rfc_ad, ad, sizeof(ad));
	test_unhex(rfc_sealed, wanted, sizeof(wanted));
	aead_seal(a, key, rfc_counter, ad, sizeof(ad), (const uint8_t *)rfc_plain, RFC_LEN, sealed);
	CHECK_MEM(sealed, wanted, sizeof(wanted));
	CHECK_INT(aead_open(a, key, rfc_counter, ad, sizeof(ad), sealed, RFC_LEN, opened), 0);
	CHECK_MEM(opened, rfc_plain, RFC_LEN);
	CHECK_INT(aead_open(a, key, rfc_counter + 1, ad, sizeof(ad), sealed, RFC_LEN, opened),
		  -EBADMSG);
	CHECK(sodium_is_zero(opened, sizeof(opened)));
	ad[0] ^= 1;
	CHECK_INT(aead_open(a, key, rfc_counter, ad, sizeof(ad), sealed, RFC_LEN, opened),
		  -EBADMSG);
	aead_free(a);
}

/* draft-irtf-cfrg-xchacha-03 appendix A.3.1. */
TEST(seals_and_opens_the_vector_of_xchacha)
{
	static const char plain[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
		"the future, sunscreen would be it.";
	enum { LEN = sizeof(plain) - 1 };
	uint8_t key[32], nonce[24], ad[12], sealed[LEN + 16], wanted[LEN + 16], opened[LEN];

	test_unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key, 32);
	test_unhex("404142434445464748494a4b4c4d4e4f5051525354555657", nonce, 24);
	test_unhex("50515253c0c1c2c3c4c5c6c7", ad, 12);
	test_unhex(
		"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440b"
		"f3a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3f"
		"ac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e"
		"c0875924c1c7987947deafd8780acf49",
		wanted, sizeof(wanted));
	aead_xseal(key, nonce, ad, sizeof(ad), (const uint8_t *)plain, LEN, sealed);
	CHECK_MEM(sealed, wanted, sizeof(wanted));
	CHECK_INT(aead_xopen(key, nonce, ad, sizeof(ad), sealed, LEN, opened), 0);
	CHECK_MEM(opened, plain, LEN);
	sealed[3] ^= 1;
	CHECK_INT(aead_xopen(key, nonce, ad, sizeof(ad), sealed, LEN, opened), -EBADMSG);
}

/* ---- both libraries against libsodium ---- */

enum { LEN_MAX = 3000, BATCH = 60 };

static void fill(uint8_t *out, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
}

static void seal_by_sodium(const uint8_t *key, uint64_t counter, const uint8_t *in, size_t len,
			   uint8_t *out)
{
	uint8_t nonce[12] = {0};

	for (unsigned i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(counter >> 8 * i);
	crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, len, NULL, 0, NULL, nonce, key);
}

/* Batches of BATCH packets of neighbouring lengths, under two keys in turn. */
static void check_batches(struct aead *a, bool in_place)
{
	static uint8_t plain[BATCH][LEN_MAX + 16], out[BATCH][LEN_MAX + 16];
	uint8_t keys[2][32], wanted[LEN_MAX + 16];
	struct aead_job jobs[BATCH];

	fill(keys[0], sizeof(keys), 1);
	for (size_t at = 0; at <= LEN_MAX; at += BATCH) {
		size_t n = 0;

		for (; n < BATCH && at + n <= LEN_MAX; n++) {
			fill(plain[n], at + n, (uint32_t)(at + n));
			memcpy(out[n], plain[n], at + n);
			jobs[n] = (struct aead_job){
				.key = keys[n % 2],
				.counter = (at + n) * UINT64_C(0x100000001),
				.in = in_place ? out[n] : plain[n],
				.out = out[n],
				.len = at + n,
			};
		}
		aead_seal_batch(a, jobs, n);
		for (size_t i = 0; i < n; i++) {
			seal_by_sodium(jobs[i].key, jobs[i].counter, plain[i], at + i, wanted);
			CHECK_MEM(out[i], wanted, at + i + 16);
			jobs[i].in = out[i];
		}
		/* One in three is spoilt: in its tag, or in its bytes where there are any. */
		for (size_t i = 0; i < n; i += 3)
			out[i][i % 2 ? at + i : 0] ^= 0x80;
		aead_open_batch(a, jobs, n);
		for (size_t i = 0; i < n; i++) {
			CHECK_INT(jobs[i].status, i % 3 == 0 ? -EBADMSG : 0);
			if (i % 3 != 0)
				CHECK_MEM(out[i], plain[i], at + i);
		}
	}
}

TEST(openssl_gives_libsodiums_bytes_for_0_to_3000)
{
	struct aead *a = aead_new();

	CHECK_INT(aead_set_backend(a, AEAD_OPENSSL), 0);
	check_batches(a, false);
	check_batches(a, true);
	CHECK_INT(aead_backend(a), AEAD_OPENSSL);
	aead_free(a);
}

TEST(ipsec_mb_gives_libsodiums_bytes_for_0_to_3000)
{
	struct aead *a = aead_new();

	if (aead_set_backend(a, AEAD_IPSEC_MB) != 0) {
		aead_free(a);
		skip(); /* a build or CPU without it */
	}
	check_batches(a, false);
	check_batches(a, true);
	CHECK_INT(aead_backend(a), AEAD_IPSEC_MB);
	aead_free(a);
}

static void seal_n(struct aead *a, unsigned batches, size_t n, size_t len)
{
	static uint8_t buf[8][2048], key[32];
	struct aead_job jobs[8];

	while (batches-- > 0) {
		for (size_t i = 0; i < n; i++)
			jobs[i] = (struct aead_job){key, 0, buf[i], buf[i], len, 0};
		aead_seal_batch(a, jobs, n);
	}
}

TEST(ipsec_mb_is_loaded_once_a_mebibyte_has_passed_in_batches)
{
	struct aead *a = aead_new(), *probe = aead_new();
	enum aead_backend best =
		aead_set_backend(probe, AEAD_IPSEC_MB) == 0 ? AEAD_IPSEC_MB : AEAD_OPENSSL;

	seal_n(a, 4000, 3, 1024); /* never a batch */
	CHECK_INT(aead_backend(a), AEAD_OPENSSL);
	seal_n(a, 127, 8, 1024);
	CHECK_INT(aead_backend(a), AEAD_OPENSSL);
	seal_n(a, 1, 8, 1024);
	CHECK_INT(aead_backend(a), best);
	aead_free(a);
	aead_free(probe);
}

TEST(forgotten_keys_are_set_again_when_used)
{
	struct aead *a = aead_new();
	uint8_t key[32] = {1}, out[17], wanted[17];

	for (unsigned i = 0; i < 2; i++) {
		aead_seal(a, key, 7, NULL, 0, (const uint8_t *)"x", 1, out);
		seal_by_sodium(key, 7, (const uint8_t *)"x", 1, wanted);
		CHECK_MEM(out, wanted, sizeof(wanted));
		CHECK_INT(aead_open(a, key, 7, NULL, 0, out, 1, out), 0);
		aead_forget_keys(a);
	}
	aead_free(a);
}
