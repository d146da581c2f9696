#include "agent/measure/histogram.h"

#include <stddef.h>

enum { STEP_BITS = 3 };

/* Bucket 0 to 7: the value itself; above, the three bits behind the highest one choose the step. */
static size_t bucket_of(uint64_t us)
{
	if (us < HISTOGRAM_STEPS)
		return (size_t)us;
	unsigned octave = 63u - (unsigned)__builtin_clzll(us);
	unsigned step = (unsigned)(us >> (octave - STEP_BITS)) & (HISTOGRAM_STEPS - 1);
	size_t bucket = (size_t)(octave - STEP_BITS + 1) * HISTOGRAM_STEPS + step;

	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t middle_of(size_t bucket)
{
	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	unsigned shift = (unsigned)(bucket / HISTOGRAM_STEPS) - 1;
	uint64_t low = (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << shift;

	return low + ((1ull << shift) >> 1);
}

static void bump(uint16_t *count, uint32_t by)
{
	*count = by > (uint32_t)(UINT16_MAX - *count) ? UINT16_MAX : (uint16_t)(*count + by);
}

void histogram_add(struct histogram *h, uint64_t us)
{
	bump(&h->count[bucket_of(us)], 1);
	h->total++;
	if (us > h->max_us)
		h->max_us = us;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		bump(&h->count[i], from->count[i]);
	h->total += from->total;
	if (from->max_us > h->max_us)
		h->max_us = from->max_us;
}

uint64_t histogram_percentile(const struct histogram *h, unsigned permille)
{
	uint64_t counted = 0, seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		counted += h->count[i];
	/* The rank of the sample, counted from 1: the least that covers the share asked for. */
	uint64_t rank = (counted * permille + 999) / 1000;

	if (counted == 0)
		return 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->count[i];
		if (h->count[i] > 0 && seen >= rank) {
			uint64_t middle = middle_of(i);
			return middle < h->max_us ? middle : h->max_us;
		}
	}
	return h->max_us;
}
