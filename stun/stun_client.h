/*
 * stun_client: one question to one STUN server, asked again until it is answered (RFC 8489
 * section 6.2.1). A pure state machine: the shell sends what it asks for and feeds it what arrives.
 *
 *	IDLE --start--> ASKING --answer--> ANSWERED
 *	                ASKING --no answer to the last try--> FAILED
 *
 * Each try is a transaction of its own (the last byte of its id counts tries), so that a round trip
 * is measured from the try that was answered.
 */
#ifndef WARREN_STUN_CLIENT_H
#define WARREN_STUN_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/endpoint.h"
#include "common/proto/stun.h"

enum stun_client_state { STUN_IDLE, STUN_ASKING, STUN_ANSWERED, STUN_FAILED };

enum { STUN_TRIES_MAX = 8 };

struct stun_timing {
	unsigned tries;	   /* 1..STUN_TRIES_MAX */
	uint64_t first_us; /* wait after the first try */
	unsigned factor;   /* of each wait to the one before it; 1 = all the same */
	uint64_t last_us;  /* wait after the last try */
};

/* RFC 8489: seven tries, 500 ms doubling, 39.5 s in all. */
extern const struct stun_timing stun_timing_rfc;
/* Three tries 100 ms apart, then 800 ms: to know fast where packets come out, as netcheck does. */
extern const struct stun_timing stun_timing_survey;

struct stun_client { /* all zero: IDLE */
	enum stun_client_state state;
	const struct stun_timing *timing;
	struct endpoint server;
	uint32_t change; /* CHANGE-REQUEST bits to ask with, 0 = none */
	uint8_t txid[STUN_TXID_LEN];
	unsigned tries;
	uint64_t sent_us[STUN_TRIES_MAX];
	uint64_t deadline_us;
	/* from the answer */
	struct endpoint mapped, response_origin, other_address;
	uint64_t rtt_us;
	uint64_t answered_us;
	unsigned error_code; /* of an error answer: then FAILED; 0 = none came */
};

/* Due at once. timing is borrowed; random makes the transaction ids. */
void stun_client_start(struct stun_client *c, const struct stun_timing *timing,
		       const struct endpoint *server, uint32_t change,
		       const uint8_t random[static STUN_TXID_LEN], uint64_t now_us);

/* US_NEVER unless ASKING. */
uint64_t stun_client_deadline(const struct stun_client *c);

/* Moves on once the deadline is reached. True: send what stun_client_request writes. */
bool stun_client_on_deadline(struct stun_client *c, uint64_t now_us);
void stun_client_request(const struct stun_client *c, struct writer *w);

/* Gives up: the request cannot be sent. */
void stun_client_fail(struct stun_client *c);

/* True where m could answer one of this client's tries: same transaction. */
bool stun_client_owns(const struct stun_client *c, const struct stun_message *m);
/* Takes an answer. -ESTALE: not ours, or late; -EPROTO: no answer, or one without an address. What
 * came from another endpoint than the server counts only where we asked for that. */
MUST_CHECK int stun_client_on_answer(struct stun_client *c, const struct stun_message *m,
				     const struct endpoint *from, uint64_t now_us);

#endif
