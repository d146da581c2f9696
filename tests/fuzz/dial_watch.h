/*
 * dial_watch: how often a node may be made to dial. Whoever lies to it, its dials are some wait
 * apart and few in a minute, else it could be turned against whatever stands there. Dials that a
 * person or a change of network asked for are free. For the targets of sessions that dial again.
 */
#ifndef WARREN_FUZZ_DIAL_WATCH_H
#define WARREN_FUZZ_DIAL_WATCH_H

#include "tests/fuzz/script.h"

enum { DIAL_WATCH_MAX = 80 };

struct dial_watch {
	uint64_t shortest_wait_us; /* between the end of a connection and the next dial */
	size_t per_minute;	   /* at most DIAL_WATCH_MAX */
	uint64_t dials_us[DIAL_WATCH_MAX];
	size_t n;
	uint64_t closed_us;
	bool is_free; /* the next one */
};

static inline void dial_watch_free_next(struct dial_watch *d)
{
	d->is_free = true;
}

static inline void dial_watch_on_closed(struct dial_watch *d, uint64_t now_us)
{
	d->closed_us = now_us;
}

static inline void dial_watch_on_dial(struct dial_watch *d, uint64_t now_us)
{
	static const uint64_t minute_us = 60 * 1000 * 1000;

	MUST(d->per_minute > 0 && d->per_minute <= DIAL_WATCH_MAX);
	MUST(d->n == 0 || d->is_free || now_us - d->closed_us >= d->shortest_wait_us);
	if (d->is_free)
		d->n = 0;
	d->is_free = false;
	/* The one so many dials ago lies more than a minute back. */
	MUST(d->n < d->per_minute || now_us - d->dials_us[d->n % d->per_minute] > minute_us);
	d->dials_us[d->n++ % d->per_minute] = now_us;
}

#endif
