/*
 * disco: the sealed messages by which two nodes find and prove a path to each other.
 *
 * Deployed Ping, Pong and CallMeMaybe, with a report of ours behind the fields of Ping and Pong
 * (readers that do not know it ignore trailing bytes), and one message of our own, Notice. Bytes
 * are drawn in docs/PROTOCOL.md. Sealed with NaCl box under a key computed once per peer. Which
 * sender is known, which serial is fresh and what a message means is for the caller (agent/path).
 */
#ifndef WARREN_DISCO_H
#define WARREN_DISCO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "common/wire.h"

enum {
	DISCO_MAGIC_LEN = 6,
	DISCO_NONCE_LEN = 24,
	DISCO_TAG_LEN = 16,
	DISCO_TXID_LEN = 12,
	DISCO_HEADER_LEN = DISCO_MAGIC_LEN + KEY_LEN + DISCO_NONCE_LEN,
	DISCO_ENDPOINTS_MAX = 64, /* of one CallMeMaybe; what is behind them is not read */
	DISCO_BODY_MAX = 2 + DISCO_ENDPOINTS_MAX * 18,
	DISCO_PACKET_MAX = DISCO_HEADER_LEN + DISCO_TAG_LEN + DISCO_BODY_MAX
};

enum disco_type {
	DISCO_PING = 0x01,
	DISCO_PONG = 0x02,
	DISCO_CALL_ME_MAYBE = 0x03,
	DISCO_NOTICE = 0x57 /* ours */
};

/* The kinds of way a report counts by, as numbered on the wire. */
enum disco_way { DISCO_WAY_DIRECT, DISCO_WAY_RELAY, DISCO_WAYS };

/* What each side tells the other of its own half, in every probe and answer. Counters wrap; those
 * per way count authenticated data packets of the whole peer, and a sender need fill those alone
 * that are of the kind of way the message goes by. */
struct disco_report {
	uint64_t serial;      /* only rises, over restarts too: lower or equal is a replay */
	uint16_t flags;	      /* none is defined yet: 0 */
	uint32_t probe;	      /* Ping: its number on this path, from 1; Pong: 0 */
	uint32_t heard_probe; /* highest number heard from you on this path, 0 = none */
	uint32_t data_sent[DISCO_WAYS];
	uint32_t data_heard[DISCO_WAYS];
};

struct disco_ping {
	uint8_t txid[DISCO_TXID_LEN];
	bool has_node_key;
	struct public_key node_key; /* the sender's, where it says it */
	bool has_report;	    /* only behind a node key */
	struct disco_report report;
};

struct disco_pong {
	uint8_t txid[DISCO_TXID_LEN]; /* of the Ping */
	struct endpoint seen;	      /* where the Ping came from, as its receiver saw it */
	bool has_report;
	struct disco_report report;
};

struct disco_call_me_maybe {
	struct endpoint endpoints[DISCO_ENDPOINTS_MAX];
	size_t n;
};

enum disco_notice_reason {
	DISCO_LEAVING = 1,    /* down or sleep: do not wait for me */
	DISCO_RESTARTING = 2, /* hold new packets for my next handshake */
	DISCO_NOT_HEARING = 3 /* nothing arrives here by the way named */
};

struct disco_notice {
	uint64_t serial;
	enum disco_notice_reason reason;
	enum disco_way way; /* NOT_HEARING: by which kind; DIRECT otherwise */
	uint32_t region;    /* the relay's region where way is RELAY, else 0 */
	struct endpoint
		listen; /* NOT_HEARING, DIRECT: the sender's endpoint you send to, or none */
};

struct disco_message {
	enum disco_type type;
	union {
		struct disco_ping ping;
		struct disco_pong pong;
		struct disco_call_me_maybe call_me_maybe;
		struct disco_notice notice;
	};
};

/* The key that both ends of one pair of disco keys compute; wiped by disco_shared_wipe. */
struct disco_shared {
	uint8_t b[KEY_LEN];
};

/* -EPROTO where theirs is a point of low order. Costs one X25519: once per peer, not per packet. */
MUST_CHECK int disco_shared_init(struct disco_shared *out, const struct secret_key *ours,
				 const struct public_key *theirs);
void disco_shared_wipe(struct disco_shared *shared);

/* True where the packet starts as disco does and could hold a message. */
bool disco_is_disco(const void *packet, size_t len);
/* The sender's disco key, as claimed, without any cryptography: to look up the shared key, so that
 * strangers cost nothing. -EBADMSG where it is not disco. */
MUST_CHECK int disco_sender(const void *packet, size_t len, struct public_key *out);

/* Seals m into out. ours is the sender's public key; the nonce must never repeat under one shared
 * key (24 random bytes). -ENOBUFS where cap is too small, -EINVAL where m->type is none. */
MUST_CHECK int disco_seal(const struct disco_message *m, const struct disco_shared *shared,
			  const struct public_key *ours,
			  const uint8_t nonce[static DISCO_NONCE_LEN], uint8_t *out, size_t cap,
			  size_t *out_len);

/* Opens a packet. -EACCES: the seal is not theirs; -ENOTSUP: a type or version we do not know;
 * -EBADMSG otherwise malformed. */
MUST_CHECK int disco_open(const void *packet, size_t len, const struct disco_shared *shared,
			  struct disco_message *out);

/* The plain text inside the seal; for tests and fuzzing. Errors as above. */
MUST_CHECK int disco_encode(const struct disco_message *m, struct writer *w);
MUST_CHECK int disco_decode(const void *plain, size_t len, struct disco_message *out);

/* "ping", "pong", "call-me-maybe", "notice"; "leaving", "restarting", "not-hearing". */
const char *disco_type_str(enum disco_type type);
const char *disco_notice_reason_str(enum disco_notice_reason reason);

#endif
