/*
 * kernel_random: libsodium's random bytes from the world's dice: each host draws from its own, so
 * that keys, nonces and jitter are the same in every replay of a seed.
 */
#ifndef WARREN_SIM_KERNEL_RANDOM_H
#define WARREN_SIM_KERNEL_RANDOM_H

#include <stdbool.h>

/* Before anything of libsodium's, once in the process. False: libsodium would not start. */
bool kernel_random_install(void);

#endif
