#include "agent/cli/human.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

/* "2 h 5 min"; the smaller unit is left out where it is 0. */
static void two_units(uint64_t big, const char *big_unit, uint64_t small, const char *small_unit,
		      char out[static HUMAN_LEN])
{
	int n = snprintf(out, HUMAN_LEN, "%llu %s", (unsigned long long)big, big_unit);

	if (small > 0 && n > 0 && n < HUMAN_LEN)
		snprintf(out + n, HUMAN_LEN - (size_t)n, " %llu %s", (unsigned long long)small,
			 small_unit);
}

void human_duration(uint64_t us, char out[static HUMAN_LEN])
{
	uint64_t s = us / US_PER_S;

	if (us < US_PER_S)
		snprintf(out, HUMAN_LEN, "%llu ms", (unsigned long long)(us / US_PER_MS));
	else if (s < 10)
		snprintf(out, HUMAN_LEN, "%.1f s", (double)(us / (US_PER_S / 10)) / 10);
	else if (s < MINUTE_S)
		snprintf(out, HUMAN_LEN, "%llu s", (unsigned long long)s);
	else if (s < HOUR_S)
		snprintf(out, HUMAN_LEN, "%llu min", (unsigned long long)(s / MINUTE_S));
	else if (s < DAY_S)
		two_units(s / HOUR_S, "h", s % HOUR_S / MINUTE_S, "min", out);
	else
		two_units(s / DAY_S, "d", s % DAY_S / HOUR_S, "h", out);
}

void human_ms(double ms, char out[static HUMAN_LEN])
{
	if (ms < 9.95)
		snprintf(out, HUMAN_LEN, "%.1f ms", ms);
	else if (ms < 999.5)
		snprintf(out, HUMAN_LEN, "%.0f ms", ms);
	else
		snprintf(out, HUMAN_LEN, "%.1f s", ms / MS_PER_S);
}

int human_time_parse(const char *text, uint64_t *unix_us)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned ms = 0;
	char z = 0;

	if (!rest || (*rest == '.' && sscanf(rest, ".%3u%c", &ms, &z) != 2) ||
	    (*rest != '.' && sscanf(rest, "%c", &z) != 1) || z != 'Z')
		return -EBADMSG;
	time_t s = timegm(&tm);
	if (s < 0)
		return -EBADMSG;
	*unix_us = (uint64_t)s * US_PER_S + (uint64_t)ms * US_PER_MS;
	return 0;
}

static struct tm local_time(uint64_t unix_us)
{
	time_t s = (time_t)(unix_us / US_PER_S);
	struct tm tm = {0};

	(void)localtime_r(&s, &tm);
	return tm;
}

void human_clock(uint64_t unix_us, char out[static HUMAN_LEN])
{
	struct tm tm = local_time(unix_us);

	if (strftime(out, HUMAN_LEN, "%H:%M:%S", &tm) == 0)
		out[0] = '\0';
}

void human_date(uint64_t unix_us, char out[static HUMAN_LEN])
{
	struct tm tm = local_time(unix_us);

	if (strftime(out, HUMAN_LEN, "%Y-%m-%d", &tm) == 0)
		out[0] = '\0';
}

void human_safe(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; *text && n + 1 < cap; text++) {
		unsigned char c = (unsigned char)text[0], behind = (unsigned char)text[1];
		/* U+0080 to U+009F: terminals take U+009B for "escape [". */
		bool is_c1 = c == 0xc2 && behind >= 0x80 && behind < 0xa0;

		out[n++] = c < 0x20 || c == 0x7f || is_c1 ? '?' : *text;
		text += is_c1;
	}
	out[n] = '\0';
}

const char *human_reason(const char *reason, const char *way)
{
	size_t len = strlen(way);
	bool repeats =
		len > 0 && strncmp(reason, way, len) == 0 && strncmp(reason + len, ": ", 2) == 0;

	return repeats ? reason + len + 2 : reason;
}
