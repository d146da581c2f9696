/*
 * histogram: counts of durations in microseconds, log-linear: 8 steps an octave, so that a
 * percentile is at most an eighth off, from 1 us to 67 s, in under 500 bytes.
 */
#ifndef WARREN_HISTOGRAM_H
#define WARREN_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 8, HISTOGRAM_OCTAVES = 24 };
enum { HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * (HISTOGRAM_OCTAVES + 1) };

struct histogram { /* all zero: empty */
	uint32_t total;
	uint64_t max_us;
	uint16_t count[HISTOGRAM_BUCKETS]; /* stick at their ceiling */
};

void histogram_add(struct histogram *h, uint64_t us);
/* Adds all of from's counts to h. */
void histogram_merge(struct histogram *h, const struct histogram *from);
/* The value below or at which permille of the samples lie: the middle of its bucket, never above
 * the largest sample. 0 where nothing was added. */
uint64_t histogram_percentile(const struct histogram *h, unsigned permille);

#endif
