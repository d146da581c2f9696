/*
 * control_session: when the node dials its coordinator, when it believes the connection dead, and
 * when it comes back. A pure state machine; coordinator_link does what it says.
 *
 *	WAITING --due--> DIALLING --TLS--> UPGRADING --101, nonce--> GREETING --welcome--> ONLINE
 *	   ^                 |                 |                        |                    |
 *	   +---- closed, silent, goaway (full jitter) ------------------+--------------------+
 *	   +---- retry ---- REFUSED <--- error for good ----------------+
 *
 * Messages are docs/PROTOCOL.md, "The node session".
 */
#ifndef WARREN_CONTROL_SESSION_H
#define WARREN_CONTROL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto/control.h"

enum control_session_state {
	CONTROL_SESSION_WAITING,
	CONTROL_SESSION_DIALLING,
	CONTROL_SESSION_UPGRADING,
	CONTROL_SESSION_GREETING,
	CONTROL_SESSION_ONLINE,
	CONTROL_SESSION_REFUSED,
};

/* What the shell is to do. */
enum control_session_do {
	CONTROL_DO_NOTHING,
	CONTROL_DO_DIAL,
	CONTROL_DO_PING,  /* send a ping with s->pings */
	CONTROL_DO_CLOSE, /* close now; s->reason says why; then control_session_on_closed */
};

enum { CONTROL_REASON_LEN = 192 };

struct control_session { /* all zero: WAITING, and due at once */
	enum control_session_state state;
	uint64_t since_us; /* when the state was entered */
	uint64_t deadline_us;
	unsigned failures;		 /* since the last useful service */
	uint64_t online_since_us;	 /* 0 unless ONLINE */
	uint64_t heard_us;		 /* anything of the coordinator's, on this connection */
	uint64_t asked_us;		 /* the ping that is not answered yet, 0 = none */
	uint64_t pings;			 /* sent on this connection */
	uint64_t come_back_us;		 /* goaway: not before, 0 = none */
	char reason[CONTROL_REASON_LEN]; /* of the last end: one line for people */
};

/* To be called at s->deadline_us; earlier calls do nothing. random: 32 random bits. */
enum control_session_do control_session_on_deadline(struct control_session *s, uint32_t random,
						    uint64_t now_us);
/* DIALLING: TLS stands. */
void control_session_on_connected(struct control_session *s, uint64_t now_us);
/* UPGRADING: 101 came; the hello is to be sent now. -EPROTO where nonce_hex is none. */
MUST_CHECK int control_session_on_upgraded(struct control_session *s, const char *nonce_hex,
					   uint8_t nonce[static CONTROL_NONCE_LEN],
					   uint64_t now_us);
/* A message of the coordinator. An error for good leads to REFUSED, other errors and goaway close.
 */
enum control_session_do control_session_on_message(struct control_session *s,
						   const struct control_message *m, uint32_t random,
						   uint64_t now_us);
/* The connection ended, or could not be made. Keeps what was said before the end as the reason. */
void control_session_on_closed(struct control_session *s, const char *reason, uint32_t random,
			       uint64_t now_us);
/* Another connection of this node's broke, and a NAT before it may have forgotten all: one that
 * stands is asked now. */
enum control_session_do control_session_doubt(struct control_session *s, uint64_t now_us);
/* The network changed: a standing connection is to prove itself within 3 s; one that was still
 * being made for a second is made anew; a wait ends. */
enum control_session_do control_session_check(struct control_session *s, uint64_t now_us);
/* Dial now, whatever was said before; nothing where a connection stands. */
void control_session_retry(struct control_session *s, uint64_t now_us);

/* True where messages of ours may be sent: the hello went ahead. */
bool control_session_may_send(const struct control_session *s);
/* True for what no retry mends without a person. */
bool control_error_is_final(enum control_error_code code);

#endif
