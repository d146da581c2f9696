#include "tests/sim/server_life.h"

#include <errno.h>
#include <string.h>

#include "common/net/loop.h"
#include "tests/sim/host.h"
#include "tests/sim/sudden_end.h"
#include "tests/sim/trace.h"

/* ---- the process ---- */

static void bury(void *arg)
{
	struct server_life *l = arg;

	if (!l->base)
		return;
	world_event_cancel(&l->end);
	l->is_leaving = l->starts_again = false;
	l->ops->free(l->arg);
	loop_base_free(l->base);
	l->base = NULL;
}

void server_life_ended(void *arg)
{
	struct server_life *l = arg;

	world_event_set(&l->end, world_now_us());
}

static int start(struct server_life *l)
{
	l->base = loop_base_new();
	int err = l->ops->start(l->arg, l->base);

	TRACE("life", "start: %s", err ? strerror(-err) : "ok");
	if (err) {
		loop_base_free(l->base);
		l->base = NULL;
	}
	return err;
}

static void on_end(void *arg)
{
	struct server_life *l = arg;
	bool starts_again = l->starts_again;

	TRACE("life", "ended");
	l->ops->flush(l->arg);
	bury(l);
	if (starts_again && start(l) != 0)
		TRACE("life", "stays off");
}

/* ---- the machine ---- */

void server_life_init(struct server_life *l, struct host *host, const struct server_life_ops *ops,
		      void *arg)
{
	*l = (struct server_life){.host = host, .ops = ops, .arg = arg};
	world_event_init(&l->end, on_end, l);
}

void server_life_wipe(struct server_life *l)
{
	struct world_place before = world_enter(l->host);

	bury(l);
	world_leave(before);
}

int server_life_start(struct server_life *l)
{
	if (l->base) {
		l->starts_again = l->is_leaving;
		return l->is_leaving ? 0 : -EALREADY;
	}
	if (!host_is_on(l->host))
		host_power_on(l->host);
	struct world_place before = world_enter(l->host);
	int err = start(l);
	world_leave(before);
	return err;
}

void server_life_leave(struct server_life *l, const char *why)
{
	if (!l->base)
		return;
	struct world_place before = world_enter(l->host);
	TRACE("life", "%s", why);
	l->is_leaving = true;
	l->ops->leave(l->arg);
	world_leave(before);
}

void server_life_crash(struct server_life *l)
{
	if (l->base)
		sudden_end_by_kill(l->host, bury, l);
}

void server_life_power_cut(struct server_life *l)
{
	if (host_is_on(l->host))
		sudden_end_of_power(l->host, bury, l);
}

bool server_life_is_on(const struct server_life *l)
{
	return l->base != NULL;
}
