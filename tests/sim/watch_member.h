/*
 * watch_member: who a node is, and whom it takes its peers for.
 *
 * A node that starts again is the same as before, whatever became of its disk; and both ends of a
 * pair that talks agree on names, keys and addresses.
 */
#ifndef WARREN_SIM_WATCH_MEMBER_H
#define WARREN_SIM_WATCH_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "tests/sim/verdict.h"

struct watch_member {	  /* one for each node */
	const char *node; /* name; borrowed */
	bool is_known;
	uint64_t joined_us; /* it is looked at a while later */
	struct public_key key;
	struct ip_addr mesh;
};

/* How a node shows itself, and how a peer sees it. */
struct watch_member_view {
	bool is_there;
	struct public_key key;
	struct ip_addr mesh;
};

void watch_member_init(struct watch_member *w, const char *node);
/* It has joined for good and runs: what it is now is what it stays. */
void watch_member_on_look(struct watch_member *w, const struct watch_member_view *own,
			  uint64_t now_us, struct verdict *v);
/* It joins anew, with what it is then. */
void watch_member_on_join(struct watch_member *w, uint64_t now_us);
/* observer has just talked with this one: what it has on its list against what that one is. */
void watch_member_on_talk(const struct watch_member *w, const char *observer,
			  const struct watch_member_view *own, const struct watch_member_view *seen,
			  uint64_t now_us, struct verdict *v);

#endif
