/*
 * alone: a day played in a process of its own, so that a crash, an assert and a loop without end
 * are verdicts like any other.
 */
#ifndef WARREN_SIM_ALONE_H
#define WARREN_SIM_ALONE_H

#include <stdbool.h>

#include "tests/sim/day.h"
#include "tests/sim/play.h"

/* Like play_day; "crash" and "hang" are invariants too. Whatever the day printed was printed. */
void alone_play(const struct day *day, const struct play_options *options,
		struct play_result *result);

/* The verdict on a process that ended by itself or by a signal, as wait(2) gives its status. */
void alone_judge(struct verdict *v, int status);

/* Seconds of the processor after which a day is given up, and real ones: a busy machine may keep it
 * waiting for minutes, and one that waits for itself uses no processor. */
enum { ALONE_PATIENCE_S = 60, ALONE_WAIT_S = 1800 };

/* Sets both for this process, or takes them back. */
void alone_limit(bool is_on);

#endif
