/*
 * path_turn: what begins and ends every event of path_peer.
 *
 * Part of path_peer, for its files only. Each of its events begins a turn, changes what it knows,
 * and ends the turn: what time alone has done is taken in, a way is picked, what is due
 * goes out, and the next deadline is set.
 */
#ifndef WARREN_PATH_TURN_H
#define WARREN_PATH_TURN_H

#include "agent/path/path_peer.h"

/* A peer that said it restarts is away for that long at most. */
static const uint64_t path_restart_us = 1500 * US_PER_MS;

/* Where our own timer fired late, the silence of that time is ours. */
void path_turn_begin(struct path_peer *p, uint64_t now_us);
void path_turn_end(struct path_peer *p, uint64_t now_us, struct path_actions *out);

#endif
