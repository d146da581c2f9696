#include "tests/sim/kernel_event.h"

#include <event2/event.h>

#include "common/net/loop.h"
#include "common/net/wake.h"
#include "tests/sim/host.h"
#include "tests/unit/test.h"

enum { S = US_PER_S };

struct scene {
	struct world *world;
	struct host *host;
	struct event_base *base;
	struct event *event;
	unsigned calls;
	short what;
	uint64_t at_us;
	struct host *here;
	int fd;
	unsigned clears_at; /* the call that clears fd */
};

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct scene *s = arg;

	(void)fd;
	s->calls++;
	s->what = what;
	s->at_us = world_now_us();
	s->here = world_here();
	if (s->calls == s->clears_at)
		(void)wake_clear(s->fd);
}

static void begin(struct scene *s)
{
	*s = (struct scene){.world = world_new(1), .fd = -1};
	s->host = host_new("laptop");
	world_enter(s->host);
	s->base = loop_base_new();
	world_leave((struct world_place){0});
}

static void end(struct scene *s)
{
	if (s->event)
		event_free(s->event);
	wake_close(s->fd);
	loop_base_free(s->base);
	host_free(s->host);
	world_free(s->world);
}

static void run_s(struct scene *s, uint64_t seconds)
{
	world_run_until(s->world, world_now_us() + seconds * S);
}

TEST(a_timeout_fires_once_where_it_was_added)
{
	struct scene s;

	begin(&s);
	struct timeval two_s = {.tv_sec = 2};
	struct world_place before = world_enter(s.host);

	s.event = evtimer_new(s.base, on_event, &s);
	event_add(s.event, &two_s);
	world_leave(before);
	run_s(&s, 10);
	CHECK_INT(s.calls, 1);
	CHECK_INT(s.at_us, 1002 * S);
	CHECK_INT(s.what, EV_TIMEOUT);
	CHECK(s.here == s.host);
	end(&s);
}

TEST(a_timeout_does_not_count_sleep_and_a_loop_timer_does)
{
	struct scene s;

	begin(&s);
	struct timeval ten_s = {.tv_sec = 10};
	struct world_place before = world_enter(s.host);

	s.event = evtimer_new(s.base, on_event, &s);
	event_add(s.event, &ten_s);
	world_leave(before);
	host_sleep(s.host);
	run_s(&s, 60);
	host_wake(s.host);
	run_s(&s, 60);
	CHECK_INT(s.at_us, 1070 * S);
	end(&s);
}

TEST(a_ready_descriptor_calls_an_event_once_unless_it_is_persistent)
{
	struct scene s;

	begin(&s);
	struct world_place before = world_enter(s.host);

	CHECK_INT(wake_open(&s.fd), 0);
	s.event = event_new(s.base, s.fd, EV_READ, on_event, &s);
	event_add(s.event, NULL);
	wake_post(s.fd);
	world_leave(before);
	run_s(&s, 1);
	CHECK_INT(s.calls, 1);
	CHECK_INT(s.what, EV_READ);
	event_free(s.event);
	s.clears_at = 4;
	before = world_enter(s.host);
	s.event = event_new(s.base, s.fd, EV_READ | EV_PERSIST, on_event, &s);
	event_add(s.event, NULL);
	world_leave(before);
	run_s(&s, 1);
	CHECK_INT(s.calls, 4);
	end(&s);
}

TEST(activated_events_run_in_their_order_in_a_later_round)
{
	struct scene s;

	begin(&s);
	struct world_place before = world_enter(s.host);

	s.event = event_new(s.base, -1, 0, on_event, &s);
	event_active(s.event, EV_WRITE, 0);
	CHECK_INT(s.calls, 0);
	world_leave(before);
	run_s(&s, 1);
	CHECK_INT(s.calls, 1);
	CHECK_INT(s.what, EV_WRITE);
	end(&s);
}

TEST(a_stopped_base_runs_nothing_but_a_round_that_is_asked_for)
{
	struct scene s;

	begin(&s);
	struct world_place before = world_enter(s.host);

	s.event = event_new(s.base, -1, 0, on_event, &s);
	loop_stop(s.base);
	event_active(s.event, EV_READ, 0);
	world_leave(before);
	run_s(&s, 1);
	CHECK_INT(s.calls, 0);
	loop_round(s.base);
	CHECK_INT(s.calls, 1);
	end(&s);
}

TEST(nothing_of_a_crashed_host_fires)
{
	struct scene s;

	begin(&s);
	struct world_place before = world_enter(s.host);

	s.event = event_new(s.base, -1, 0, on_event, &s);
	event_active(s.event, EV_READ, 0);
	world_leave(before);
	host_crash(s.host);
	run_s(&s, 1);
	CHECK_INT(s.calls, 0);
	end(&s);
}
