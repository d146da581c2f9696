#include "tests/sim/watch_member.h"

#include <string.h>

#include "common/clock.h"

static const uint64_t until_joined_us = 5 * US_PER_S;

void watch_member_init(struct watch_member *w, const char *node)
{
	*w = (struct watch_member){.node = node};
}

static bool same_key(const struct public_key *a, const struct public_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

void watch_member_on_look(struct watch_member *w, const struct watch_member_view *own,
			  uint64_t now_us, struct verdict *v)
{
	if (!own->is_there || ip_is_none(&own->mesh) || now_us < w->joined_us + until_joined_us)
		return;
	if (w->is_known && !same_key(&w->key, &own->key))
		verdict_fail(v, now_us, "identity", "%s has another key than before", w->node);
	if (w->is_known && !ip_equal(&w->mesh, &own->mesh))
		verdict_fail(v, now_us, "identity", "%s has another address than before", w->node);
	w->is_known = true;
	w->key = own->key;
	w->mesh = own->mesh;
}

void watch_member_on_join(struct watch_member *w, uint64_t now_us)
{
	w->is_known = false;
	w->joined_us = now_us;
}

void watch_member_on_talk(const struct watch_member *w, const char *observer,
			  const struct watch_member_view *own, const struct watch_member_view *seen,
			  uint64_t now_us, struct verdict *v)
{
	if (!own->is_there)
		return;
	if (!seen->is_there)
		verdict_fail(v, now_us, "agree", "%s talked with %s and does not know it", observer,
			     w->node);
	else if (!same_key(&own->key, &seen->key))
		verdict_fail(v, now_us, "agree", "%s takes %s for somebody with another key",
			     observer, w->node);
	else if (!ip_equal(&own->mesh, &seen->mesh))
		verdict_fail(v, now_us, "agree", "%s takes %s for somebody with another address",
			     observer, w->node);
}
