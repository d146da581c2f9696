/*
 * crew: many days at once: JOBS processes take seed after seed until all are played.
 *
 * One that dies is a verdict on the day that it played; another takes its place.
 */
#ifndef WARREN_SIM_CREW_H
#define WARREN_SIM_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/coverage.h"
#include "tests/sim/day.h"

enum { CREW_JOBS_MAX = 64, CREW_KEPT_MAX = 64 };

struct crew_report {
	uint64_t played, failed, events, packets, delivered;
	uint64_t failed_seeds[CREW_KEPT_MAX]; /* the first of them */
	size_t n_kept;
	struct coverage coverage;
};

/* Seeds from … from + n - 1, by that many processes, for at most seconds of real time (0: no
 * limit). Each failure is printed as it comes. */
void crew_play(uint64_t from, uint64_t n, unsigned jobs, unsigned seconds, struct crew_report *out);

#endif
