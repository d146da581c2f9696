/*
 * candidate: the endpoints at which one peer might be reached, and who named them.
 *
 * A capped table. What a peer or the coordinator names is filtered here: never loopback, link-local
 * (so 169.254.169.254 neither), multicast, broadcast, mesh addresses or our own. A candidate that
 * ever answered outlives its naming for a while, since networks come back; others go when nobody
 * names them any more. Whether it works is path_peer's to know; it keeps its state under the same
 * slot number.
 */
#ifndef WARREN_CANDIDATE_H
#define WARREN_CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

enum { CANDIDATES_MAX = 32, CANDIDATE_PREFIXES_MAX = 4, CANDIDATE_OWN_MAX = 48 };
enum { CANDIDATE_HEARD_PORTS_MAX = 4 }; /* of one address, named by nobody */

enum candidate_source {
	CANDIDATE_LOCAL,	 /* by the coordinator: an interface of the peer */
	CANDIDATE_STUN,		 /* by the coordinator: its mapping */
	CANDIDATE_PORTMAP,	 /* by the coordinator: PCP, NAT-PMP, UPnP */
	CANDIDATE_STATIC,	 /* by the coordinator: configured there */
	CANDIDATE_CALL_ME_MAYBE, /* by the peer itself, through a relay */
	CANDIDATE_HEARD,	 /* a sealed ping of the peer came from there */
	CANDIDATE_LAST,		 /* worked before this daemon's last restart */
	CANDIDATE_SOURCES
};

/* What no peer may make us send to. One for the whole node, kept by its owner. */
struct candidate_rules {
	struct prefix mesh[CANDIDATE_PREFIXES_MAX];
	size_t mesh_n;
	/* Port 0: every port of the address is ours (interfaces). Else exactly this endpoint (our
	 * mapping: a peer behind the same NAT shares its address). */
	struct endpoint own[CANDIDATE_OWN_MAX];
	size_t own_n;
};

struct candidate {
	struct endpoint addr; /* port 0: the slot is free */
	unsigned sources;     /* bits 1 << enum candidate_source */
	uint64_t first_us;    /* when it was named first */
	uint64_t named_us;    /* when it was named last */
	uint64_t answered_us; /* when a probe to it was answered last; 0: never */
};

struct candidate_table { /* all zero: empty */
	struct candidate slot[CANDIDATES_MAX];
	uint64_t refused; /* named but not allowed */
};

const char *candidate_source_str(enum candidate_source source);

bool candidate_is_allowed(const struct candidate_rules *rules, const struct endpoint *addr);

/* Slot of addr, or -1. */
int candidate_find(const struct candidate_table *table, const struct endpoint *addr);

/* Adds addr, or the source to what is known. Returns its slot, or -EACCES where the rules forbid
 * it, or -ENOBUFS where all slots are better than an unproved newcomer, or as many ports of the
 * address as are kept were heard just now. *fresh tells whether the
 * slot is new (its former content, if any, is gone). */
int candidate_add(struct candidate_table *table, const struct candidate_rules *rules,
		  const struct endpoint *addr, enum candidate_source source, uint64_t now_us,
		  bool *fresh);

/* Before a source names its whole set anew: forgets what it named. Slots that nobody names stay
 * until candidate_expire. */
void candidate_unname(struct candidate_table *table, enum candidate_source source);

void candidate_on_answer(struct candidate_table *table, int slot, uint64_t now_us);

/* True where the slot has served its time: unnamed and never answered, heard once long ago, or
 * answered long ago. */
bool candidate_is_stale(const struct candidate *c, uint64_t now_us);
void candidate_remove(struct candidate_table *table, int slot);

#endif
