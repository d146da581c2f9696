#include "derp-relay/limiter.h"

#include "common/clock.h"

enum { LARGEST_FRAME_BYTES = 65536 + 32 };

/* Keeps bytes times a billion inside 64 bits; a bucket of 8 GB is none. */
static const uint64_t burst_max = UINT64_C(1) << 33;

enum { NS_PER_US = 1000 };

static uint64_t time_for_ns(uint64_t bytes, uint64_t rate_bytes)
{
	return bytes * US_PER_S * NS_PER_US / rate_bytes;
}

struct limits limits_make(uint64_t rate_bytes, uint64_t burst_bytes)
{
	struct limits l = {.rate_bytes = rate_bytes, .burst_bytes = burst_bytes};

	if (l.burst_bytes > burst_max)
		l.burst_bytes = burst_max;
	if (l.burst_bytes < LARGEST_FRAME_BYTES)
		l.burst_bytes = LARGEST_FRAME_BYTES;
	return l;
}

uint64_t limiter_on_bytes(struct limiter *l, const struct limits *limits, uint64_t bytes,
			  uint64_t now_us)
{
	uint64_t now_ns = now_us * NS_PER_US;

	if (limits->rate_bytes == 0) {
		l->paid_until_ns = 0;
		return now_us;
	}
	if (l->paid_until_ns < now_ns)
		l->paid_until_ns = now_ns;
	l->paid_until_ns += time_for_ns(bytes, limits->rate_bytes);

	uint64_t ahead_ns = l->paid_until_ns - now_ns;
	uint64_t burst_ns = time_for_ns(limits->burst_bytes, limits->rate_bytes);
	if (ahead_ns <= burst_ns)
		return now_us;
	return now_us + (ahead_ns - burst_ns) / NS_PER_US + 1;
}
