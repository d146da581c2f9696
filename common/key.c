#include "common/key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

void secret_key_from_random(struct secret_key *out, const uint8_t random[static KEY_LEN])
{
	memcpy(out->b, random, KEY_LEN);
	out->b[0] &= 248;
	out->b[31] = (uint8_t)((out->b[31] & 127) | 64);
}

void secret_key_public(const struct secret_key *secret, struct public_key *out)
{
	crypto_scalarmult_base(out->b, secret->b);
}

void secret_key_wipe(struct secret_key *secret)
{
	sodium_memzero(secret, sizeof(*secret));
}

void machine_secret_from_random(struct machine_secret *out, struct public_key *pub,
				const uint8_t random[static KEY_LEN])
{
	crypto_sign_seed_keypair(pub->b, out->b, random);
}

void machine_sign(const struct machine_secret *secret, const void *msg, size_t len,
		  uint8_t sig[static SIGNATURE_LEN])
{
	crypto_sign_detached(sig, NULL, msg, len, secret->b);
}

bool machine_verify(const struct public_key *pub, const void *msg, size_t len,
		    const uint8_t sig[static SIGNATURE_LEN])
{
	return crypto_sign_verify_detached(sig, msg, len, pub->b) == 0;
}

bool public_key_equal(const struct public_key *a, const struct public_key *b)
{
	return memcmp(a->b, b->b, KEY_LEN) == 0;
}

bool public_key_is_zero(const struct public_key *key)
{
	return sodium_is_zero(key->b, KEY_LEN) == 1;
}

void hex_encode(const uint8_t *bytes, size_t n, char *out)
{
	sodium_bin2hex(out, 2 * n + 1, bytes, n);
}

int hex_decode(const char *text, uint8_t *out, size_t n)
{
	size_t got = 0;
	const char *end = NULL;
	size_t len = strlen(text);

	if (len != 2 * n || sodium_hex2bin(out, n, text, len, NULL, &got, &end) != 0 || got != n ||
	    *end != '\0')
		return -EBADMSG;
	return 0;
}

void public_key_hex(const struct public_key *key, char out[static KEY_HEX_LEN + 1])
{
	hex_encode(key->b, KEY_LEN, out);
}

void secret_key_hex(const struct secret_key *key, char out[static KEY_HEX_LEN + 1])
{
	hex_encode(key->b, KEY_LEN, out);
}

void public_key_str(const struct public_key *key, const char *prefix, char out[static KEY_TEXT_LEN])
{
	char hex[KEY_HEX_LEN + 1];

	public_key_hex(key, hex);
	snprintf(out, KEY_TEXT_LEN, "%s%s%s", prefix ? prefix : "", prefix ? ":" : "", hex);
}

static int parse(const char *text, const char *prefix, uint8_t out[static KEY_LEN])
{
	if (prefix) {
		size_t n = strlen(prefix);

		if (strncmp(text, prefix, n) != 0 || text[n] != ':')
			return -EBADMSG;
		text += n + 1;
	}
	return hex_decode(text, out, KEY_LEN);
}

int public_key_parse(const char *text, const char *prefix, struct public_key *out)
{
	return parse(text, prefix, out->b);
}

int secret_key_parse(const char *text, const char *prefix, struct secret_key *out)
{
	return parse(text, prefix, out->b);
}
