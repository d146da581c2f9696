/*
 * control: the messages of the node session, between a node and its coordinator, as structs.
 *
 * One message is one JSON object in one WebSocket text message; docs/PROTOCOL.md lists every field.
 * Fields a reader does not know are ignored, so that fields can be added; a field that is there and
 * wrong refuses the whole message. Besides the codec this holds the texts that are signed: by them
 * a machine key vouches for its node key, its disco key and its presence on this very connection.
 *
 *	node                                  coordinator
 *	GET /v1/session  ------------------>
 *	                 <------------------  101, Warren-Nonce
 *	hello            ------------------>
 *	                 <------------------  welcome, relays, map (one flight), or error
 *	[keys] endpoints ack ping  -------->
 *	                 <------------------  map (deltas), relays, pong, goaway, error
 */
#ifndef WARREN_CONTROL_H
#define WARREN_CONTROL_H

#include "common/endpoint.h"
#include "common/key.h"

enum {
	CONTROL_NAME_LEN = 64, /* a DNS label and its NUL: names and owners */
	CONTROL_TOKEN_LEN = 256,
	CONTROL_VERSION_LEN = 64,
	CONTROL_TEXT_LEN = 256, /* of an error */
	CONTROL_NONCE_LEN = 32,
	CONTROL_SPKI_HASH_LEN = 32,
	CONTROL_MAX_ENDPOINTS = 32,
	CONTROL_MAX_RULES = 16,	  /* of one peer in one direction */
	CONTROL_MAX_PEERS = 16384 /* of one map message, removals apart */
};

/* Longest JSON text of a message, by sender; a longer one is refused before it is parsed. */
enum { CONTROL_NODE_MESSAGE_MAX = 64 << 10, CONTROL_SERVER_MESSAGE_MAX = 16 << 20 };

/* Every number in the protocol is at most this, since JSON readers hold numbers as doubles. */
static const uint64_t control_number_max = (UINT64_C(1) << 53) - 1;

enum control_type {
	CONTROL_HELLO, /* from the node */
	CONTROL_KEYS,
	CONTROL_ENDPOINTS,
	CONTROL_ACK,
	CONTROL_PING,
	CONTROL_WELCOME, /* from the coordinator */
	CONTROL_RELAYS,
	CONTROL_MAP,
	CONTROL_ERROR,
	CONTROL_GOAWAY,
	CONTROL_PONG,
	CONTROL_TYPES
};

enum control_role { CONTROL_CLIENT, CONTROL_AGENT };

/* Where a node learnt an endpoint of its own. */
enum control_endpoint_kind { CONTROL_LOCAL, CONTROL_STUN, CONTROL_PORTMAP, CONTROL_STATIC };

/* What a side understands beyond the first version, as bits; names that are not known fall away. */
enum control_cap {
	CONTROL_CAP_MAP_DELTA = 1 << 0,	   /* "map-delta": takes deltas, resumes by number */
	CONTROL_CAP_DISCO_SERIAL = 1 << 1, /* "disco-serial": our fields behind disco's pings */
	CONTROL_CAP_DISCO_NOTICE = 1 << 2, /* "disco-notice": our disco message Notice */
	CONTROL_CAP_GOAWAY = 1 << 3,	   /* "goaway": comes back when it is told to */
	CONTROL_CAPS_ALL = (1 << 4) - 1
};

enum control_error_code {
	CONTROL_ERROR_OTHER, /* "other", and every code this version does not know */
	CONTROL_TOKEN_MISSING,
	CONTROL_TOKEN_UNKNOWN,
	CONTROL_TOKEN_EXPIRED,
	CONTROL_TOKEN_USED,
	CONTROL_TOKEN_REVOKED,
	CONTROL_NAME_TAKEN,
	CONTROL_KEY_CHANGED,
	CONTROL_REMOVED,
	CONTROL_BAD_PROOF,
	CONTROL_BAD_SIGNATURE,
	CONTROL_BAD_MESSAGE,
	CONTROL_REPLACED, /* a newer session of the same node took over */
	CONTROL_FULL,	  /* no address or no room left */
	CONTROL_ERROR_CODES
};

enum control_proto { CONTROL_ANY, CONTROL_TCP, CONTROL_UDP, CONTROL_ICMP };

/* Who may start what: the ports are those of the side that is called, both ends included. */
struct control_rule {
	enum control_proto proto;
	uint16_t port_first;
	uint16_t port_last;
};

struct control_rules {
	struct control_rule list[CONTROL_MAX_RULES];
	uint8_t count;
};

struct control_endpoint {
	struct endpoint addr;
	enum control_endpoint_kind kind;
};

struct control_endpoints {
	struct control_endpoint list[CONTROL_MAX_ENDPOINTS];
	uint8_t count;
};

/* A node key or disco key that the machine key signed; sig is all zero where it did not yet. */
struct control_key {
	struct public_key key;
	uint64_t serial; /* only rises */
	uint8_t sig[SIGNATURE_LEN];
};

struct control_hello {
	struct public_key machine_key;
	struct control_key node_key;
	struct control_key disco_key;
	uint8_t proof[SIGNATURE_LEN];
	char token[CONTROL_TOKEN_LEN]; /* "" from a node that has joined */
	char name[CONTROL_NAME_LEN];   /* the bare NAME; "" leaves it to the token */
	char owner[CONTROL_NAME_LEN];  /* "" where the node does not know it yet */
	enum control_role role;
	char version[CONTROL_VERSION_LEN];
	uint32_t caps;
	uint64_t epoch;	     /* of the map held, 0 = none */
	uint64_t map_number; /* of the map held */
	struct control_endpoints endpoints;
	uint32_t home_region; /* 0 = none yet */
};

