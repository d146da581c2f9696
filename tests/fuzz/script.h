/*
 * script: a fuzz input read as what happens in a conversation: one choice after the other.
 *
 * Behind its end every choice is 0, so that each input is a whole story and a longer one begins
 * like the shorter. For the targets that drive whole cores; those that decode read bytes.
 */
#ifndef WARREN_SCRIPT_H
#define WARREN_SCRIPT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"

/* What must hold whatever the input says; NDEBUG does not take it away. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct script {
	struct reader r;
	uint64_t dice; /* for random bytes that the cores are handed, the same in every run */
};

static inline struct script script_init(const uint8_t *data, size_t len)
{
	return (struct script){.r = reader_init(data, len), .dice = 1};
}

static inline bool script_has_more(const struct script *s)
{
	return !s->r.failed && reader_left(&s->r) > 0;
}

static inline uint8_t script_byte(struct script *s)
{
	return read_u8(&s->r);
}

static inline uint16_t script_u16(struct script *s)
{
	return read_u16be(&s->r);
}

/* One of n, 0 to n - 1; n at most 256. */
static inline unsigned script_pick(struct script *s, unsigned n)
{
	return script_byte(s) % n;
}

/* A length and so many bytes, at most max; *len 0 at the end of the script. */
static inline const uint8_t *script_span(struct script *s, size_t max, size_t *len)
{
	size_t want = script_u16(s) % (max + 1), left = reader_left(&s->r);

	*len = want < left ? want : left;
	return read_span(&s->r, *len);
}

/* A time to let pass: milliseconds, seconds or minutes. */
static inline uint64_t script_pause_us(struct script *s)
{
	static const uint64_t units[] = {1000, 100 * 1000, 1000 * 1000, 30 * 1000 * 1000};
	uint8_t b = script_byte(s);

	return units[b >> 6] * ((b & 63) + 1U);
}

/* splitmix64, by Sebastiano Vigna. */
static inline uint64_t script_dice(struct script *s)
{
	uint64_t z = s->dice += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static inline void script_random(struct script *s, void *out, size_t len)
{
	uint8_t *at = out;

	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)script_dice(s);
}

#endif
