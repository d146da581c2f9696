#include "tests/sim/kernel_loop.h"

#include <stddef.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/net/loop.h"
#include "tests/sim/host_part.h"
#include "tests/sim/kernel_event.h"

/* ---- bases: they run by themselves, as events of the world ---- */

struct event_base *loop_base_new(void)
{
	struct event_base *base = event_base_new();

	if (!base)
		abort();
	return base;
}

void loop_base_free(struct event_base *base)
{
	event_base_free(base);
}

void loop_run(struct event_base *base)
{
	(void)base;
	abort(); /* a simulated process never waits */
}

void loop_stop(struct event_base *base)
{
	base->is_stopped = true;
	if (base->thread && !world_event_is_set(&base->round))
		world_event_set(&base->round, world_now_us());
}

void loop_round(struct event_base *base)
{
	kernel_event_round(base);
}

/* ---- threads: the base's events run between others' ---- */

struct loop_thread {
	struct event_base *base;
	void (*ended)(void *arg);
	void *arg;
};

int loop_thread_start(struct event_base *base, void (*ended)(void *arg), void *arg,
		      struct loop_thread **out)
{
	struct loop_thread *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	*t = (struct loop_thread){.base = base, .ended = ended, .arg = arg};
	base->thread = t;
	*out = t;
	return 0;
}

/* From on_round, once the loop was left. */
void kernel_loop_thread_left(struct loop_thread *t)
{
	void (*ended)(void *arg) = t->ended;

	t->ended = NULL;
	if (ended)
		ended(t->arg);
}

void loop_thread_stop(struct loop_thread *t)
{
	if (!t)
		return;
	t->base->is_stopped = true;
	t->base->thread = NULL;
	kernel_loop_thread_left(t);
	free(t);
}

/* ---- timers ---- */

struct loop_timer {
	struct event_base *base;
	struct world_event event;
	void (*fire)(void *arg, uint64_t now_us);
	void *arg;
};

static void on_timer(void *arg)
{
	struct loop_timer *t = arg;

	if (!t->base->is_stopped)
		t->fire(t->arg, world_now_us());
}

struct loop_timer *loop_timer_new(struct event_base *base, void (*fire)(void *arg, uint64_t now_us),
				  void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->base = base;
	t->fire = fire;
	t->arg = arg;
	world_event_init(&t->event, on_timer, t);
	return t;
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	world_event_cancel(&t->event);
	free(t);
}

void loop_timer_set(struct loop_timer *t, uint64_t deadline_us)
{
	world_event_set(&t->event, deadline_us);
}

/* ---- signals ---- */

struct loop_signals {
	struct host *host;
	void (*stop)(void *arg);
	void (*reload)(void *arg);
	void *arg;
};

struct loop_signals *loop_signals_new(struct event_base *base, void (*stop)(void *arg),
				      void (*reload)(void *arg), void *arg)
{
	struct loop_signals *s = calloc(1, sizeof(*s));

	(void)base;
	if (!s)
		abort();
	*s = (struct loop_signals){
		.host = world_here(), .stop = stop, .reload = reload, .arg = arg};
	host_set_part(s->host, HOST_SIGNALS, s, NULL);
	return s;
}

void loop_signals_free(struct loop_signals *s)
{
	if (!s)
		return;
	if (host_part(s->host, HOST_SIGNALS) == s)
		host_set_part(s->host, HOST_SIGNALS, NULL, NULL);
	free(s);
}

bool kernel_loop_signal(struct host *host, bool is_reload)
{
	struct loop_signals *s = host_part(host, HOST_SIGNALS);

	if (!s)
		return false;
	if (!is_reload)
		s->stop(s->arg);
	else if (s->reload)
		s->reload(s->arg);
	return true;
}

/* ---- systemd: nobody listens ---- */

void loop_notify_ready(void)
{
}

void loop_notify_stopping(void)
{
}

void loop_notify_reloading(uint64_t now_us)
{
	(void)now_us;
}

void loop_notify_status(const char *text)
{
	(void)text;
}
