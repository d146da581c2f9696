/*
 * coverage: which states of which drawn machines the days entered, and from where.
 *
 * Production code is not asked to count: at looks through its views (coverage_look), what a machine
 * is in now is compared with what it was in at the look before.
 */
#ifndef WARREN_SIM_COVERAGE_H
#define WARREN_SIM_COVERAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum coverage_machine {
	COVERAGE_NODE,	  /* node.h */
	COVERAGE_PATH,	  /* path_peer.h, liveness.h */
	COVERAGE_CHOICE,  /* path_peer.h */
	COVERAGE_CONTROL, /* control_session.h */
	COVERAGE_RELAY,	  /* relay_session.h */
	COVERAGE_GAP,	  /* gap.h */
	COVERAGE_KEYS,	  /* wg: keypairs and handshake of a peer */
	COVERAGE_MACHINES
};

enum { COVERAGE_STATES_MAX = 12 };

struct coverage {
	/* [machine][from][to]; the way into the first state seen counts as from itself. */
	uint64_t counts[COVERAGE_MACHINES][COVERAGE_STATES_MAX][COVERAGE_STATES_MAX];
};

void coverage_note(struct coverage *c, enum coverage_machine machine, unsigned from, unsigned to);
void coverage_add(struct coverage *to, const struct coverage *from);
/* A line for each state, and one that names those never entered. Returns how many those are. */
size_t coverage_print(const struct coverage *c, FILE *f);

#endif
