/*
 * choice: where a peer's packets go now, published by main and read by lanes without a lock.
 *
 * A choice is immutable once published. `copy` is WAY_NONE unless traffic shall go by both ways
 * (DESIGN, "Twice is once": the replay window drops the second copy). Main swaps whole choices; the
 * old one is retired through quiet, since a lane may still be sending by it.
 */
#ifndef WARREN_CHOICE_H
#define WARREN_CHOICE_H

#include <stdatomic.h>

#include "agent/tunnel/quiet.h"
#include "common/way.h"

struct choice {
	struct way first; /* WAY_NONE: packets wait for a choice */
	struct way copy;
};

struct choice_slot { /* all zero: no choice yet */
	_Atomic(const struct choice *) now;
};

/* Main: replaces the slot's choice. Equal to what stands: nothing happens. */
void choice_publish(struct choice_slot *slot, const struct way *first, const struct way *copy,
		    struct quiet *quiet);
/* Main, when the slot's owner goes: the slot is empty afterwards. */
void choice_withdraw(struct choice_slot *slot, struct quiet *quiet);

/* Lanes: NULL where there is none; valid until the lane's next quiet_pass or quiet_sleep. */
static inline const struct choice *choice_read(struct choice_slot *slot)
{
	return atomic_load(&slot->now);
}

#endif
