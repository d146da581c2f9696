#include "agent/wg/noise.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "agent/wg/aead.h"
#include "agent/wg/keypair.h"
#include "agent/wg/transport.h"

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

enum { SEALED_KEY_LEN = KEY_LEN + AEAD_TAG_LEN, SEALED_STAMP_LEN = TAI64N_LEN + AEAD_TAG_LEN };

/* ---- the symmetric state: every step mixes something into hash or chaining key ---- */

static void mix_hash(struct hash *h, struct noise_symmetric *s, const void *data, size_t len)
{
	hash_pair(h, s->hash, sizeof(s->hash), data, len, s->hash);
}

/* key_out may be NULL: then only the chaining key moves. */
static void mix_key(struct hash *h, struct noise_symmetric *s, const void *data, size_t len,
		    uint8_t *key_out)
{
	hash_kdf(h, s->chaining_key, data, len, s->chaining_key, key_out, NULL);
}

/* -EINVAL where the shared secret is zero, as it is with a key of low order. */
static int mix_shared(struct hash *h, struct noise_symmetric *s, const struct secret_key *secret,
		      const struct public_key *pub, uint8_t *key_out)
{
	struct secret_key shared;
	int rc = crypto_scalarmult(shared.b, secret->b, pub->b) == 0 ? 0 : -EINVAL;

	if (rc == 0)
		mix_key(h, s, shared.b, sizeof(shared.b), key_out);
	secret_key_wipe(&shared);
	return rc;
}

static void mix_psk(struct hash *h, struct noise_symmetric *s, const struct secret_key *psk,
		    uint8_t key_out[static KEY_LEN])
{
	uint8_t tau[HASH_LEN];

	hash_kdf(h, s->chaining_key, psk->b, sizeof(psk->b), s->chaining_key, tau, key_out);
	mix_hash(h, s, tau, sizeof(tau));
	sodium_memzero(tau, sizeof(tau));
}

static void mix_ephemeral(struct hash *h, struct noise_symmetric *s, const struct public_key *pub)
{
	mix_hash(h, s, pub->b, sizeof(pub->b));
	mix_key(h, s, pub->b, sizeof(pub->b), NULL);
}

/* Every handshake key seals one message, so its counter is 0. */
static void seal_and_mix(const struct noise_identity *id, struct noise_symmetric *s,
			 const uint8_t key[static KEY_LEN], const void *in, size_t len,
			 uint8_t *out)
{
	aead_seal(id->aead, key, 0, s->hash, sizeof(s->hash), in, len, out);
	mix_hash(id->hash, s, out, len + AEAD_TAG_LEN);
}

static int open_and_mix(const struct noise_identity *id, struct noise_symmetric *s,
			const uint8_t key[static KEY_LEN], const uint8_t *sealed, size_t len,
			uint8_t *out)
{
	int rc = aead_open(id->aead, key, 0, s->hash, sizeof(s->hash), sealed, len, out);

	if (rc == 0)
		mix_hash(id->hash, s, sealed, len + AEAD_TAG_LEN);
	return rc;
}

/* The transport keys: the first is the initiator's to send with. */
static void split(struct hash *h, struct noise_symmetric *s, bool is_initiator, struct keypair *kp)
{
	struct secret_key *first = is_initiator ? &kp->send_key : &kp->receive_key;
	struct secret_key *second = is_initiator ? &kp->receive_key : &kp->send_key;

	hash_kdf(h, s->chaining_key, NULL, 0, first->b, second->b, NULL);
	kp->is_initiator = is_initiator;
	sodium_memzero(s, sizeof(*s));
}

/* ---- identities ---- */

void noise_identity_set(struct noise_identity *id, const struct secret_key *secret)
{
	struct noise_symmetric *s = &id->start;

	hash_pair(id->hash, construction, strlen(construction), NULL, 0, s->chaining_key);
	memcpy(s->hash, s->chaining_key, sizeof(s->hash));
	mix_hash(id->hash, s, identifier, strlen(identifier));

	secret_key_wipe(&id->secret);
	memset(&id->key, 0, sizeof(id->key));
	id->is_set = secret && !sodium_is_zero(secret->b, sizeof(secret->b));
	if (!id->is_set)
		return;
	id->secret = *secret;
	secret_key_public(&id->secret, &id->key);
}

