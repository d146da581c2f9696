/*
 * watch_member: who a node is, and whom it takes its peers for.
 *
 * A node keeps its key and its address for as long as a membership lasts, over every start and
 * whatever became of its disk; both ends of a pair that talks agree on names, keys and addresses,
 * also after one of them was removed and joined anew.
 */
#ifndef WARREN_SIM_WATCH_MEMBER_H
#define WARREN_SIM_WATCH_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "tests/sim/verdict.h"

/* How a node shows itself, and how a peer sees it. */
struct watch_member_view {
	bool is_there;
	uint32_t member_id; /* of its own: the number of its membership, 0 before it joined */
	struct public_key key;
	struct ip_addr mesh;
};

struct watch_member {	  /* one for each node */
	const char *node; /* name; borrowed */
	struct watch_member_view known;
	bool may_change; /* it was invited anew: one change of membership is due */
};

void watch_member_init(struct watch_member *w, const char *node);
/* What it is in a membership is what it stays, until that ends. */
void watch_member_on_look(struct watch_member *w, const struct watch_member_view *own,
			  uint64_t now_us, struct verdict *v);
/* It joins anew: with the next membership it may be somebody else. */
void watch_member_on_join(struct watch_member *w);
/* observer has just talked with this one: what it has on its list against what that one is. */
void watch_member_on_talk(const struct watch_member *w, const char *observer,
			  const struct watch_member_view *own, const struct watch_member_view *seen,
			  uint64_t now_us, struct verdict *v);

#endif
