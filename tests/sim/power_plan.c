#include "tests/sim/power_plan.h"

#include "tests/sim/platter.h"
#include "tests/sim/trace.h"

static void on_frozen(void *arg)
{
	struct power_plan *p = arg;

	TRACE("life", "the last change of the disk");
	world_event_set_at_place(&p->due, world_now_us(), (struct world_place){0});
}

void power_plan_init(struct power_plan *p, void (*cut)(void *arg), void *arg)
{
	*p = (struct power_plan){0};
	world_event_init(&p->due, cut, arg);
}

void power_plan_set(struct power_plan *p, struct platter *disk, unsigned n, uint64_t latest_us)
{
	power_plan_drop(p);
	p->disk = disk;
	platter_watch_freeze(disk, on_frozen, p);
	platter_freeze_after(disk, n);
	world_event_set_at_place(&p->due, latest_us, (struct world_place){0});
}

void power_plan_drop(struct power_plan *p)
{
	world_event_cancel(&p->due);
	if (!p->disk)
		return;
	platter_watch_freeze(p->disk, NULL, NULL);
	if (!platter_is_frozen(p->disk))
		platter_thaw(p->disk); /* no count is left to run */
	p->disk = NULL;
}

bool power_plan_is_due(const struct power_plan *p)
{
	return p->disk && platter_is_frozen(p->disk);
}
