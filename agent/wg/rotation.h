/*
 * rotation: which of a peer's keypairs is for sending, and which still receive.
 *
 *	as initiator:  new -> CURRENT                      on the response
 *	as responder:  new -> NEXT -> CURRENT              on the first packet received on it
 *	what was before:      CURRENT -> PREVIOUS -> OLDER -> dropped
 *
 * The paper has no OLDER. When both sides start at the same moment each becomes initiator of one
 * keypair, and one more place keeps packets in flight readable through the next renewal.
 */
#ifndef WARREN_ROTATION_H
#define WARREN_ROTATION_H

#include <stdbool.h>
#include <stddef.h>

struct keypair;

enum rotation_slot { SLOT_CURRENT, SLOT_NEXT, SLOT_PREVIOUS, SLOT_OLDER, SLOT_COUNT };

struct rotation { /* all zero: no keypairs */
	struct keypair *slot[SLOT_COUNT];
};

struct rotation_drops { /* whom the caller is to retire */
	struct keypair *keypair[SLOT_COUNT];
	size_t n;
};

void rotation_add_as_initiator(struct rotation *r, struct keypair *kp, struct rotation_drops *out);
void rotation_add_as_responder(struct rotation *r, struct keypair *kp, struct rotation_drops *out);

/* NEXT becomes CURRENT where it is kp; false where it isn't. */
bool rotation_promote(struct rotation *r, const struct keypair *kp, struct rotation_drops *out);

void rotation_clear(struct rotation *r, struct rotation_drops *out);

#endif
