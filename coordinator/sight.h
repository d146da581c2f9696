/*
 * sight: who sees whom: a node learns of exactly those others to whom it may start something, or
 * who may start something to it.
 *
 * A pure core over registry and policy. By the owner index it looks at the nodes of the owners
 * concerned only, so that a change in a mesh of thousands costs what its owner has, not the square
 * of the mesh.
 */
#ifndef WARREN_SIGHT_H
#define WARREN_SIGHT_H

#include "coordinator/policy.h"
#include "coordinator/registry.h"

/* What two nodes may start, as the viewer's map has it. */
struct sight {
	struct control_rules in;  /* the other may start to the viewer */
	struct control_rules out; /* the viewer may start to the other */
};

/* False where viewer is not to know of other; also while other's keys are not signed yet. */
bool sight_of(const struct policy *p, const struct node *viewer, const struct node *other,
	      struct sight *out);

/* Calls see for every node that may have to do with n, in no order; see asks sight_of. */
void sight_each_candidate(const struct policy *p, const struct registry *r, const struct node *n,
			  void (*see)(void *arg, struct node *other), void *arg);

#endif
