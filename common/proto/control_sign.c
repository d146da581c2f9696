/*
 * control_sign: what a machine key signs: node and disco keys, and that a session is its own.
 */
#include "common/proto/control.h"

#include <string.h>

#include <sodium.h>

enum { SIGNED_TEXT_MAX = 32 + 8 + 2 * CONTROL_NAME_LEN + KEY_LEN + CONTROL_SPKI_HASH_LEN };

struct signed_text {
	uint8_t bytes[SIGNED_TEXT_MAX];
	size_t len;
};

static struct signed_text key_text(enum control_key_kind kind, const char *name, const char *owner,
				   const struct control_key *k)
{
	static const char *const label[] = {"warren-node-key-v1", "warren-disco-key-v1"};
	struct signed_text t;
	struct writer w = writer_init(t.bytes, sizeof(t.bytes));

	write_bytes(&w, label[kind], strlen(label[kind]) + 1);
	write_u64be(&w, k->serial);
	write_bytes(&w, name, strnlen(name, CONTROL_NAME_LEN - 1));
	write_u8(&w, 0);
	write_bytes(&w, owner, strnlen(owner, CONTROL_NAME_LEN - 1));
	write_u8(&w, 0);
	write_bytes(&w, k->key.b, sizeof(k->key.b));
	t.len = w.len;
	return t;
}

void control_key_sign(enum control_key_kind kind, const struct machine_secret *machine,
		      const char *name, const char *owner, struct control_key *k)
{
	struct signed_text t = key_text(kind, name, owner, k);

	machine_sign(machine, t.bytes, t.len, k->sig);
}

bool control_key_verify(enum control_key_kind kind, const struct public_key *machine,
			const char *name, const char *owner, const struct control_key *k)
{
	struct signed_text t = key_text(kind, name, owner, k);

	return machine_verify(machine, t.bytes, t.len, k->sig);
}

bool control_key_is_signed(const struct control_key *k)
{
	return !sodium_is_zero(k->sig, sizeof(k->sig));
}

static struct signed_text proof_text(const uint8_t nonce[static CONTROL_NONCE_LEN],
				     const uint8_t spki_hash[static CONTROL_SPKI_HASH_LEN])
{
	static const char label[] = "warren-session-v1";
	struct signed_text t;
	struct writer w = writer_init(t.bytes, sizeof(t.bytes));

	write_bytes(&w, label, sizeof(label));
	write_bytes(&w, nonce, CONTROL_NONCE_LEN);
	write_bytes(&w, spki_hash, CONTROL_SPKI_HASH_LEN);
	t.len = w.len;
	return t;
}

void control_proof_sign(const struct machine_secret *machine,
			const uint8_t nonce[static CONTROL_NONCE_LEN],
			const uint8_t spki_hash[static CONTROL_SPKI_HASH_LEN],
			uint8_t proof[static SIGNATURE_LEN])
{
	struct signed_text t = proof_text(nonce, spki_hash);

	machine_sign(machine, t.bytes, t.len, proof);
}

bool control_proof_verify(const struct public_key *machine,
			  const uint8_t nonce[static CONTROL_NONCE_LEN],
			  const uint8_t spki_hash[static CONTROL_SPKI_HASH_LEN],
			  const uint8_t proof[static SIGNATURE_LEN])
{
	struct signed_text t = proof_text(nonce, spki_hash);

	return machine_verify(machine, t.bytes, t.len, proof);
}
