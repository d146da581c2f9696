#include "tests/sim/watch_lie.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

void watch_lie_init(struct watch_lie *w, const char *node)
{
	*w = (struct watch_lie){.node = node};
}

bool watch_lie_on_begin(struct watch_lie *w, const char *about, uint64_t now_us)
{
	if (w->about[0] && now_us <= w->until_us)
		return false;
	snprintf(w->about, sizeof(w->about), "%s", about);
	w->until_us = US_NEVER;
	w->told = 0;
	return true;
}

void watch_lie_on_end(struct watch_lie *w, bool was_heard, uint64_t heals_us, uint64_t now_us,
		      struct verdict *v)
{
	if (was_heard && w->told == 0)
		verdict_fail(v, now_us, "identity", "%s heard a lie about %s and told nobody",
			     w->node, w->about);
	if (was_heard && heals_us != US_NEVER && w->told > 1)
		verdict_fail(v, now_us, "identity", "%s tells %u times of one lie about %s",
			     w->node, w->told, w->about);
	w->until_us = heals_us == US_NEVER ? US_NEVER : now_us + heals_us;
}

void watch_lie_on_told(struct watch_lie *w, const char *name, const char *cause, uint64_t now_us,
		       struct verdict *v)
{
	if (strcmp(name, w->about) == 0 && now_us <= w->until_us)
		w->told++;
	else
		verdict_fail(v, now_us, "identity", "%s: %s", w->node, cause);
}
