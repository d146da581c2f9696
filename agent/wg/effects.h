/*
 * effects: what a device wants done, first in first out. Grows as needed; the shell takes them all
 * after each event, so it stays small.
 */
#ifndef WARREN_EFFECTS_H
#define WARREN_EFFECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/wg/device.h"

struct effects {		 /* all zero: empty */
	struct wg_effect *items; /* a ring of cap */
	size_t cap, head, count;
};

/* A place at the end, cleared but for kind and peer. Memory that isn't there ends the process. */
struct wg_effect *effects_push(struct effects *q, enum wg_effect_kind kind, struct wg_peer *peer);

bool effects_take(struct effects *q, struct wg_effect *out);

/* peer goes: its retired keypairs stay, without it; the rest vanishes. */
void effects_forget_peer(struct effects *q, const struct wg_peer *peer);

void effects_wipe(struct effects *q);

#endif
