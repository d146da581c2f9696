/*
 * path_why: the word and the sentence that say why a peer's packets go where they go.
 *
 * Part of path_peer, for its files only. Words are those of INTERFACES (docs/DIAGNOSE.md explains
 * each); sentences are for a person: what, why, and the numbers of the way beside it.
 */
#ifndef WARREN_PATH_WHY_H
#define WARREN_PATH_WHY_H

#include "agent/path/path_peer.h"

struct path_reason {
	const char *code;
	int old;    /* slot that was in use, -1: none */
	int beside; /* slot of the best other way, -1: none */
};

/* The next move within half a minute is due to this cause. */
void path_why_note_cause(struct path_peer *p, const char *code, uint64_t now_us);
/* The way in use fails: where it went on answering for seconds after that cause, it is another. */
void path_why_on_failing(struct path_peer *p);

/* Why the way of slot (-1: none) is taken after old; the same slot where it became suspect. */
const char *path_why_code(const struct path_peer *p, int slot, int old, uint64_t now_us);
/* Why the way in use is trusted again. */
const char *path_why_back(const struct path_peer *p, uint64_t now_us);

/* copy: slot of the second way, -1: none. */
void path_why_write(const struct path_peer *p, int slot, int copy, struct path_reason r,
		    char out[static PATH_WHY_LEN]);

#endif
