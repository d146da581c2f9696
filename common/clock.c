#include "common/clock.h"

#include <stdio.h>
#include <time.h>

void clock_rfc3339(uint64_t unix_us, char out[static RFC3339_LEN])
{
	time_t s = (time_t)(unix_us / US_PER_S);
	struct tm tm;
	char date[24];

	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, RFC3339_LEN, "%s.%03uZ", date, (unsigned)(unix_us / US_PER_MS % MS_PER_S));
}
