/*
 * relay_session: a DERP client's side of one connection to a relay: when to dial, the login, what
 * frames mean, when the relay is dead, and when to come back. A pure core: relay_thread moves the
 * bytes. Frames and limits: common/proto/derp.h.
 *
 *	DOWN --due--> DIALLING --TLS--> UPGRADING --101--> AWAITS_KEY --ServerKey--> AWAITS_INFO
 *	  ^              |                                                            ^    |
 *	  |              +-- TLS, its key known by it: fast start --------------------+    |
 *	  |                                                                     ServerInfo |
 *	  +---- closed, silent, idle for 60 s where it is not held ---- UP <---------------+
 *
 * The relay is asked (DERP Ping) each 10 s while packets go, each 25 s while it is held, when what
 * was sent is followed by 250 ms of silence, and when a connection to another server broke. No
 * answer and no TCP acknowledgement for 1 s, or no answer for 5 s: dead.
 */
#ifndef WARREN_RELAY_SESSION_H
#define WARREN_RELAY_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/key.h"
#include "common/proto/derp.h"
#include "common/wire.h"

struct http_head;

enum relay_session_state {
	RELAY_DOWN,
	RELAY_DIALLING,
	RELAY_UPGRADING,
	RELAY_AWAITS_KEY,
	RELAY_AWAITS_INFO,
	RELAY_UP,
};

/* What the shell is to do. */
enum relay_session_do {
	RELAY_DO_NOTHING,
	RELAY_DO_DIAL,	/* node number s->node of the region */
	RELAY_DO_CLOSE, /* s->reason says why; then relay_session_on_closed */
};

enum relay_event_kind {
	RELAY_EVENT_NONE,
	RELAY_EVENT_UP,
	RELAY_EVENT_PACKET,    /* packet.src, data, len */
	RELAY_EVENT_PEER_GONE, /* key */
	RELAY_EVENT_MEASURED,  /* s->rtt_us is new */
	RELAY_EVENT_DRAINS,    /* s->drains */
	RELAY_EVENT_HEALTH,    /* s->health */
};

struct relay_event {
	enum relay_event_kind kind;
	struct derp_packet packet; /* borrowed from the frame */
	struct public_key key;
};

/* Room that any call needs in its writer. */
enum { RELAY_SESSION_OUT_MAX = 1024, RELAY_SESSION_REASON_LEN = 128 };

struct relay_session { /* all zero: DOWN and not wanted */
	enum relay_session_state state;
	bool held;	/* to be kept up; else only while used */
	bool preferred; /* it is this node's home */
	bool drains;	/* the relay said that it restarts */
	unsigned node;	/* which of the region's relays is next, to be taken modulo */
	unsigned failures;
	uint64_t deadline_us;
	uint64_t since_us; /* when the state was entered */
	uint64_t retry_us; /* DOWN: not before */
	uint64_t stood_us; /* how long it was UP last, or half of the time before */

	uint64_t used_us;     /* the last packet to send */
	uint64_t heard_us;    /* the last frame */
	uint64_t question_us; /* the first packet sent since, 0 = none */
	uint64_t asked_us;    /* Ping without Pong, 0 = none */
	uint64_t checked_us;  /* the network changed or the machine woke, and no answer since */
	uint64_t last_ask_us;
	uint64_t asks;	 /* Ping's body */
	uint64_t rtt_us; /* smoothed; 0 = not measured on this connection */

	struct public_key server_key;
	uint64_t rate_bytes_per_s, burst_bytes; /* 0 = no limit */
	uint64_t tokens_bytes, tokens_us;

	char health[RELAY_SESSION_REASON_LEN]; /* "" = healthy */
	char reason[RELAY_SESSION_REASON_LEN]; /* of the last end: one line for people */
};

/* Keep it up (or not), and be at home there (or not): a NotePreferred goes to out where it is up.
 */
void relay_session_hold(struct relay_session *s, bool held, bool preferred, uint64_t now_us,
			struct writer *out);
/* Something is to be sent by it: an idle one is dialled. To be called for each packet. */
void relay_session_on_use(struct relay_session *s, uint64_t now_us);
/* At s->deadline_us. acked_us: when TCP last acknowledged anything (0: unknown). */
enum relay_session_do relay_session_on_deadline(struct relay_session *s, uint64_t acked_us,
						uint64_t now_us, struct writer *out);

/* DIALLING: the connection is open. derp_key is what a meta certificate vouched for (fast start:
 * login at once, nonce used), or NULL. ideal_node: name of the region's first relay where this is
 * another, or NULL. */
MUST_CHECK int relay_session_on_connected(struct relay_session *s, const char *host,
					  const char *ideal_node, const struct public_key *derp_key,
					  const struct secret_key *secret,
					  const uint8_t nonce[static DERP_NONCE_LEN],
					  uint64_t now_us, struct writer *out);
/* UPGRADING: the answer to the request. -EPROTO with s->reason. */
MUST_CHECK int relay_session_on_answer(struct relay_session *s, const struct http_head *head,
				       uint64_t now_us);
/* One frame. -EPROTO with s->reason where the connection is to be closed. */
MUST_CHECK int relay_session_on_frame(struct relay_session *s, const struct derp_raw_frame *frame,
				      const struct secret_key *secret,
				      const uint8_t nonce[static DERP_NONCE_LEN], uint64_t now_us,
				      struct writer *out, struct relay_event *event);
/* UP: whether a frame of so many bytes may go now under the relay's token bucket; takes them. */
bool relay_session_may_send(struct relay_session *s, size_t frame_len, uint64_t now_us);

/* The connection ended, or could not be made; random: 32 random bits. Keeps s->reason if there is
 * one. */
void relay_session_on_closed(struct relay_session *s, const char *reason, uint32_t random,
			     uint64_t now_us);
/* Another connection of this node's broke, and a NAT before it may have forgotten all: a relay that
 * stands is asked now. */
void relay_session_doubt(struct relay_session *s, uint64_t now_us, struct writer *out);
/* The network changed: prove it now; a wait ends; an attempt has a second for the step it is at. */
enum relay_session_do relay_session_check(struct relay_session *s, uint64_t now_us,
					  struct writer *out);

/* Another relay, which stood, ends or is about to, or a peer's way gives no answer: a wait that is
 * left, also one the relay asked for, is cut to a moment, so that one that has come back meanwhile
 * takes over. random: 32 random bits. */
void relay_session_hurry(struct relay_session *s, uint32_t random, uint64_t now_us);

#endif