int noise_peer_bind(struct noise_peer *peer, const struct noise_identity *id)
{
	secret_key_wipe(&peer->static_shared);
	peer->is_usable = id->is_set && !public_key_equal(&peer->key, &id->key) &&
			  crypto_scalarmult(peer->static_shared.b, id->secret.b, peer->key.b) == 0;
	return peer->is_usable ? 0 : -EINVAL;
}

/* ---- initiation ---- */

int noise_create_initiation(const struct noise_identity *id, const struct noise_peer *peer,
			    struct noise_initiation *hs, const uint8_t random[static KEY_LEN],
			    uint32_t local_index, const uint8_t stamp[static TAI64N_LEN],
			    uint8_t out[static NOISE_INITIATION_LEN])
{
	struct writer w = writer_init(out, NOISE_INITIATION_LEN);
	struct noise_symmetric s = id->start;
	struct public_key ephemeral;
	uint8_t key[KEY_LEN];
	int rc;

	if (!peer->is_usable)
		return -EINVAL;
	secret_key_from_random(&hs->ephemeral, random);
	secret_key_public(&hs->ephemeral, &ephemeral);

	write_u32le(&w, WG_TYPE_INITIATION);
	write_u32le(&w, local_index);
	mix_hash(id->hash, &s, peer->key.b, sizeof(peer->key.b));
	write_bytes(&w, ephemeral.b, sizeof(ephemeral.b));
	mix_ephemeral(id->hash, &s, &ephemeral);
	rc = mix_shared(id->hash, &s, &hs->ephemeral, &peer->key, key);
	if (rc == 0) {
		seal_and_mix(id, &s, key, id->key.b, KEY_LEN, write_span(&w, SEALED_KEY_LEN));
		mix_key(id->hash, &s, peer->static_shared.b, KEY_LEN, key);
		seal_and_mix(id, &s, key, stamp, TAI64N_LEN, write_span(&w, SEALED_STAMP_LEN));
	}
	hs->symmetric = s;
	hs->local_index = local_index;
	hs->is_waiting = rc == 0;
	sodium_memzero(key, sizeof(key));
	sodium_memzero(&s, sizeof(s));
	return rc;
}

int noise_open_initiation(const struct noise_identity *id,
			  const uint8_t msg[static NOISE_INITIATION_LEN], struct noise_opened *out)
{
	struct reader r = reader_init(msg, NOISE_INITIATION_LEN);
	uint8_t key[KEY_LEN];
	int rc = -EBADMSG;

	if (!id->is_set)
		return -EBADMSG;
	out->symmetric = id->start;
	read_skip(&r, 4);
	out->remote_index = read_u32le(&r);
	read_bytes(&r, out->ephemeral.b, sizeof(out->ephemeral.b));
	mix_hash(id->hash, &out->symmetric, id->key.b, sizeof(id->key.b));
	mix_ephemeral(id->hash, &out->symmetric, &out->ephemeral);
	if (mix_shared(id->hash, &out->symmetric, &id->secret, &out->ephemeral, key) == 0)
		rc = open_and_mix(id, &out->symmetric, key, read_span(&r, SEALED_KEY_LEN), KEY_LEN,
				  out->key.b);
	sodium_memzero(key, sizeof(key));
	if (rc != 0)
		sodium_memzero(out, sizeof(*out));
	return rc;
}

static bool is_flood(const struct noise_peer *peer, uint64_t now_us)
{
	return peer->last_initiation_us != 0 && now_us - peer->last_initiation_us < NOISE_FLOOD_US;
}

int noise_accept_initiation(const struct noise_identity *id, struct noise_peer *peer,
			    const uint8_t msg[static NOISE_INITIATION_LEN],
			    struct noise_opened *opened, uint64_t now_us)
{
	struct noise_symmetric s = opened->symmetric;
	uint8_t key[KEY_LEN], stamp[TAI64N_LEN];
	int rc = -EBADMSG;

