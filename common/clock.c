#include "common/clock.h"

#include <stdio.h>
#include <time.h>

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

void clock_rfc3339(uint64_t unix_us, char out[static RFC3339_LEN])
{
	time_t s = (time_t)(unix_us / US_PER_S);
	struct tm tm;
	char date[24];

	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, RFC3339_LEN, "%s.%03uZ", date, (unsigned)(unix_us / US_PER_MS % MS_PER_S));
}
