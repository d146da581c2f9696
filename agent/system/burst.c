#include "agent/system/burst.h"

#include "common/clock.h"

static const uint64_t quiet_us = 150 * US_PER_MS, longest_us = 600 * US_PER_MS;

uint64_t burst_deadline(const struct burst *b)
{
	if (!b->busy)
		return US_NEVER;

	uint64_t quiet_at_us = b->last_us + quiet_us, end_us = b->since_us + longest_us;
	return quiet_at_us < end_us ? quiet_at_us : end_us;
}

bool burst_on_deadline(struct burst *b, uint64_t now_us)
{
	if (now_us < burst_deadline(b))
		return false;

	bool call = b->more;
	*b = (struct burst){0};
	return call;
}

bool burst_on_event(struct burst *b, uint64_t now_us)
{
	bool ended = burst_on_deadline(b, now_us);

	if (!b->busy) {
		*b = (struct burst){.busy = true, .since_us = now_us, .last_us = now_us};
		return true;
	}
	b->more = true;
	b->last_us = now_us;
	return ended;
}
