/*
 * garbage: bytes that strangers send, by a seed.
 */
#ifndef WARREN_LAB_GARBAGE_H
#define WARREN_LAB_GARBAGE_H

#include <stdint.h>
#include <string.h>

enum { GARBAGE_MAX = 1400 };

static inline uint64_t garbage_seed(double seed)
{
	return (uint64_t)seed * 2654435761u + 1;
}

static inline uint64_t next_random(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

/* Half of it begins as WireGuard, STUN or disco do, so that it gets past the first look. */
static inline size_t make_garbage(uint64_t *random, uint8_t buf[static GARBAGE_MAX])
{
	static const uint8_t beginnings[][6] = {{1}, {2},    {3},
						{4}, {0, 1}, {'T', 'S', 0xf0, 0x9f, 0x92, 0xac}};
	uint64_t dice = next_random(random);
	size_t len = 1 + next_random(random) % GARBAGE_MAX;

	if ((dice >> 8) % 4 == 0) /* of the very length of a handshake initiation or response */
		len = (dice >> 16) & 1 ? 148 : 92;
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)next_random(random);
	if (dice & 1 && len > 6)
		memcpy(buf, beginnings[(dice >> 1) % 6], (dice >> 1) % 6 < 4 ? 4 : 6);
	return len;
}

#endif
