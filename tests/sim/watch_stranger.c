#include "tests/sim/watch_stranger.h"

#include <string.h>

void watch_stranger_init(struct watch_stranger *w, const char *refusal, uint64_t bound_us)
{
	*w = (struct watch_stranger){.refusal = refusal, .bound_us = bound_us};
}

void watch_stranger_on_ask(struct watch_stranger *w, uint64_t now_us)
{
	w->asked_us = now_us;
}

void watch_stranger_on_answer(struct watch_stranger *w, int exit_status, const char *error,
			      bool is_told_apart, uint64_t now_us, struct verdict *v)
{
	w->is_answered = true;
	if (exit_status == 0)
		verdict_fail(v, now_us, "stranger", "let in where it should hear \"%s\"",
			     w->refusal);
	else if (exit_status != 1)
		verdict_fail(v, now_us, "stranger", "`up` exits %d: %s", exit_status, error);
	else if (is_told_apart && !strstr(error, w->refusal))
		verdict_fail(v, now_us, "stranger", "should hear \"%s\", is told: %s", w->refusal,
			     error);
}

void watch_stranger_on_inner(const struct watch_stranger *w, uint64_t now_us, struct verdict *v)
{
	verdict_fail(v, now_us, "stranger", "receives a packet where it should hear \"%s\"",
		     w->refusal);
}

void watch_stranger_on_end(const struct watch_stranger *w, const struct watch_stranger_view *view,
			   bool was_there, uint64_t now_us, struct verdict *v)
{
	bool is_late = w->asked_us != 0 && now_us > w->asked_us + w->bound_us;

	if (!w->is_answered && was_there && is_late)
		verdict_fail(v, now_us, "stranger", "is not told that %s", w->refusal);
	if (view->member_id != 0 || view->has_address)
		verdict_fail(v, now_us, "stranger", "takes itself for member %u", view->member_id);
	if (view->is_registered)
		verdict_fail(v, now_us, "stranger", "the coordinator took it in");
	if (view->known_to)
		verdict_fail(v, now_us, "stranger", "%s takes it for a peer", view->known_to);
}
