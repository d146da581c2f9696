/*
 * clock: the times there are. Shells read them and pass them down; cores never call this.
 */
#ifndef WARREN_CLOCK_H
#define WARREN_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define US_NEVER UINT64_MAX

enum { US_PER_MS = 1000, US_PER_S = 1000 * 1000, MS_PER_S = 1000 };

/* Microseconds of a clock that never steps and counts on in sleep (CLOCK_BOOTTIME on Linux). */
uint64_t clock_now_us(void);

/* The same clock less the time this machine has slept (CLOCK_MONOTONIC on Linux). */
uint64_t clock_awake_us(void);

/* Wall time in microseconds since 1970, for what people and other machines read. */
uint64_t clock_unix_us(void);

enum { RFC3339_LEN = 32 };

/* "2026-01-02T03:04:05.678Z" of a wall time. */
void clock_rfc3339(uint64_t unix_us, char out[static RFC3339_LEN]);

#endif
