/*
 * noise_fuzz: handshake messages into a device that knows one peer.
 *
 *	input: flags, then bytes
 *	  0x01 under load            0x02 the bytes are XORed over a true initiation of the peer's
 *	  0x10 mac1 is made right    0x04 ... a true response    0x08 ... a true cookie reply
 *
 * So that a mutation gets past MACs and ciphers that no fuzzer can guess.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wg/aead.h"
#include "agent/wg/cookie.h"
#include "agent/wg/device.h"
#include "agent/wg/noise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
	UNDER_LOAD = 1,
	TRUE_INITIATION = 2,
	TRUE_RESPONSE = 4,
	TRUE_COOKIE_REPLY = 8,
	FIX_MAC1 = 16,
	MESSAGE_MAX = 2048,
};

static const uint64_t NOW_US = 1000000000, UNIX_US = 1700000000000000;

/* The device under test and its peer, who speaks by noise.h alone. */
struct stage {
	struct wg_device *dev;
	struct index_table *table;
	struct wg_peer *peer;
	struct traffic traffic;
	struct noise_identity other;
	struct noise_peer dev_seen; /* the device, as its peer knows it */
	struct cookie_keys dev_keys;
	uint8_t last_sent[WG_MESSAGE_MAX];
};

static struct wg_moment moment(uint8_t random)
{
	struct wg_moment at = {.now_us = NOW_US, .unix_us = UNIX_US};

	memset(at.random, random, sizeof(at.random));
	return at;
}

static void take_effects(struct stage *s)
{
	struct wg_effect e;

	while (wg_device_next_effect(s->dev, &e)) {
		assert(e.len <= WG_MESSAGE_MAX);
		if (e.kind == WG_SEND)
			memcpy(s->last_sent, e.bytes, e.len);
		if (e.kind == WG_RETIRED)
			keypair_free(e.keypair);
	}
}

static void stage_init(struct stage *s, struct hash *hash, struct aead *aead)
{
	const struct secret_key dev_secret = {{0x40, [31] = 0x40}}, other = {{0x48, [31] = 0x41}};
	const uint8_t hash_key[16] = {0};

	memset(s, 0, sizeof(*s));
	s->table = index_table_new();
	s->dev = wg_device_new(&dev_secret, s->table, 0, hash_key);
	s->other.hash = hash;
	s->other.aead = aead;
	noise_identity_set(&s->other, &other);
	s->dev_seen.key = *wg_device_public_key(s->dev);
	cookie_keys_set(&s->dev_keys, hash, &s->dev_seen.key);
	if (noise_peer_bind(&s->dev_seen, &s->other) != 0 ||
	    wg_device_add_peer(s->dev, &s->other.key, NULL, &s->traffic, NULL, &s->peer) != 0)
		abort();
}

static size_t true_initiation(struct stage *s, uint8_t *msg)
{
	const uint8_t random[KEY_LEN] = {7}, stamp[TAI64N_LEN] = {0x40};
	struct noise_initiation hs = {0};

	if (noise_create_initiation(&s->other, &s->dev_seen, &hs, random, 99, stamp, msg) != 0)
		abort();
	return NOISE_INITIATION_LEN + COOKIE_MACS_LEN;
}

static void let_device_initiate(struct stage *s)
{
	struct wg_moment at = moment(3);

	wg_device_start_handshake(s->dev, s->peer, true, &at);
	take_effects(s);
}

static size_t true_response(struct stage *s, uint8_t *msg)
{
	const uint8_t random[KEY_LEN] = {8};
	struct keypair *kp = keypair_new();
	struct noise_opened opened;

	let_device_initiate(s);
	if (!kp || noise_open_initiation(&s->other, s->last_sent, &opened) != 0 ||
	    noise_accept_initiation(&s->other, &s->dev_seen, s->last_sent, &opened, NOW_US) != 0 ||
	    noise_create_response(&s->other, &s->dev_seen, &opened, random, 98, msg, kp) != 0)
		abort();
	keypair_free(kp);
	return NOISE_RESPONSE_LEN + COOKIE_MACS_LEN;
}

static size_t true_cookie_reply(struct stage *s, const struct wg_source *source, uint8_t *msg)
{
	const uint8_t secret[HASH_LEN] = {9}, nonce[COOKIE_NONCE_LEN] = {9};
	struct cookie_checker checker = {.hash = s->other.hash};
	struct reader r;

	let_device_initiate(s);
	cookie_keys_set(&checker.keys, s->other.hash, &s->other.key);
	r = reader_init(s->last_sent + 4, 4);
	cookie_reply_create(&checker, s->last_sent, WG_MESSAGE_MAX, read_u32le(&r), source, secret,
			    nonce, NOW_US, msg);
	return COOKIE_REPLY_LEN;
}

static size_t compose(struct stage *s, uint8_t flags, const struct wg_source *source, uint8_t *msg)
{
	if (flags & TRUE_INITIATION)
		return true_initiation(s, msg);
	if (flags & TRUE_RESPONSE)
		return true_response(s, msg);
	if (flags & TRUE_COOKIE_REPLY)
		return true_cookie_reply(s, source, msg);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct hash *hash;
	static struct aead *aead;
	const struct endpoint from = {.ip.b = {[15] = 1}, .port = 1};
	struct wg_source source = wg_source_from_endpoint(&from);
	uint8_t msg[MESSAGE_MAX] = {0};
	struct stage s;

	if (len < 1 || len > MESSAGE_MAX)
		return 0;
	if (!hash) {
		hash = hash_new();
		aead = aead_new();
	}
	stage_init(&s, hash, aead);
	size_t msg_len = compose(&s, data[0], &source, msg);
	if (msg_len == 0)
		msg_len = len - 1;
	for (size_t i = 0; i + 1 < len; i++)
		msg[i] ^= data[i + 1];
	if (data[0] & FIX_MAC1 && msg_len > COOKIE_MACS_LEN)
		hash_mac(hash, s.dev_keys.mac1_key, HASH_LEN, msg, msg_len - COOKIE_MACS_LEN,
			 msg + msg_len - COOKIE_MACS_LEN);

	struct wg_moment at = moment(5);
	/* A heap copy of the exact length, so that a sanitizer sees one byte too many. */
	uint8_t *exact = malloc(msg_len ? msg_len : 1);
	memcpy(exact, msg, msg_len);
	int rc = wg_device_on_handshake_packet(s.dev, exact, msg_len, &source, data[0] & UNDER_LOAD,
					       &at, NULL, NULL);
	take_effects(&s);
	if (len == 1 && (data[0] == (TRUE_INITIATION | FIX_MAC1) ||
			 data[0] == (TRUE_RESPONSE | FIX_MAC1) || data[0] == TRUE_COOKIE_REPLY))
		assert(rc == 0); /* else this target would test less than it says */
	/* A second time it is stale at best: nothing may be taken twice. */
	if (rc == 0)
		assert(wg_device_on_handshake_packet(s.dev, exact, msg_len, &source, false, &at,
						     NULL, NULL) != 0);
	take_effects(&s);
	free(exact);
	wg_device_free(s.dev);
	index_table_free(s.table);
	return 0;
}
