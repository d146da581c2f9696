#include "tests/sim/kernel_random.h"

#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

#include "tests/sim/host.h"
#include "tests/sim/random.h"
#include "tests/sim/world.h"

static void fill(void *buf, size_t len)
{
	struct random start;
	struct host *here = world_running() ? world_here() : NULL;

	if (here) {
		random_bytes(host_dice(here), buf, len);
	} else if (world_running()) {
		random_bytes(world_dice(WORLD_DICE_KEYS), buf, len);
	} else { /* libsodium tries its generator as it starts */
		random_init(&start, 0, 0);
		random_bytes(&start, buf, len);
	}
}

static uint32_t one(void)
{
	uint32_t n;

	fill(&n, sizeof(n));
	return n;
}

static const char *name(void)
{
	return "simulated";
}

bool kernel_random_install(void)
{
	/* Not const only because libsodium's parameter is not. */
	static randombytes_implementation dice = {
		.implementation_name = name, .random = one, .buf = fill};

	return randombytes_set_implementation(&dice) == 0 && sodium_init() >= 0;
}
