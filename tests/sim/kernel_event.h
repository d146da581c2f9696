/*
 * kernel_event: libevent's functions on the world's queue: what kernel_loop.c knows of a base.
 *
 * An event's callback runs as an event of the world at the place where it was added or activated.
 * Descriptors are level-triggered as poll(2) is: a persistent event whose descriptor is still ready
 * runs again. No priorities, no signals, no locks.
 */
#ifndef WARREN_SIM_KERNEL_EVENT_H
#define WARREN_SIM_KERNEL_EVENT_H

#include <stdbool.h>

#include "tests/sim/world.h"

struct event;
struct loop_thread;

struct event_base {
	struct world_event round;   /* runs what is active */
	struct event *first, *last; /* active, in their order */
	struct event *running;	    /* NULL: none, or freed by its own callback */
	bool is_stopped;	    /* nothing runs but by kernel_event_round */
	struct loop_thread *thread; /* kernel_loop's, NULL: main's */
};

/* Runs what is active now and what that makes active, once each; also of a base that is stopped. */
void kernel_event_round(struct event_base *base);

/* Called in a later round, by kernel_event, once a thread's base was stopped from within. */
void kernel_loop_thread_left(struct loop_thread *thread);

#endif
