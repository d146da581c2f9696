/*
 * watch_choice: no node changes its mind about a peer more than once in 10 s without a reason that
 * the day knows; and where two can be direct, they are, once nothing has happened for a while.
 *
 * One for each node and each peer of it. Only what moves counts: a second copy is no move.
 */
#ifndef WARREN_SIM_WATCH_CHOICE_H
#define WARREN_SIM_WATCH_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/way.h"
#include "tests/sim/expect.h"
#include "tests/sim/verdict.h"

struct watch_choice {
	const struct expect *expect; /* borrowed; NULL: not watched */
	const char *node, *peer;     /* names; borrowed */
	struct way first;	     /* what it chose last */
	uint64_t moved_us[2];	     /* the last two moves, the later one first; 0: none */
	uint64_t left_us;	     /* last move away from a direct way; 0: none */
	uint64_t typing_since_us;    /* 0: nobody types */
};

void watch_choice_init(struct watch_choice *w, const struct expect *expect, const char *node,
		       const char *peer);
void watch_choice_on_typing(struct watch_choice *w, uint64_t now_us);
/* The pair's keystrokes end; here it is told whether they were direct. */
void watch_choice_on_typed(struct watch_choice *w, uint64_t now_us, struct verdict *v);
void watch_choice_on_choice(struct watch_choice *w, const struct way *first, uint64_t now_us,
			    struct verdict *v);
/* The process is gone: the next one knows nothing of what this one chose. */
void watch_choice_on_end(struct watch_choice *w);

#endif
