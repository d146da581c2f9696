#include "tests/sim/sudden_end.h"

#include "tests/sim/host.h"
#include "tests/sim/kernel_disk.h"
#include "tests/sim/platter.h"
#include "tests/sim/trace.h"
#include "tests/sim/world.h"

/* Leaves what the host's saver has in hand half done. Returns where the process was. */
static struct world_place interrupt(struct host *host, const char *what)
{
	struct world_place before = world_enter(host), here = world_place();

	TRACE("life", "%s", what);
	if (!host_is_asleep(host))
		kernel_disk_interrupt(host, world_dice(WORLD_DICE_DISKS));
	world_leave(before);
	return here;
}

static void bury_at(struct world_place ghost, void (*bury)(void *arg), void *arg)
{
	struct world_place before = world_enter_place(ghost);

	bury(arg);
	world_leave(before);
}

void sudden_end_by_kill(struct host *host, void (*bury)(void *arg), void *arg)
{
	struct world_place ghost = interrupt(host, "crash");

	host_crash(host);
	bury_at(ghost, bury, arg);
	platter_thaw(kernel_disk_of(host));
}

void sudden_end_of_power(struct host *host, void (*bury)(void *arg), void *arg)
{
	struct world_place ghost = interrupt(host, "power cut");

	host_power_off(host);
	bury_at(ghost, bury, arg);
	platter_cut_power(kernel_disk_of(host), world_dice(WORLD_DICE_DISKS));
}
