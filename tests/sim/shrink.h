/*
 * shrink: a day that goes wrong, made as small as it can be while it goes wrong in the same way.
 *
 * Delta debugging (Zeller 2002) over the events, then feature after feature of the networks, then
 * the lengths of what is left. A trial is asked for each smaller day: here a day played alone, in
 * tests anything.
 */
#ifndef WARREN_SIM_SHRINK_H
#define WARREN_SIM_SHRINK_H

#include <stdbool.h>

#include "tests/sim/day.h"

/* Does the day still go wrong in the same way? */
typedef bool shrink_trial_fn(void *arg, const struct day *day);

/* At most `trials` of them. Returns how many there were. */
unsigned shrink_day(struct day *day, shrink_trial_fn *trial, void *arg, unsigned trials);

#endif
