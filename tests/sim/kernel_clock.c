/* clock.h for simulated hosts: the world's time, each host's own wall clock and its sleep. */
#include "common/clock.h"

#include <stddef.h>

#include "tests/sim/host.h"
#include "tests/sim/world.h"

uint64_t clock_now_us(void)
{
	return world_now_us();
}

uint64_t clock_awake_us(void)
{
	struct host *here = world_here();

	return here ? host_awake_us(here) : world_now_us();
}

uint64_t clock_unix_us(void)
{
	return world_unix_us();
}
