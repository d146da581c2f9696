#include "tests/sim/watch_member.h"

#include <string.h>

void watch_member_init(struct watch_member *w, const char *node)
{
	*w = (struct watch_member){.node = node};
}

static bool same_key(const struct public_key *a, const struct public_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Who joins anew, and when it hears of that, is the coordinator's to say, by another number. */
static bool is_another_membership(const struct watch_member *w, const struct watch_member_view *own)
{
	return w->known.member_id != own->member_id;
}

void watch_member_on_look(struct watch_member *w, const struct watch_member_view *own,
			  uint64_t now_us, struct verdict *v)
{
	bool is_known = w->known.is_there;

	if (!own->is_there || own->member_id == 0 || ip_is_none(&own->mesh))
		return;
	if (is_known && is_another_membership(w, own)) {
		if (!w->may_change)
			verdict_fail(v, now_us, "identity", "%s is another member than before",
				     w->node);
		is_known = w->may_change = false;
	}
	if (is_known && !same_key(&w->known.key, &own->key))
		verdict_fail(v, now_us, "identity", "%s has another key than before", w->node);
	if (is_known && !ip_equal(&w->known.mesh, &own->mesh))
		verdict_fail(v, now_us, "identity", "%s has another address than before", w->node);
	w->known = *own;
}

void watch_member_on_join(struct watch_member *w)
{
	w->may_change = true;
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