/* After a welcome that gave another name than the one signed for, and at key rotation. */
struct control_keys {
	struct control_key node_key;
	struct control_key disco_key;
};

struct control_where {
	struct control_endpoints endpoints;
	uint32_t home_region;
};

struct control_welcome {
	uint32_t id; /* never 0, never given twice */
	char name[CONTROL_NAME_LEN];
	char owner[CONTROL_NAME_LEN];
	enum control_role role; /* as the coordinator has it: a token's role beats the hello's */
	struct ip_addr v4, v6;
	struct prefix mesh_v4, mesh_v6;
	uint64_t epoch; /* numbers of another epoch mean nothing */
	char version[CONTROL_VERSION_LEN];
	uint32_t caps;
	uint64_t unix_ms; /* the coordinator's wall time */
};

struct control_peer {
	uint32_t id;
	char name[CONTROL_NAME_LEN];
	char owner[CONTROL_NAME_LEN];
	enum control_role role;
	struct ip_addr v4, v6;
	struct public_key machine_key;
	struct control_key node_key;
	struct control_key disco_key;
	struct control_endpoints endpoints;
	uint32_t home_region;
	uint32_t caps;
	bool online;
	struct control_rules access_in;	 /* what the peer may start to the reader of the map */
	struct control_rules access_out; /* what the reader may start to the peer */
};

struct control_map {
	uint64_t number; /* what the reader holds once it has applied this */
	bool full;	 /* forget every peer that is not in it */
	struct control_peer *peers;
	size_t n_peers;
	uint32_t *removed; /* ids */
	size_t n_removed;
};

struct control_error {
	enum control_error_code code;
	char text[CONTROL_TEXT_LEN]; /* a sentence for people: what is wrong and what to do */
};

struct control_message {
	enum control_type type;
	union {
		struct control_hello hello;
		struct control_keys keys;
		struct control_where endpoints;
		uint64_t ack;  /* map number applied */
		uint64_t ping; /* echoed in the pong */
		struct control_welcome welcome;
		char *relays; /* DERPMap JSON text, for derp_map_parse */
		struct control_map map;
		struct control_error error;
		uint64_t goaway_ms; /* come back after this long */
		uint64_t pong;
	};
};

/* Reads one message. max: the cap of the side that sent it. After 0 the caller owns *out and ends
 * it with control_message_wipe; after a failure there is nothing to wipe. -EMSGSIZE: longer than
 * max; -EBADMSG: not JSON or a wrong field, named in why (of size why_size) for the log;
 * -EPROTO: a type this version does not know (to be ignored); -ENOMEM. */
MUST_CHECK int control_decode(const char *text, size_t len, size_t max, struct control_message *out,
			      char *why, size_t why_size);

/* The message as JSON text with a NUL behind it, from malloc: the caller frees *text. -EINVAL where
 * a count or number is beyond its cap, or m->relays is no JSON; -ENOMEM. */
MUST_CHECK int control_encode(const struct control_message *m, char **text, size_t *len);

/* Frees what decode allocated and wipes a token. */
void control_message_wipe(struct control_message *m);

/* "hello", "client", "stun", "tcp", "token-used": the words on the wire. */
const char *control_type_str(enum control_type type);
const char *control_role_str(enum control_role role);
const char *control_endpoint_kind_str(enum control_endpoint_kind kind);
const char *control_proto_str(enum control_proto proto);
const char *control_error_str(enum control_error_code code);
/* -EINVAL for another word. */
MUST_CHECK int control_role_parse(const char *text, enum control_role *out);
MUST_CHECK int control_proto_parse(const char *text, enum control_proto *out);
/* "22", "8000-8100" or "*" (all ports) into rule; -EINVAL otherwise. */
MUST_CHECK int control_ports_parse(const char *text, struct control_rule *rule);

/* A name or owner: 1 to 63 of a-z, 0-9 and '-', neither first nor last a '-' (RFC 1123). */
bool control_name_valid(const char *name);

/* Takes NAME.OWNER.SECRET apart; secret may be NULL. -EBADMSG where it is none. */
enum { CONTROL_SECRET_LEN = 128 };
MUST_CHECK int control_token_split(const char *token, char name[static CONTROL_NAME_LEN],
				   char owner[static CONTROL_NAME_LEN],
				   char secret[CONTROL_SECRET_LEN]);

/* Which of its keys a machine vouches for. */
enum control_key_kind { CONTROL_NODE_KEY, CONTROL_DISCO_KEY };

/* Signs k->key with k->serial for this name and owner into k->sig. */
void control_key_sign(enum control_key_kind kind, const struct machine_secret *machine,
		      const char *name, const char *owner, struct control_key *k);
bool control_key_verify(enum control_key_kind kind, const struct public_key *machine,
			const char *name, const char *owner, const struct control_key *k);
bool control_key_is_signed(const struct control_key *k);

/* The proof of a session: machine's signature over the server's nonce and the SHA-256 of the server
 * key (SubjectPublicKeyInfo) that this side saw, so that nobody in between can pass it on. */
void control_proof_sign(const struct machine_secret *machine,
			const uint8_t nonce[static CONTROL_NONCE_LEN],
			const uint8_t spki_hash[static CONTROL_SPKI_HASH_LEN],
			uint8_t proof[static SIGNATURE_LEN]);
bool control_proof_verify(const struct public_key *machine,
			  const uint8_t nonce[static CONTROL_NONCE_LEN],
			  const uint8_t spki_hash[static CONTROL_SPKI_HASH_LEN],
			  const uint8_t proof[static SIGNATURE_LEN]);

#endif
