#include "tests/sim/kernel_event.h"

#include <stdlib.h>

#include <event2/event.h>

#include "tests/sim/descriptor.h"

struct event {
	struct event_base *base;
	evutil_socket_t fd;
	short events; /* EV_READ, EV_WRITE, EV_PERSIST */
	event_callback_fn callback;
	void *arg;
	bool is_added;
	bool is_active;
	short result;	      /* why it is active */
	uint64_t interval_us; /* of a persistent one with a timeout, else 0 */
	struct world_event timeout;
	struct descriptor_watch watch;
	struct event *prev, *next; /* in the base's active list */
};

/* ---- what is active ---- */

static void unlink_active(struct event *e)
{
	struct event_base *b = e->base;

	if (!e->is_active)
		return;
	e->is_active = false;
	if (e->prev)
		e->prev->next = e->next;
	else
		b->first = e->next;
	if (e->next)
		e->next->prev = e->prev;
	else
		b->last = e->prev;
	e->prev = e->next = NULL;
}

static void activate(struct event *e, short result)
{
	struct event_base *b = e->base;

	e->result |= result;
	if (e->is_active)
		return;
	e->is_active = true;
	e->result = result;
	e->prev = b->last;
	if (b->last)
		b->last->next = e;
	else
		b->first = e;
	b->last = e;
	if (!world_event_is_set(&b->round))
		world_event_set(&b->round, world_now_us());
}

static short ready_of(const struct event *e)
{
	unsigned ready = descriptor_ready(e->fd) & e->watch.what;
	int result = (ready & DESCRIPTOR_READABLE ? EV_READ : 0) |
		     (ready & DESCRIPTOR_WRITABLE ? EV_WRITE : 0);

	return (short)result;
}

static void on_ready(void *arg)
{
	struct event *e = arg;
	short result = ready_of(e);

	if (result)
		activate(e, result);
}

/* ---- running ---- */

static void rearm(struct event *e)
{
	if (e->interval_us)
		world_event_set_awake(&e->timeout, e->interval_us);
}

static void run(struct event *e, short result)
{
	struct event_base *b = e->base;
	struct event *outer = b->running;

	unlink_active(e);
	if (e->events & EV_PERSIST)
		rearm(e);
	else
		event_del(e);
	b->running = e;
	e->callback(e->fd, result, e->arg);
	if (b->running == e && e->is_added && (result = ready_of(e)) != 0)
		activate(e, result);
	b->running = outer;
}

static void on_timeout(void *arg)
{
	struct event *e = arg;

	if (e->base->is_stopped)
		activate(e, EV_TIMEOUT);
	else
		run(e, (short)(e->is_active ? e->result | EV_TIMEOUT : EV_TIMEOUT));
}

/* Those that are active as it begins: what they activate has its turn in the next round. */
static void run_round(struct event_base *b)
{
	size_t n = 0;

	for (struct event *e = b->first; e; e = e->next)
		n++;
	for (; n > 0 && b->first; n--)
		run(b->first, b->first->result);
}

void kernel_event_round(struct event_base *base)
{
	run_round(base);
	run_round(base);
}

static void on_round(void *arg)
{
	struct event_base *b = arg;
	size_t n = 0;

	for (struct event *e = b->first; e; e = e->next)
		n++;
	for (; n > 0 && b->first && !b->is_stopped; n--)
		run(b->first, b->first->result);
	if (b->is_stopped && b->thread)
		kernel_loop_thread_left(b->thread);
	else if (b->first && !b->is_stopped && !world_event_is_set(&b->round))
		world_event_set(&b->round, world_now_us());
}

/* ---- libevent's functions ---- */

struct event_base *event_base_new(void)
{
	struct event_base *b = calloc(1, sizeof(*b));

	if (b)
		world_event_init(&b->round, on_round, b);
	return b;
}

void event_base_free(struct event_base *b)
{
	world_event_cancel(&b->round);
	free(b);
}

struct event *event_new(struct event_base *base, evutil_socket_t fd, short events,
			event_callback_fn callback, void *arg)
{
	struct event *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->base = base;
	e->fd = fd;
	e->events = events;
	e->callback = callback;
	e->arg = arg;
	world_event_init(&e->timeout, on_timeout, e);
	return e;
}

void event_free(struct event *e)
{
	event_del(e);
	if (e->base->running == e)
		e->base->running = NULL;
	free(e);
}

static void watch(struct event *e)
{
	e->watch = (struct descriptor_watch){.fd = e->fd, .on_ready = on_ready, .arg = e};
	if (e->events & EV_READ)
		e->watch.what |= DESCRIPTOR_READABLE;
	if (e->events & EV_WRITE)
		e->watch.what |= DESCRIPTOR_WRITABLE;
	descriptor_watch(&e->watch);
}

int event_add(struct event *e, const struct timeval *timeout)
{
	bool watches = e->events & (EV_READ | EV_WRITE);

	if (timeout) {
		uint64_t us = (uint64_t)timeout->tv_sec * US_PER_S + (uint64_t)timeout->tv_usec;

		e->interval_us = e->events & EV_PERSIST ? us : 0;
		world_event_set_awake(&e->timeout, us);
	}
	if (!e->is_added) {
		e->is_added = true;
		if (watches)
			watch(e);
	}
	return 0;
}

int event_del(struct event *e)
{
	world_event_cancel(&e->timeout);
	descriptor_unwatch(&e->watch);
	unlink_active(e);
	e->is_added = false;
	e->interval_us = 0;
	return 0;
}

void event_active(struct event *e, int result, short n_calls)
{
	(void)n_calls;
	activate(e, (short)result);
}

int event_pending(const struct event *e, short events, struct timeval *timeout)
{
	int flags = 0;

	if (e->is_added)
		flags |= e->events & (EV_READ | EV_WRITE);
	if (e->is_active)
		flags |= e->result;
	if (world_event_is_set(&e->timeout))
		flags |= EV_TIMEOUT;
	if (timeout && flags & EV_TIMEOUT & events)
		*timeout = (struct timeval){.tv_sec = (time_t)(e->timeout.at_us / US_PER_S)};
	return flags & events;
}

evutil_socket_t event_get_fd(const struct event *e)
{
	return e->fd;
}

struct event_base *event_get_base(const struct event *e)
{
	return e->base;
}
