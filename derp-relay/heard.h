/*
 * heard: who has had packets from whom, so that it can be told when that one leaves.
 *
 * A sparse relation between ends (the hub embeds one in each key): an edge from sender to listener
 * is noted at the first packet and lives until either leaves. A listener beyond the ceilings simply
 * isn't told. Not thread-safe: part of the hub.
 */
#ifndef WARREN_HEARD_H
#define WARREN_HEARD_H

#include <stdint.h>

#include "derp-relay/relay_table.h"

enum { HEARD_PER_SENDER_MAX = 4096, HEARD_MAX = 1 << 18 };

struct heard_edge;

struct heard_end { /* all zero is the valid start */
	struct heard_edge *listeners;
	struct heard_edge *senders;
	uint32_t listener_count;
};

struct heard { /* all zero is the valid start */
	struct relay_table edges;
};

/* listener gets a packet from sender. Known pairs cost one look-up. */
void heard_note(struct heard *h, struct heard_end *sender, struct heard_end *listener);

/* Takes one of those who had packets from sender off the record; NULL when there are no more. */
struct heard_end *heard_pop_listener(struct heard *h, struct heard_end *sender);

/* end leaves: everything about it is forgotten. */
void heard_forget(struct heard *h, struct heard_end *end);

void heard_wipe(struct heard *h); /* after every end was forgotten */

#endif
