/*
 * path_relays: the relays by which one peer can be reached.
 *
 * Part of path_peer, for its files only. The owner of the sessions says which stand, which one is
 * the peer's home and which are going; here each is one way among the others.
 */
#ifndef WARREN_PATH_RELAYS_H
#define WARREN_PATH_RELAYS_H

#include "agent/path/path_peer.h"

/* Takes the first PATH_RELAYS_MAX for all there are. True where one offers something that it did
 * not before. */
bool path_relays_set(struct path_peer *p, const struct path_relay *relays, size_t n,
		     uint64_t now_us);

#endif
