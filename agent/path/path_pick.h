/*
 * path_pick: which way is best now, and the sentence that says why.
 *
 * Part of path_peer, for its files only. The only writer of a peer's choice. Between working ways
 * the score decides, with hysteresis and a hold-down; a suspect way stays first and gets a copy
 * beside it; a new way is joined by the old one for a moment (make before break).
 */
#ifndef WARREN_PATH_PICK_H
#define WARREN_PATH_PICK_H

#include "agent/path/path_peer.h"

/* Looks at all ways anew and writes the choice where another is due. */
void path_pick(struct path_peer *p, uint64_t now_us, struct path_actions *out);
/* When looking again could change the choice by time alone, or US_NEVER. */
uint64_t path_pick_deadline_us(const struct path_peer *p);

#endif
