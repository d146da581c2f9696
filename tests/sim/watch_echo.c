#include "tests/sim/watch_echo.h"

#include "common/clock.h"

/* Beside two round trips, one of them a handshake: less than what finds out that a way is dead. */
static const uint64_t first_us = 160 * US_PER_MS, calm_us = 45ull * US_PER_S;

void watch_echo_on_begin(struct watch_echo *w, const struct expect *expect, const char *from,
			 const char *to, uint64_t interval_us, uint64_t talked_us, uint64_t now_us)
{
	*w = (struct watch_echo){.expect = expect,
				 .talked_us = talked_us,
				 .interval_us = interval_us,
				 .last_us = now_us,
				 .from = from,
				 .to = to};
}

static void check(struct watch_echo *w, uint64_t now_us, struct verdict *v)
{
	uint64_t silence_us = now_us - w->last_us;

	if (silence_us > w->longest_us)
		w->longest_us = silence_us;
	if (silence_us <= w->expect->stall_us + w->interval_us)
		return;
	uint64_t allowed_us = w->interval_us + expect_pause_us(w->expect, w->last_us, now_us);

	/* Since they last talked, the other end may have begun anew: it asks for a handshake. */
	if (w->echoes == 0)
		allowed_us += 2 * w->expect->relay_us;

	if (silence_us > allowed_us)
		verdict_fail(v, now_us, "echo",
			     "%s heard no echo of %s for %.3f s from %.3f s on; %.3f s are allowed",
			     w->from, w->to, (double)silence_us / US_PER_S,
			     (double)w->last_us / US_PER_S, (double)allowed_us / US_PER_S);
}

/* Whoever idles holds his way: the first keystroke after a calm time takes it at once. Those who
 * never had one, or lost it while they idled, begin by a relay; and what they send by keys that the
 * other lost with its power is lost, so that it may be the next keystroke which arrives. */
static void check_first(const struct watch_echo *w, uint64_t now_us, struct verdict *v)
{
	const struct expect *e = w->expect;
	uint64_t waited_us = now_us - w->last_us;
	uint64_t since_us = w->last_us > calm_us ? w->last_us - calm_us : 0;
	bool keeps_way = expect_keeps_way(e, w->talked_us, now_us);
	uint64_t allowed_us = keeps_way ? 2 * e->direct_us : 2 * e->relay_us + w->interval_us;

	allowed_us += first_us;
	if (e->loss_us == 0 && e->can_be_direct && waited_us > allowed_us &&
	    expect_is_calm(e, since_us, now_us))
		verdict_fail(v, now_us, "first",
			     "%s waited %.3f s for the first echo of %s; %.3f s are allowed",
			     w->from, (double)waited_us / US_PER_S, w->to,
			     (double)allowed_us / US_PER_S);
}

void watch_echo_on_echo(struct watch_echo *w, uint64_t now_us, struct verdict *v)
{
	if (w->echoes == 0)
		check_first(w, now_us, v);
	check(w, now_us, v);
	w->last_us = now_us;
	w->echoes++;
}

void watch_echo_on_end(struct watch_echo *w, uint64_t now_us, struct verdict *v)
{
	check(w, now_us, v);
	w->expect = NULL;
}
