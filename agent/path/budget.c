#include "agent/path/budget.h"

#include "common/clock.h"

enum { MILLI = 1000 };

static const uint64_t hour_us = (uint64_t)3600 * US_PER_S;

/* What flows off in elapsed_us at so many probes in period_us, in thousandths. */
static uint64_t flowed_milli(uint64_t elapsed_us, uint64_t probes, uint64_t period_us)
{
	if (elapsed_us >= period_us)
		return probes * MILLI;
	return elapsed_us * probes * MILLI / period_us;
}

static uint64_t without(uint64_t from, uint64_t less)
{
	return from > less ? from - less : 0;
}

bool budget_take(struct budget *b, enum budget_claim claim, uint64_t now_us)
{
	/* A full bucket and a second of flow together make the second's limit. */
	const uint64_t refill = BUDGET_PER_SECOND - BUDGET_AT_ONCE;
	/* Half of the hour's may be spent at once, the other half flows in. */
	const uint64_t hour_refill = BUDGET_PER_HOUR / 2;
	const uint64_t kept = (uint64_t)(BUDGET_NEWS - claim) * (BUDGET_PER_HOUR / 20);
	uint64_t spent =
		without(b->spent_milli, flowed_milli(now_us - b->spent_us, refill, US_PER_S));
	uint64_t hour = without(b->hour_spent_milli,
				flowed_milli(now_us - b->hour_us, hour_refill, hour_us));
	bool fits_now = spent + MILLI <= (uint64_t)BUDGET_AT_ONCE * MILLI;
	bool fits_hour = hour + MILLI <= (BUDGET_PER_HOUR - hour_refill - kept) * MILLI;

	if (!fits_now || !fits_hour)
		return false;
	b->spent_milli = (uint32_t)(spent + MILLI);
	b->hour_spent_milli = hour + MILLI;
	b->spent_us = b->hour_us = now_us;
	return true;
}
