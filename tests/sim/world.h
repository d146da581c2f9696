/*
 * world: virtual time, what happens when, and where: the ground that a simulated day stands on.
 *
 * There is one running world; time moves only in world_run_until, from event to event, so a day of
 * four machines is one thread, without a system call. An event is embedded in whatever it belongs
 * to (no allocation) and remembers the place it was set at: a host's incarnation. Events of a
 * sleeping host wait for its waking; events of an incarnation that has crashed never fire.
 *
 *	IDLE --set--> SET --due--> (fires, IDLE) | host asleep: PARKED --wakes--> fires
 *	SET, PARKED --cancel--> IDLE             | host crashed since: IDLE, unfired
 */
#ifndef WARREN_SIM_WORLD_H
#define WARREN_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "tests/sim/random.h"

struct host;
struct world;

/* ---- a world's life ---- */

/* Becomes the running world; there must be none. Its time starts at 1,000 s, so that nothing that
 * was never set looks recent, and its wall clock at 2026-03-02T08:00:00Z. */
struct world *world_new(uint64_t seed);
/* Frees its parts, last set first. Hosts, NATs and events are their owners' to free before. */
void world_free(struct world *w);
/* The running world, NULL between worlds. */
struct world *world_running(void);
uint64_t world_seed(const struct world *w);

/* Fires what is due up to and including until_us, then stands there. Not from within an event. */
void world_run_until(struct world *w, uint64_t until_us);
/* Fires the one next event, if it is due by until_us. False: there was none. */
bool world_step(struct world *w, uint64_t until_us);
/* No further event fires in the world_run_until that is under way; time stays here. */
void world_stop(struct world *w);
bool world_is_stopped(const struct world *w);
uint64_t world_events_fired(const struct world *w);

/* ---- time ---- */

/* The running world's monotonic time, which counts on while hosts sleep. */
uint64_t world_now_us(void);
/* Wall time at the place where we are: each host's clock may be wrong (host_step_wall). */
uint64_t world_unix_us(void);

/* ---- where ---- */

/* The incarnation of a host's kernel: it sleeps with the host and outlives its processes. */
#define WORLD_KERNEL UINT32_MAX

/* A host as it was started the n-th time; host NULL: nowhere, the world itself. */
struct world_place {
	struct host *host;
	uint32_t incarnation;
};

/* The host whose event is running; NULL in the world's own events. */
struct host *world_here(void);
struct world_place world_place(void);
/* Is the place where we are a crashed incarnation? Its sends and writes must go nowhere. */
bool world_is_ghost(void);
bool world_place_is_ghost(struct world_place place);
/* Goes to a host as it is now, or to a remembered place; world_leave with what they returned. */
struct world_place world_enter(struct host *host);
struct world_place world_enter_place(struct world_place place);
void world_leave(struct world_place previous);

/* ---- events ---- */

struct world_event { /* all zero but fire is idle and valid */
	void (*fire)(void *arg);
	void *arg;
	struct world_place place;
	uint64_t at_us;
	uint64_t slept_us; /* awake events: the host's slept time when set */
	uint32_t slot;	   /* 0: idle; else its place in the queue */
	bool is_awake;	   /* set by world_event_set_awake */
};

void world_event_init(struct world_event *e, void (*fire)(void *arg), void *arg);
/* Sets or moves it, at the place where we are. Past times fire next; equal times in the order they
 * were set; US_NEVER cancels. */
void world_event_set(struct world_event *e, uint64_t at_us);
/* In delay_us of the host's waking time: sleep does not count (CLOCK_MONOTONIC's timers). */
void world_event_set_awake(struct world_event *e, uint64_t delay_us);
/* At a place that is not where we are. */
void world_event_set_at_place(struct world_event *e, uint64_t at_us, struct world_place place);
/* Idle ones too. Needed before its memory goes. */
void world_event_cancel(struct world_event *e);
bool world_event_is_set(const struct world_event *e);
/* Armed events of a host's present incarnation: what an invariant bounds. */
size_t world_events_of(const struct host *host);

/* For host.c: its parked events become due now, in the order they fell due. */
void world_unpark(struct host *host);

/* ---- dice ---- */

enum world_dice {
	WORLD_DICE_SCHEDULE,
	WORLD_DICE_LINKS,
	WORLD_DICE_NATS,
	WORLD_DICE_KEYS,
	WORLD_DICE_DISKS,
	WORLD_DICE_TRAFFIC,
	WORLD_DICE_KINDS
};

struct random *world_dice(enum world_dice kind);
/* A generator for object number id of a kind, whatever else was thrown before. */
struct random world_dice_for(enum world_dice kind, uint64_t id);

/* ---- parts: what other modules hang on the world instead of keeping state of their own ---- */

enum world_part {
	WORLD_INTERNET,
	WORLD_TRACE,
	WORLD_DESCRIPTORS,
	WORLD_HOST_PARTS,
	WORLD_DISKS,
	WORLD_LOOPS,
	WORLD_THREADS,
	WORLD_TLS,
	WORLD_NAMES,
	WORLD_MACHINES,
	WORLD_WATCHES,
	WORLD_DAY,
	WORLD_CURVE,
	WORLD_SEALS,
	WORLD_PARTS
};

/* NULL where none was set. */
void *world_part(const struct world *w, enum world_part part);
/* The world owns it from here on: free_part (may be NULL) is called by world_free, and for the
 * one it replaces. */
void world_set_part(struct world *w, enum world_part part, void *ptr, void (*free_part)(void *ptr));

#endif
