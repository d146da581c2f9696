/*
 * coverage: which states of which drawn machines the days entered, and from where.
 *
 * Production code is not asked to count: coverage_tap looks at what a machine was in before and
 * after each call, and play at what a node shows of itself. The first state of each is where it
 * begins.
 */
#ifndef WARREN_SIM_COVERAGE_H
#define WARREN_SIM_COVERAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum coverage_machine {
	COVERAGE_NODE,	       /* node.h */
	COVERAGE_PATH,	       /* path_peer.h, liveness.h */
	COVERAGE_CHOICE,       /* path_peer.h */
	COVERAGE_CONTROL,      /* control_session.h */
	COVERAGE_RELAY,	       /* relay_session.h */
	COVERAGE_GAP,	       /* gap.h */
	COVERAGE_KEYS,	       /* rotation.h: the place of a keypair */
	COVERAGE_INDEX,	       /* index_table.h */
	COVERAGE_TIMERS,       /* timers.h: what came due */
	COVERAGE_FLOW,	       /* flow_table.h */
	COVERAGE_DISCO_KEYS,   /* disco_keys.h */
	COVERAGE_DISCO_BOX,    /* disco_box.h */
	COVERAGE_TRUST,	       /* trust.h */
	COVERAGE_STUN,	       /* stun_client.h */
	COVERAGE_CLIENT,       /* client_conn.h */
	COVERAGE_ADMISSION,    /* admission.h */
	COVERAGE_NODE_SESSION, /* node_session.h */
	COVERAGE_TOKEN,	       /* token.h */
	COVERAGE_MACHINES
};

enum { COVERAGE_STATES_MAX = 12 };

struct coverage {
	/* [machine][from][to] */
	uint64_t counts[COVERAGE_MACHINES][COVERAGE_STATES_MAX][COVERAGE_STATES_MAX];
};

void coverage_note(struct coverage *c, enum coverage_machine machine, unsigned from, unsigned to);
/* Where a world runs that is asked for it, and the state is another. */
void coverage_note_here(enum coverage_machine machine, unsigned from, unsigned to);
void coverage_add(struct coverage *to, const struct coverage *from);
/* A line for each state, and one that names those never entered. Returns how many those are. */
size_t coverage_print(const struct coverage *c, FILE *f);

#endif
