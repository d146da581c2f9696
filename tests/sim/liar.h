/*
 * liar: the coordinator in bad hands: what it tells one member of another.
 *
 * A lie is a delta of the network map as the coordinator would send it, but for what is false in
 * it, under a number of its own, so that its acknowledgement shows that it has arrived; the truth
 * goes out under a new number of the map, as after any change. Both are said by the coordinator's
 * own publish.h, so that production code knows nothing of it.
 */
#ifndef WARREN_SIM_LIAR_H
#define WARREN_SIM_LIAR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"
#include "tests/sim/day.h"

struct coordinator_machine;
struct node_machine;

struct lie {
	enum day_lie kind;
	uint32_t to, about;	   /* the members' numbers */
	uint64_t number;	   /* of the map: what the lie stands under */
	uint64_t session_since_us; /* the link by which it was told */
};

/* NAME of the machine that is introduced with another's addresses. */
extern const char liar_double_name[];

/* Fills in the rest of lie. about_machine: the one that is lied about, for keys that it once
 * signed; it runs. -ENOTCONN: the coordinator does not run, or has no session with the one to be
 * told; -ENOENT: it does not know them, or the one may not see the other. */
MUST_CHECK int liar_tell(struct coordinator_machine *m, struct lie *lie,
			 const struct node_machine *about_machine);
/* Has it surely arrived? */
bool liar_was_heard(struct coordinator_machine *m, const struct lie *lie);
/* Good hands again. What has ended meanwhile, its removal has told. */
void liar_recant(struct coordinator_machine *m, const struct lie *lie);

#endif
