/*
 * random: a seeded generator whose numbers are the same on every machine: xoshiro256** (Blackman,
 * Vigna 2018) filled by splitmix64.
 *
 * Each purpose and each link, NAT and host has a generator of its own, so that taking one event
 * out of a schedule leaves every other's dice as they were: that is what lets a day be shrunk.
 */
#ifndef WARREN_SIM_RANDOM_H
#define WARREN_SIM_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t s[4]; /* never all zero after random_init */
};

/* Two different (seed, stream) give unrelated sequences. */
void random_init(struct random *r, uint64_t seed, uint64_t stream);

uint64_t random_u64(struct random *r);
/* 0 … bound-1; 0 for bound 0. */
uint64_t random_below(struct random *r, uint64_t bound);
/* low … high, both included. */
uint64_t random_between(struct random *r, uint64_t low, uint64_t high);
/* 0 <= x < 1. */
double random_unit(struct random *r);
/* Throws no dice for a probability of 0 or less. */
bool random_chance(struct random *r, double probability);
/* Exponential with this mean, at most 20 times it. */
uint64_t random_exponential(struct random *r, uint64_t mean);
void random_bytes(struct random *r, void *out, size_t len);

/* splitmix64's step on its own: a good hash of 64 bits. */
uint64_t random_mix(uint64_t x);

#endif
