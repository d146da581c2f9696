/*
 * node_session: one node's standing link to the coordinator, from its nonce to its end.
 *
 * Takes the texts of one connection and answers by struct coordinator_ops; who else is to hear is
 * told by publish.h. A node has one session: the last one to prove itself, earlier ones are sent
 * away. Docs: docs/PROTOCOL.md, "The node session".
 *
 *	AWAITS_HELLO --hello, proof right, may join--> JOINED --silence, error, close--> gone
 *	             --hello refused, or none in 10 s--> error sent, gone
 */
#ifndef WARREN_NODE_SESSION_H
#define WARREN_NODE_SESSION_H

#include "coordinator/coordinator.h"

enum node_session_state { NODE_SESSION_AWAITS_HELLO, NODE_SESSION_JOINED };

struct node_session {
	enum node_session_state state;
	void *link; /* the shell's connection */
	struct endpoint from;
	uint8_t nonce[CONTROL_NONCE_LEN];
	struct node *node; /* where JOINED */
	uint64_t acked;	   /* map number that the node says it applied */
	uint64_t opened_us;
	uint64_t deadline_us; /* the session ends unless something is heard before */
	unsigned tokens;      /* messages it may send at once */
	uint64_t tokens_us;   /* when they were counted */
	uint64_t acks_due;    /* maps sent that it has not said yes to */
	struct node_session *next, *prev;
};

/* The coordinator owns the session until it calls ops->close for it or the shell reports the
 * connection's end; the shell sends nonce in the answer to the upgrade. */
struct node_session *node_session_open(struct coordinator *c, void *link,
				       const struct endpoint *from,
				       const uint8_t nonce[static CONTROL_NONCE_LEN],
				       const struct moment *now);
/* s may be gone afterwards: ops->close was called for it then. */
void node_session_on_text(struct coordinator *c, struct node_session *s, const char *text,
			  size_t len, const struct moment *now);
/* The connection ended; s is gone. */
void node_session_on_closed(struct coordinator *c, struct node_session *s,
			    const struct moment *now);

/* Ends sessions that were silent too long. To be called each second. */
void node_session_end_silent(struct coordinator *c, const struct moment *now);

/* Sends an error and ends the session. */
void node_session_refuse(struct coordinator *c, struct node_session *s,
			 enum control_error_code code, const char *text, const struct moment *now);

/* Tells every session to come back later and ends it, before the process does. */
void node_session_send_all_away(struct coordinator *c, const struct moment *now);

#endif
