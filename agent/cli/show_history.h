/*
 * show_history: `warren history` for people: how each peer's connection was, and the story of what
 * happened to it: when, what, for how long, why, and who can do something about it.
 */
#ifndef WARREN_SHOW_HISTORY_H
#define WARREN_SHOW_HISTORY_H

#include <stdint.h>
#include <stdio.h>

#include "common/json.h"

/* doc is `history --json`, of one peer or of all; since_us is how far back was asked. */
void show_history(const struct json_in *doc, uint64_t since_us, FILE *out);

#endif
