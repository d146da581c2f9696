/*
 * quiet: frees what lanes may still be reading once none of them can be.
 *
 * Main publishes immutable things by an atomic pointer (choices, rosters, keypairs). When it puts a
 * new one in place it retires the old one here. A lane says each turn that it holds nothing
 * (quiet_pass) and that it goes to sleep or wakes; what was retired is freed once every lane has
 * passed after the retirement, or sleeps. Lanes never wait, main never blocks.
 *
 *	lane: AWAKE(seen epoch) --quiet_sleep--> ASLEEP --quiet_wake--> AWAKE
 *
 * Publish and read such pointers with sequentially consistent atomics (the plain <stdatomic.h>
 * operations): the order of "pointer replaced" and "lane awake" is what makes this right.
 */
#ifndef WARREN_QUIET_H
#define WARREN_QUIET_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { QUIET_LANES_MAX = 16 };

struct quiet_lane {
	_Alignas(64) _Atomic uint64_t seen; /* the epoch last seen, UINT64_MAX asleep */
};

struct quiet_retired {
	void *ptr;
	void (*release)(void *);
	uint64_t epoch;
};

/* Everything but lanes[].seen and epoch is main's alone. */
struct quiet {
	_Atomic uint64_t epoch;
	struct quiet_lane lanes[QUIET_LANES_MAX];
	size_t n_lanes;
	struct quiet_retired *list; /* oldest first */
	size_t n_retired, cap;
};

/* Lanes start asleep. */
void quiet_init(struct quiet *q, size_t n_lanes);
/* Frees all that is retired: only once no lane runs any more. */
void quiet_wipe(struct quiet *q);

/* Lane threads. */
void quiet_pass(struct quiet *q, size_t lane);
void quiet_sleep(struct quiet *q, size_t lane);
void quiet_wake(struct quiet *q, size_t lane);

/* Main. Takes ptr over; release runs in some later quiet_reclaim. NULL is ignored. */
void quiet_retire(struct quiet *q, void *ptr, void (*release)(void *));
/* Frees what no lane can hold; returns how many are left waiting for a lane. */
size_t quiet_reclaim(struct quiet *q);

#endif
