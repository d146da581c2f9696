/*
 * unheard: a peer that answers our probes and hears nothing of what we seal for it: it has lost the
 * keys, and so far has not told us.
 *
 * It began anew, and its initiations do not reach us or are older than those of before (its clock
 * was set back); or the last packet of a handshake was lost. WireGuard finds out 15 s after data;
 * here the peer's own count of what it could open tells, in each ping and pong. A pure core: peer
 * feeds it and starts the handshake that it asks for.
 */
#ifndef WARREN_UNHEARD_H
#define WARREN_UNHEARD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/way.h"

struct unheard {		       /* all zero: nothing was reported yet */
	uint32_t heard[WAY_RELAY + 1]; /* as reported last, by kind of way */
	uint32_t sent;		       /* by us, when a report last said something else */
	uint64_t since_us;	       /* that was then; 0: never */
	unsigned asked;		       /* handshakes since */
};

struct unheard_report {
	enum way_kind kind; /* of the way it came by, and counts */
	uint32_t heard;	    /* data packets that the peer opened; may wrap */
	uint32_t sent;	    /* data packets of ours by now, by all ways; may wrap */
	bool is_proof;	    /* answers a probe by the way in use: what we send there arrives */
	uint64_t rtt_us;    /* of that way */
};

/* True: a handshake is to begin, now. Four times at most until the peer hears something. */
bool unheard_on_report(struct unheard *u, const struct unheard_report *report, uint64_t now_us);
/* New keys: what is sent from here on counts. */
void unheard_on_keys(struct unheard *u, uint32_t sent, uint64_t now_us);

#endif
