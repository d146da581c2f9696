/*
 * stun_survey: asks several STUN servers at once from one socket, and concludes: our public
 * endpoints, whether the NAT's mapping varies by destination (RFC 4787), and how far each server
 * is. A pure core; the shell owns the socket, which is the one that traffic uses.
 *
 *	start --> send what stun_survey_next gives, until it gives nothing; again at the deadline
 *	          stun_survey_on_message for each STUN answer; the report may be read at any time
 *	      --> done once every server has answered or failed
 *
 * The first answer of a family already gives its public endpoint; a second from another address
 * tells whether mapping varies.
 */
#ifndef WARREN_STUN_SURVEY_H
#define WARREN_STUN_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stun/stun_client.h"

enum { STUN_SURVEY_MAX = 32 };

/* RFC 4787 section 4.1; NONE: the public address is one of our own. */
enum nat_behaviour {
	NAT_UNKNOWN,
	NAT_NONE,
	NAT_ENDPOINT_INDEPENDENT,
	NAT_ADDRESS_DEPENDENT,
	NAT_ADDRESS_AND_PORT_DEPENDENT
};

/* "endpoint-independent" and so on, as `netcheck --json` says it. */
const char *nat_behaviour_str(enum nat_behaviour behaviour);

struct stun_survey_server {
	struct endpoint addr;
	uint32_t region; /* whose relay it stands beside, 0 = none */
};

struct stun_survey { /* all zero: nothing asked */
	struct stun_client asks[STUN_SURVEY_MAX];
	uint32_t regions[STUN_SURVEY_MAX];
	size_t n;
	uint64_t started_us;
};

struct stun_send {
	struct endpoint to;
	uint8_t bytes[STUN_REQUEST_LEN + 8];
	size_t len;
};

struct stun_survey_report {
	struct endpoint public_v4, public_v6; /* of the fastest answer; none where none came */
	bool asked_v4, asked_v6;
	bool answered_v4, answered_v6;
	enum nat_behaviour mapping; /* of IPv4 where it was answered, else of IPv6 */
	bool port_preserving;	    /* the public port is the local one; false where unknown */
	struct endpoint other_v4;   /* another public IPv4 endpoint where mapping varies, or none */
	uint64_t first_answer_us;   /* from the start to the first answer; US_NEVER = none yet */
};

/* Asks n servers (STUN_SURVEY_MAX at most; more are left out). random must be fresh: each server's
 * transaction ids are made from it. */
void stun_survey_start(struct stun_survey *s, const struct stun_survey_server *servers, size_t n,
		       const uint8_t random[static STUN_TXID_LEN], uint64_t now_us);

/* US_NEVER where nothing is to be done. */
uint64_t stun_survey_deadline(const struct stun_survey *s);
/* The next request that is due, to be sent from the socket surveyed; false where none is. */
bool stun_survey_next(struct stun_survey *s, uint64_t now_us, struct stun_send *out);
/* A send failed at once (no route): the server counts as failed, so that nobody waits for it. */
void stun_survey_on_send_error(struct stun_survey *s, const struct endpoint *to);

/* -ESTALE: no open question of this survey; -EPROTO. */
MUST_CHECK int stun_survey_on_message(struct stun_survey *s, const struct stun_message *m,
				      const struct endpoint *from, uint64_t now_us);

bool stun_survey_is_done(const struct stun_survey *s);

/* What is known so far. locals are our own endpoints, to tell NAT_NONE and port_preserving. */
void stun_survey_report(const struct stun_survey *s, const struct endpoint *locals, size_t n_locals,
			struct stun_survey_report *out);
/* The fastest answer of a region's servers; US_NEVER where none answered. */
uint64_t stun_survey_rtt(const struct stun_survey *s, uint32_t region);

#endif
