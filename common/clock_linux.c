#include <time.h>

#include "common/clock.h"

static uint64_t read_clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_now_us(void)
{
	return read_clock_us(CLOCK_BOOTTIME);
}

uint64_t clock_awake_us(void)
{
	return read_clock_us(CLOCK_MONOTONIC);
}

uint64_t clock_unix_us(void)
{
	return read_clock_us(CLOCK_REALTIME);
}
