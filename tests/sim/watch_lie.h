/*
 * watch_lie: a coordinator that lies of a known name is found out, and nobody else is called a
 * liar.
 *
 * One for each node. While it is lied to, its history says once that this very name came as
 * somebody else; at any other time, and of any other name, such a line is wrong. That it goes on
 * talking with whom it knew, watch_echo and watch_member see. A core: play_lie tells it what is
 * seen.
 */
#ifndef WARREN_SIM_WATCH_LIE_H
#define WARREN_SIM_WATCH_LIE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/verdict.h"

enum { WATCH_LIE_NAME_LEN = 40 };

struct watch_lie {
	const char *node;		/* borrowed */
	char about[WATCH_LIE_NAME_LEN]; /* NAME.OWNER; "": nobody lies, nor did so lately */
	uint64_t until_us; /* so long may it tell; US_NEVER while the lie lasts, and after it where
			      nobody knows when the truth arrives */
	unsigned told;
};

void watch_lie_init(struct watch_lie *w, const char *node);
/* False: it is still under another lie. */
bool watch_lie_on_begin(struct watch_lie *w, const char *about, uint64_t now_us);
/* was_heard: the lie surely arrived. heals_us: in which the truth arrives; US_NEVER: unknown. */
void watch_lie_on_end(struct watch_lie *w, bool was_heard, uint64_t heals_us, uint64_t now_us,
		      struct verdict *v);
/* A line of its history: that name came as somebody else. */
void watch_lie_on_told(struct watch_lie *w, const char *name, const char *cause, uint64_t now_us,
		       struct verdict *v);

#endif
