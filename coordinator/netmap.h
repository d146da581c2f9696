/*
 * netmap: the numbering of what changes in the mesh, so that a node that says the number it holds
 * gets what it missed and no more.
 *
 * Every change takes the next number. A node that is there carries the number of its last change
 * itself (struct node, `changed`), so that what a viewer missed is found among those it may see;
 * only removals need a log. It remembers the last ones: who asks from before that, or from a number
 * never given, gets a full map. A pure core. Numbers only rise within an epoch, over restarts too,
 * since each start begins at a number that the store had reserved.
 *
 *	number:    … 41   42        43   44        45
 *	           n3     removed   n9   removed   n3        netmap_removed_since(42) -> n8
 *	                  n7             n8                  and n3, n9 have changed > 42
 */
#ifndef WARREN_NETMAP_H
#define WARREN_NETMAP_H

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

struct netmap;

/* first: the number before the first change; capacity: removals remembered. */
struct netmap *netmap_new(uint64_t first, size_t capacity);
void netmap_free(struct netmap *m);

/* The number of a change that is made now. */
uint64_t netmap_next(struct netmap *m);
/* The same for the end of a node. */
uint64_t netmap_log_removal(struct netmap *m, uint32_t node_id);
/* The rules themselves changed: every number before this one is too old from here on. */
uint64_t netmap_forget(struct netmap *m);
uint64_t netmap_number(const struct netmap *m);

/* The ids of the nodes removed after number; the caller frees *ids. -ESTALE: a full map is due;
 * -ENOMEM. */
MUST_CHECK int netmap_removed_since(const struct netmap *m, uint64_t number, uint32_t **ids,
				    size_t *count);

#endif
