/*
 * noise: the handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s of the WireGuard paper, section 5.4.
 *
 * Builds and reads initiations and responses up to, and without, their two MACs (cookie.h). Keeps
 * an outstanding initiation (struct noise_initiation) apart from what answering takes, so that two
 * sides who start at the same moment both succeed. What isn't needed any more is wiped. The
 * caller finds the peer by the key that noise_open_initiation reveals, and chooses indices.
 *
 *	initiator: noise_create_initiation -> noise_consume_response -> keypair
 *	responder: noise_open_initiation -> noise_accept_initiation -> noise_create_response
 *	           -> keypair
 */
#ifndef WARREN_NOISE_H
#define WARREN_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wg/hash.h"
#include "agent/wg/tai64n.h"
#include "common/key.h"

struct aead;
struct keypair;

enum {
	NOISE_INITIATION_LEN = 116, /* without the MACs */
	NOISE_RESPONSE_LEN = 60,
	NOISE_FLOOD_US =
		20 * 1000, /* two initiations of one peer closer than this: the second is dropped */
};

struct noise_symmetric { /* chaining key and running hash */
	uint8_t chaining_key[HASH_LEN];
	uint8_t hash[HASH_LEN];
};

/* Who we are. hash and aead are borrowed. */
struct noise_identity {
	struct hash *hash;
	struct aead *aead;
	bool is_set;
	struct secret_key secret;
	struct public_key key;
	struct noise_symmetric start; /* of construction and identifier: the same for all */
};

/* Who a peer is, and the last initiation taken from it. */
struct noise_peer {
	struct public_key key;
	struct secret_key psk;		 /* all zero: none */
	struct secret_key static_shared; /* X25519 of our secret and key */
	bool is_usable;			 /* static_shared is good; false for our own key */
	uint8_t last_stamp[TAI64N_LEN];
	uint64_t last_initiation_us; /* 0: never */
};

/* An initiation of ours that waits for its response. All zero: there is none. */
struct noise_initiation {
	bool is_waiting;
	uint32_t local_index;
	struct secret_key ephemeral;
	struct noise_symmetric symmetric;
};

/* An initiation of a peer's, opened. To be wiped with sodium_memzero by whoever drops it early. */
struct noise_opened {
	struct public_key key; /* the sender's, as it claims until accepted */
	struct public_key ephemeral;
	uint32_t remote_index;
	struct noise_symmetric symmetric;
};

/* secret NULL or all zero: no identity, and nothing can be built or read. */
void noise_identity_set(struct noise_identity *id, const struct secret_key *secret);

/* Sets what depends on both identities; forgets nothing else. -EINVAL for our own key, one of low
 * order, or no identity: is_usable is false then. */
int noise_peer_bind(struct noise_peer *peer, const struct noise_identity *id);

/* Builds an initiation; replaces one that waits. -EINVAL where the peer is not usable. */
MUST_CHECK int noise_create_initiation(const struct noise_identity *id,
				       const struct noise_peer *peer, struct noise_initiation *hs,
				       const uint8_t random[static KEY_LEN], uint32_t local_index,
				       const uint8_t stamp[static TAI64N_LEN],
				       uint8_t out[static NOISE_INITIATION_LEN]);

/* Reveals who sent an initiation. -EBADMSG where it wasn't made for us. */
MUST_CHECK int noise_open_initiation(const struct noise_identity *id,
				     const uint8_t msg[static NOISE_INITIATION_LEN],
				     struct noise_opened *out);

/* Proves that peer sent it, and remembers its stamp. -EBADMSG: forged. -EALREADY: the last one once
 * more. -ESTALE: older than the last. -EAGAIN: too soon after the last. */
MUST_CHECK int noise_accept_initiation(const struct noise_identity *id, struct noise_peer *peer,
				       const uint8_t msg[static NOISE_INITIATION_LEN],
				       struct noise_opened *opened, uint64_t now_us);

/* Builds the answer and fills kp's keys and indices (not birth). opened is wiped. -EINVAL where
 * the sender's ephemeral key is of low order. */
MUST_CHECK int noise_create_response(const struct noise_identity *id, const struct noise_peer *peer,
				     struct noise_opened *opened,
				     const uint8_t random[static KEY_LEN], uint32_t local_index,
				     uint8_t out[static NOISE_RESPONSE_LEN], struct keypair *kp);

/* Reads the answer to hs, fills kp as above and wipes hs. -EBADMSG: not peer's answer to it (other
 * keys, other psk, forged); hs goes on waiting. */
MUST_CHECK int noise_consume_response(const struct noise_identity *id,
				      const struct noise_peer *peer, struct noise_initiation *hs,
				      const uint8_t msg[static NOISE_RESPONSE_LEN],
				      struct keypair *kp);

#endif
