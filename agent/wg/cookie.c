#include "agent/wg/cookie.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "agent/wg/aead.h"
#include "agent/wg/transport.h"

enum { LABEL_LEN = 8, LATENCY_US = 5 * 1000 * 1000 };

void cookie_keys_set(struct cookie_keys *keys, struct hash *hash, const struct public_key *key)
{
	hash_pair(hash, "mac1----", LABEL_LEN, key->b, sizeof(key->b), keys->mac1_key);
	hash_pair(hash, "cookie--", LABEL_LEN, key->b, sizeof(key->b), keys->reply_key);
}

static void make_cookie(const struct cookie_checker *c, const struct wg_source *source,
			uint8_t out[static COOKIE_LEN])
{
	hash_mac(c->hash, c->secret, sizeof(c->secret), source->bytes, source->len, out);
}

static bool secret_is_alive(const struct cookie_checker *c, uint64_t now_us)
{
	return c->has_secret && now_us - c->secret_birth_us < COOKIE_LIFE_US;
}

static bool mac2_is_right(const struct cookie_checker *c, const uint8_t *msg, size_t len,
			  const struct wg_source *source, uint64_t now_us)
{
	uint8_t cookie[COOKIE_LEN], mac2[HASH_MAC_LEN];

	if (!secret_is_alive(c, now_us))
		return false;
	make_cookie(c, source, cookie);
	hash_mac(c->hash, cookie, sizeof(cookie), msg, len - HASH_MAC_LEN, mac2);
	return sodium_memcmp(mac2, msg + len - HASH_MAC_LEN, sizeof(mac2)) == 0;
}

enum cookie_verdict cookie_check(const struct cookie_checker *c, const uint8_t *msg, size_t len,
				 const struct wg_source *source, bool want_mac2, uint64_t now_us)
{
	const uint8_t *sent_mac1 = msg + len - COOKIE_MACS_LEN;
	uint8_t mac1[HASH_MAC_LEN];

	hash_mac(c->hash, c->keys.mac1_key, HASH_LEN, msg, len - COOKIE_MACS_LEN, mac1);
	if (sodium_memcmp(mac1, sent_mac1, sizeof(mac1)) != 0)
		return COOKIE_MAC1_WRONG;
	if (want_mac2 && mac2_is_right(c, msg, len, source, now_us))
		return COOKIE_MAC2_RIGHT;
	return COOKIE_MAC1_RIGHT;
}

void cookie_reply_create(struct cookie_checker *c, const uint8_t *msg, size_t len,
			 uint32_t sender_index, const struct wg_source *source,
			 const uint8_t fresh_secret[static HASH_LEN],
			 const uint8_t nonce[static COOKIE_NONCE_LEN], uint64_t now_us,
			 uint8_t out[static COOKIE_REPLY_LEN])
{
	struct writer w = writer_init(out, COOKIE_REPLY_LEN);
	uint8_t cookie[COOKIE_LEN];

	if (!secret_is_alive(c, now_us)) {
		memcpy(c->secret, fresh_secret, sizeof(c->secret));
		c->secret_birth_us = now_us;
		c->has_secret = true;
	}
	make_cookie(c, source, cookie);
	write_u32le(&w, WG_TYPE_COOKIE_REPLY);
	write_u32le(&w, sender_index);
	write_bytes(&w, nonce, COOKIE_NONCE_LEN);
	aead_xseal(c->keys.reply_key, nonce, msg + len - COOKIE_MACS_LEN, HASH_MAC_LEN, cookie,
		   sizeof(cookie), write_span(&w, COOKIE_LEN + AEAD_TAG_LEN));
	sodium_memzero(cookie, sizeof(cookie));
}

void cookie_add_macs(struct cookie_maker *m, struct hash *hash, uint8_t *msg, size_t len,
		     uint64_t now_us)
{
	uint8_t *mac1 = msg + len, *mac2 = mac1 + HASH_MAC_LEN;

	hash_mac(hash, m->keys.mac1_key, HASH_LEN, msg, len, mac1);
	memcpy(m->last_mac1, mac1, HASH_MAC_LEN);
	m->has_last_mac1 = true;
	/* 5 s for the way there, so that a cookie doesn't die in flight. */
	if (m->has_cookie && now_us - m->cookie_birth_us < COOKIE_LIFE_US - LATENCY_US)
		hash_mac(hash, m->cookie, COOKIE_LEN, msg, len + HASH_MAC_LEN, mac2);
	else
		memset(mac2, 0, HASH_MAC_LEN);
}

int cookie_reply_consume(struct cookie_maker *m, const uint8_t msg[static COOKIE_REPLY_LEN],
			 uint64_t now_us)
{
	struct reader r = reader_init(msg, COOKIE_REPLY_LEN);
	uint8_t nonce[COOKIE_NONCE_LEN], cookie[COOKIE_LEN];
	int rc;

	if (!m->has_last_mac1)
		return -EBADMSG;
	read_skip(&r, 8);
	read_bytes(&r, nonce, sizeof(nonce));
	rc = aead_xopen(m->keys.reply_key, nonce, m->last_mac1, sizeof(m->last_mac1),
			read_span(&r, COOKIE_LEN + AEAD_TAG_LEN), COOKIE_LEN, cookie);
	if (rc != 0)
		return rc;
	memcpy(m->cookie, cookie, sizeof(cookie));
	m->cookie_birth_us = now_us;
	m->has_cookie = true;
	m->has_last_mac1 = false;
	sodium_memzero(cookie, sizeof(cookie));
	return 0;
}
