/*
 * power_plan: a power cut that is to come in the middle of what a machine writes: at the n-th
 * change of its disk from now on, or at the latest at some time.
 *
 *	set --n-th change, or the time--> due --> cut
 *
 * From that change on the disk takes nothing more; cut is called by an event of the world, in the
 * same instant, since nobody can be buried in the midst of his own call.
 */
#ifndef WARREN_SIM_POWER_PLAN_H
#define WARREN_SIM_POWER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/world.h"

struct platter;

struct power_plan {
	struct world_event due;
	struct platter *disk; /* NULL: no plan */
};

void power_plan_init(struct power_plan *p, void (*cut)(void *arg), void *arg);
/* n > 0. The disk is borrowed until the plan is dropped: before cut does its work, or for good. */
void power_plan_set(struct power_plan *p, struct platter *disk, unsigned n, uint64_t latest_us);
void power_plan_drop(struct power_plan *p);
/* Has the disk taken its last change? */
bool power_plan_is_due(const struct power_plan *p);

#endif
