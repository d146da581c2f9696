#include "tests/sim/random.h"

#include <math.h>
#include <string.h>

uint64_t random_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

void random_init(struct random *r, uint64_t seed, uint64_t stream)
{
	uint64_t x = random_mix(seed) ^ random_mix(~stream);

	for (size_t i = 0; i < 4; i++) {
		r->s[i] = random_mix(x);
		x += 0x9e3779b97f4a7c15;
	}
}

static uint64_t rotl(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

uint64_t random_u64(struct random *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t random_below(struct random *r, uint64_t bound)
{
	/* Bounds here are far below 2^64: what remains of bias is under one in a million. */
	return bound == 0 ? 0 : random_u64(r) % bound;
}

uint64_t random_between(struct random *r, uint64_t low, uint64_t high)
{
	return high <= low ? low : low + random_below(r, high - low + 1);
}

double random_unit(struct random *r)
{
	return (double)(random_u64(r) >> 11) * 0x1p-53;
}

bool random_chance(struct random *r, double probability)
{
	return probability > 0 && random_unit(r) < probability;
}

uint64_t random_exponential(struct random *r, uint64_t mean)
{
	double x = -log(1 - random_unit(r));

	return (uint64_t)((double)mean * (x < 20 ? x : 20));
}

void random_bytes(struct random *r, void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		uint64_t x = random_u64(r);
		size_t n = len < sizeof(x) ? len : sizeof(x);

		memcpy(at, &x, n);
		at += n;
		len -= n;
	}
}
