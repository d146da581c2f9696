/*
 * ready: the ports of each worker that have something to write or to be closed, oldest first, and
 * which workers sleep until there is one.
 *
 *	idle --ready_add--> listed --ready_next, ready_remove--> idle
 *
 * Links ports, never owns them. Part of the hub and covered by its lock.
 */
#ifndef WARREN_READY_H
#define WARREN_READY_H

#include <stdbool.h>
#include <stdint.h>

#include "derp-relay/port.h"

enum { READY_WORKERS_MAX = 64 };

struct ready_list {
	struct port *head;
	struct port *tail;
	bool asleep; /* the worker found it empty and waits to be woken */
};

struct ready {
	struct ready_list of[READY_WORKERS_MAX];
	uint64_t wakes; /* one bit for each worker that slept when it got something */
};

/* Nothing listed, everybody asleep. */
void ready_init(struct ready *r);
/* At the end of its worker's list. Harmless twice. */
void ready_add(struct ready *r, struct port *port);
/* Harmless where it is not listed. */
void ready_remove(struct ready *r, struct port *port);
/* The oldest, listed no more; NULL: there is none, and the worker is taken to sleep. */
struct port *ready_next(struct ready *r, uint16_t worker);
/* Workers to wake, since the last call. */
uint64_t ready_take_wakes(struct ready *r);

#endif