	if (peer->is_usable) {
		mix_key(id->hash, &s, peer->static_shared.b, KEY_LEN, key);
		rc = open_and_mix(id, &s, key, msg + NOISE_INITIATION_LEN - SEALED_STAMP_LEN,
				  TAI64N_LEN, stamp);
	}
	int age = rc == 0 ? memcmp(stamp, peer->last_stamp, sizeof(stamp)) : 1;

	if (rc == 0 && age <= 0)
		rc = age == 0 ? -EALREADY : -ESTALE;
	else if (rc == 0 && is_flood(peer, now_us))
		rc = -EAGAIN;
	if (rc == 0) {
		memcpy(peer->last_stamp, stamp, sizeof(stamp));
		peer->last_initiation_us = now_us;
		opened->symmetric = s;
	}
	sodium_memzero(key, sizeof(key));
	sodium_memzero(&s, sizeof(s));
	return rc;
}

/* ---- response ---- */

/* Both sides mix the same: the responder's ephemeral, ee, se, and the psk. */
static int mix_response(struct hash *h, struct noise_symmetric *s,
			const struct public_key *ephemeral, const struct secret_key *ee_secret,
			const struct public_key *ee_public, const struct secret_key *se_secret,
			const struct public_key *se_public, const struct secret_key *psk,
			uint8_t key[static KEY_LEN])
{
	mix_ephemeral(h, s, ephemeral);
	if (mix_shared(h, s, ee_secret, ee_public, NULL) != 0 ||
	    mix_shared(h, s, se_secret, se_public, NULL) != 0)
		return -EINVAL;
	mix_psk(h, s, psk, key);
	return 0;
}

int noise_create_response(const struct noise_identity *id, const struct noise_peer *peer,
			  struct noise_opened *opened, const uint8_t random[static KEY_LEN],
			  uint32_t local_index, uint8_t out[static NOISE_RESPONSE_LEN],
			  struct keypair *kp)
{
	struct writer w = writer_init(out, NOISE_RESPONSE_LEN);
	struct noise_symmetric *s = &opened->symmetric;
	struct secret_key secret;
	struct public_key ephemeral;
	uint8_t key[KEY_LEN];
	int rc;

	secret_key_from_random(&secret, random);
	secret_key_public(&secret, &ephemeral);
	write_u32le(&w, WG_TYPE_RESPONSE);
	write_u32le(&w, local_index);
	write_u32le(&w, opened->remote_index);
	write_bytes(&w, ephemeral.b, sizeof(ephemeral.b));

	rc = mix_response(id->hash, s, &ephemeral, &secret, &opened->ephemeral, &secret, &peer->key,
			  &peer->psk, key);
	if (rc == 0) {
		seal_and_mix(id, s, key, NULL, 0, write_span(&w, AEAD_TAG_LEN));
		kp->local_index = local_index;
		kp->remote_index = opened->remote_index;
		split(id->hash, s, false, kp);
	}
	secret_key_wipe(&secret);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(opened, sizeof(*opened));
	return rc;
}

int noise_consume_response(const struct noise_identity *id, const struct noise_peer *peer,
			   struct noise_initiation *hs,
			   const uint8_t msg[static NOISE_RESPONSE_LEN], struct keypair *kp)
{
	struct reader r = reader_init(msg, NOISE_RESPONSE_LEN);
	struct noise_symmetric s = hs->symmetric;
	struct public_key ephemeral;
	uint8_t key[KEY_LEN], nothing[1];
	uint32_t remote_index;
	int rc = -EBADMSG;

	read_skip(&r, 4);
	remote_index = read_u32le(&r);
	read_skip(&r, 4);
	read_bytes(&r, ephemeral.b, sizeof(ephemeral.b));
	if (hs->is_waiting && mix_response(id->hash, &s, &ephemeral, &hs->ephemeral, &ephemeral,
					   &id->secret, &ephemeral, &peer->psk, key) == 0)
		rc = open_and_mix(id, &s, key, read_span(&r, AEAD_TAG_LEN), 0, nothing);
	if (rc == 0) {
		kp->local_index = hs->local_index;
		kp->remote_index = remote_index;
		split(id->hash, &s, true, kp);
		sodium_memzero(hs, sizeof(*hs));
	}
	sodium_memzero(&s, sizeof(s));
	sodium_memzero(key, sizeof(key));
	return rc;
}
