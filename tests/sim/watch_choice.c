#include "tests/sim/watch_choice.h"

#include "common/clock.h"

static const uint64_t window_us = 10 * US_PER_S;
/* A peer that was idle is looked for anew when somebody types: that is a reason too. */
static const uint64_t settle_us = 3 * US_PER_S;
/* "Direct within 2 s", and the hold-down of a path that has gone too often. */
static const uint64_t direct_within_us = 2 * US_PER_S, hold_down_us = 60 * US_PER_S;
/* A way that was left for what it measured is not taken again sooner, or a pair would follow each
 * wave of a bad link. */
static const uint64_t left_hold_us = 10 * US_PER_S;

void watch_choice_init(struct watch_choice *w, const struct expect *expect, const char *node,
		       const char *peer)
{
	*w = (struct watch_choice){.expect = expect, .node = node, .peer = peer};
}

void watch_choice_on_typing(struct watch_choice *w, uint64_t now_us)
{
	w->typing_since_us = now_us;
}

static bool is_quiet(const struct watch_choice *w, uint64_t since_us, uint64_t now_us)
{
	return since_us < now_us && w->expect->loss_us == 0 && w->typing_since_us != 0 &&
	       w->typing_since_us + settle_us <= since_us &&
	       expect_is_calm(w->expect, since_us, now_us);
}

void watch_choice_on_typed(struct watch_choice *w, uint64_t now_us, struct verdict *v)
{
	uint64_t wait_us = direct_within_us + 4 * w->expect->relay_us;
	char text[WAY_TEXT_LEN];

	if (w->moved_us[1] != 0 && now_us - w->moved_us[1] < hold_down_us)
		wait_us += 5 * US_PER_S;
	uint64_t before_us = w->left_us > left_hold_us ? w->left_us - left_hold_us : 0;

	if (w->left_us != 0 && expect_is_worse(w->expect, before_us, w->left_us))
		wait_us += left_hold_us;
	if (now_us > wait_us && w->expect->can_be_direct && is_quiet(w, now_us - wait_us, now_us) &&
	    w->first.kind != WAY_DIRECT) {
		way_str(&w->first, text);
		verdict_fail(v, now_us, "direct", "%s still reaches %s by %s", w->node, w->peer,
			     text);
	}
	w->typing_since_us = 0;
}

void watch_choice_on_choice(struct watch_choice *w, const struct way *first, uint64_t now_us,
			    struct verdict *v)
{
	char from[WAY_TEXT_LEN], to[WAY_TEXT_LEN];

	if (way_equal(first, &w->first))
		return;
	way_str(&w->first, from);
	way_str(first, to);
	bool is_found = first->kind == WAY_DIRECT && now_us - w->left_us >= window_us;

	if (w->first.kind == WAY_DIRECT)
		w->left_us = now_us;
	w->first = *first;
	uint64_t before_us = w->moved_us[0];

	w->moved_us[1] = before_us;
	w->moved_us[0] = now_us;
	/* A direct way that is found is a change of quality, whenever it comes. */
	if (before_us != 0 && now_us - before_us < window_us && !is_found &&
	    is_quiet(w, now_us - window_us, now_us))
		verdict_fail(v, now_us, "flaps", "%s moves %s from %s to %s, %.3f s after a move",
			     w->node, w->peer, from, to, (double)(now_us - before_us) / US_PER_S);
}

void watch_choice_on_end(struct watch_choice *w)
{
	w->first = way_none();
	w->moved_us[0] = w->moved_us[1] = w->left_us = 0;
}
