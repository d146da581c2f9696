/*
 * path_slot: which slot of path_peer means which way.
 *
 * Part of path_peer, for its files only. Endpoints have the slots of their candidates, relays those
 * behind. A slot that comes to mean another way forgets all that it knew.
 */
#ifndef WARREN_PATH_SLOT_H
#define WARREN_PATH_SLOT_H

#include <assert.h>

#include "agent/path/path_peer.h"

static_assert(PATH_SLOTS < 64, "one bit for each slot");

void path_slot_set(struct path_peer *p, int slot, const struct way *way, uint64_t now_us);
void path_slot_clear(struct path_peer *p, int slot, uint64_t now_us);

/* The next slot behind this one that means a way; PATH_SLOTS where there is none. Most are free, so
 * whoever looks at all begins with -1 and goes by this. */
static inline int path_slot_after(const struct path_peer *p, int slot)
{
	uint64_t behind = p->slots_used >> (slot + 1) << (slot + 1);

	return behind == 0 ? PATH_SLOTS : __builtin_ctzll(behind);
}

/* -1 where no slot means it. */
int path_slot_of_relay(const struct path_peer *p, uint32_t region);
int path_slot_of(const struct path_peer *p, const struct way *way);

/* Slot of a named endpoint, or -1 where it is refused, which is counted. */
int path_slot_add_candidate(struct path_peer *p, const struct endpoint *addr,
			    enum candidate_source source, uint64_t now_us, bool *fresh);
/* Something sent by the way at sent_us was heard by the peer. Where that makes the way work again,
 * what went missing meanwhile is no loss of it: its state told of that. */
void path_slot_on_proof(struct path *path, uint64_t sent_us, uint64_t now_us);
/* Frees those of candidates that have served their time. */
void path_slot_expire(struct path_peer *p, uint64_t now_us);

#endif
