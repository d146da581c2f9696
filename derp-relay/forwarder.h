/*
 * forwarder: that a key is reached through a link, our session to another relay of the region.
 *
 * Each stands in two lists: that of its key, oldest first (the first is the one used), and that of
 * its link, so that a link that breaks takes all of its own along. Part of the hub, which holds
 * both ends and its lock.
 */
#ifndef WARREN_FORWARDER_H
#define WARREN_FORWARDER_H

#include "common/wire.h"

struct hub_key;
struct hub_link;

struct forwarder {
	struct hub_link *link;
	struct hub_key *entry;
	struct forwarder *next_of_key; /* younger */
	struct forwarder *next_of_link;
	struct forwarder **back_of_link; /* what points at this one */
};

/* That of this link in the list of a key; NULL: none. */
struct forwarder *forwarder_find(struct forwarder *of_key, const struct hub_link *link);
/* The youngest of its key. of_key, of_link: the heads of both lists. -ENOMEM. */
MUST_CHECK int forwarder_add(struct forwarder **of_key, struct forwarder **of_link,
			     struct hub_key *entry, struct hub_link *link);
/* Takes f out of both lists and frees it. of_key: the head of its key's list. */
void forwarder_remove(struct forwarder **of_key, struct forwarder *f);

#endif
