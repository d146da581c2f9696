/*
 * play: lets a day pass: builds its town, carries out its events, sends its traffic, and shows all
 * of it to the watches.
 *
 * It stops at the first thing that goes wrong. The same day gives the same run, to the microsecond.
 */
#ifndef WARREN_SIM_PLAY_H
#define WARREN_SIM_PLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/sim/day.h"
#include "tests/sim/verdict.h"

struct coverage;

struct play_options {
	FILE *trace;		   /* NULL: quiet */
	struct coverage *coverage; /* what the day enters is added; NULL: not asked */
};

struct play_result {
	struct verdict verdict;
	uint64_t events, packets, delivered; /* of the world, on the wire, out of TUNs */
};

/* There must be no running world. */
void play_day(const struct day *day, const struct play_options *options,
	      struct play_result *result);

#endif
