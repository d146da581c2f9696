#include "agent/tunnel/choice.h"

#include <stdlib.h>

static void replace(struct choice_slot *slot, const struct choice *next, struct quiet *quiet)
{
	const struct choice *old = atomic_exchange(&slot->now, next);

	/* Immutable for everyone but its end. */
	quiet_retire(quiet, (void *)(uintptr_t)old, free);
}

void choice_publish(struct choice_slot *slot, const struct way *first, const struct way *copy,
		    struct quiet *quiet)
{
	const struct choice *old = atomic_load(&slot->now);
	struct choice next = {.first = *first};

	if (copy)
		next.copy = *copy;
	if (old && way_equal(&old->first, &next.first) && way_equal(&old->copy, &next.copy))
		return;

	struct choice *fresh = malloc(sizeof(*fresh));
	if (!fresh)
		return; /* the old choice stands; main chooses again at its next event */
	*fresh = next;
	replace(slot, fresh, quiet);
}

void choice_withdraw(struct choice_slot *slot, struct quiet *quiet)
{
	replace(slot, NULL, quiet);
}
