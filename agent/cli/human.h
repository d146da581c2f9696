/*
 * human: figures as a tired person reads them: ages, durations, milliseconds, times of day.
 * Pure text; the zone is passed in by the environment (localtime) alone.
 */
#ifndef WARREN_HUMAN_H
#define WARREN_HUMAN_H

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

enum { HUMAN_LEN = 32 };

/* "350 ms", "2.4 s", "3 min", "2 h 5 min", "4 d 3 h". */
void human_duration(uint64_t us, char out[static HUMAN_LEN]);
/* "0.8 ms", "23 ms", "1.2 s". */
void human_ms(double ms, char out[static HUMAN_LEN]);

/* What clock_rfc3339 writes, back to microseconds since 1970. -EBADMSG otherwise. */
MUST_CHECK int human_time_parse(const char *text, uint64_t *unix_us);
/* "14:32:05" and "2026-01-02", in local time. */
void human_clock(uint64_t unix_us, char out[static HUMAN_LEN]);
void human_date(uint64_t unix_us, char out[static HUMAN_LEN]);

/* A text of others for a terminal: control characters become '?'. */
void human_safe(const char *text, char *out, size_t cap);

/* A reason without the "WAY: " it opens with, where the reader has the way before him already. */
const char *human_reason(const char *reason, const char *way);

#endif
