#include "tests/sim/watch_echo.h"

#include "common/clock.h"

void watch_echo_on_begin(struct watch_echo *w, const struct expect *expect, const char *from,
			 const char *to, uint64_t interval_us, uint64_t now_us)
{
	*w = (struct watch_echo){.expect = expect,
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

	if (silence_us > allowed_us)
		verdict_fail(v, now_us, "echo",
			     "%s heard no echo of %s for %.3f s from %.3f s on; %.3f s are allowed",
			     w->from, w->to, (double)silence_us / US_PER_S,
			     (double)w->last_us / US_PER_S, (double)allowed_us / US_PER_S);
}

void watch_echo_on_echo(struct watch_echo *w, uint64_t now_us, struct verdict *v)
{
	check(w, now_us, v);
	w->last_us = now_us;
	w->echoes++;
}

void watch_echo_on_end(struct watch_echo *w, uint64_t now_us, struct verdict *v)
{
	check(w, now_us, v);
	w->expect = NULL;
}
