/*
 * netmap: the numbered log of what changed in the mesh, so that a node that says the number it
 * holds gets what it missed and no more.
 *
 * Every change of a node takes the next number. The log remembers the last changes only; one that
 * asks from before that, or from a number never given, gets a full map. Which of the changed nodes
 * the asker may see is not decided here (sight.h). A pure core. Numbers only rise within an epoch:
 * over restarts too, since each start begins at a number that the store had reserved.
 *
 *	number:   … 41  42  43  44  45          netmap_since(42) -> the nodes of 43, 44, 45
 *	node:        7   9   7   3   9                           -> 7, 3, 9
 */
#ifndef WARREN_NETMAP_H
#define WARREN_NETMAP_H

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

struct netmap;

/* first: the number before the first change; capacity: changes remembered. */
struct netmap *netmap_new(uint64_t first, size_t capacity);
void netmap_free(struct netmap *m);

/* Logs a change of (or the end of) a node and returns its number. */
uint64_t netmap_log(struct netmap *m, uint32_t node_id);
/* The rules themselves changed: every number before this one is too old from here on. */
uint64_t netmap_forget(struct netmap *m);
uint64_t netmap_number(const struct netmap *m);

/* The ids of the nodes that changed after number, each once; the caller frees *ids. -ESTALE:
 * a full map is due; -ENOMEM. */
MUST_CHECK int netmap_since(const struct netmap *m, uint64_t number, uint32_t **ids, size_t *count);

#endif
