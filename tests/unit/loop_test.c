#include "common/net/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "tests/unit/test.h"

struct fired {
	struct event_base *base;
	struct loop_timer *timer;
	unsigned times, stop_at;
	uint64_t at_us;
};

static void on_fire(void *arg, uint64_t now_us)
{
	struct fired *f = arg;

	f->at_us = now_us;
	if (++f->times == f->stop_at)
		loop_stop(f->base);
	else
		loop_timer_set(f->timer, now_us + 1000);
}

TEST(a_timer_fires_once_a_setting_and_not_before_its_deadline)
{
	struct fired f = {.base = loop_base_new(), .stop_at = 3};
	uint64_t start_us = clock_now_us();

	f.timer = loop_timer_new(f.base, on_fire, &f);
	loop_timer_set(f.timer, start_us + 1000);
	loop_timer_set(f.timer, start_us + 10000); /* later: the early wake is swallowed */
	loop_run(f.base);
	CHECK(f.times == 3 && f.at_us >= start_us + 12000);
	loop_timer_free(f.timer);
	loop_base_free(f.base);
}

TEST(a_past_deadline_fires_at_once_and_never_disarms)
{
	struct fired f = {.base = loop_base_new(), .stop_at = 1}, other = f;

	f.timer = loop_timer_new(f.base, on_fire, &f);
	other.timer = loop_timer_new(f.base, on_fire, &other);
	loop_timer_set(other.timer, 1);
	loop_timer_set(other.timer, US_NEVER);
	loop_timer_set(f.timer, 0);
	loop_run(f.base);
	CHECK(f.times == 1 && other.times == 0);
	loop_timer_free(f.timer);
	loop_timer_free(other.timer);
	loop_base_free(f.base);
}

struct signalled {
	struct event_base *base;
	unsigned stops, reloads;
};

static void on_stop(void *arg)
{
	struct signalled *s = arg;

	s->stops++;
	loop_stop(s->base);
}

static void on_reload(void *arg)
{
	struct signalled *s = arg;

	s->reloads++;
	raise(SIGTERM);
}

/* ---- somebody who is always due ---- */

enum { TURNS_MAX = 100000 };

struct busy {
	struct event_base *base;
	struct event *again, *other;
	int pipe[2];
	unsigned turns;
};

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct busy *b = arg;

	(void)fd;
	(void)what;
	if (b->turns == 0) /* after the kernel was asked */
		CHECK(write(b->pipe[1], "x", 1) == 1);
	if (++b->turns < TURNS_MAX)
		event_active(b->again, 0, 0);
	else
		loop_stop(b->base);
}

static void on_other(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	loop_stop(((struct busy *)arg)->base);
}

TEST(who_is_always_due_keeps_nobody_out)
{
	struct busy b = {.base = loop_base_new()};

	CHECK(pipe(b.pipe) == 0);
	b.again = event_new(b.base, -1, 0, on_again, &b);
	b.other = event_new(b.base, b.pipe[0], EV_READ, on_other, &b);
	event_add(b.other, NULL);
	event_active(b.again, 0, 0);
	loop_run(b.base);
	CHECK(b.turns > 0 && b.turns < 1000);
	event_free(b.again);
	event_free(b.other);
	close(b.pipe[0]);
	close(b.pipe[1]);
	loop_base_free(b.base);
}

TEST(sighup_reloads_and_sigterm_stops)
{
	struct signalled s = {.base = loop_base_new()};
	struct loop_signals *signals = loop_signals_new(s.base, on_stop, on_reload, &s);

	raise(SIGHUP);
	loop_run(s.base);
	CHECK(s.reloads == 1 && s.stops == 1);
	loop_signals_free(signals);
	loop_base_free(s.base);
}

TEST(tells_systemd_that_it_is_ready)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/warren-notify-XXXXXX", got[64] = "";
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(mkdtemp(dir) != NULL);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/socket", dir);
	CHECK(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	loop_notify_ready(); /* without NOTIFY_SOCKET: nothing */
	CHECK(setenv("NOTIFY_SOCKET", addr.sun_path, 1) == 0);
	loop_notify_stopping();
	CHECK(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT) > 0);
	CHECK_STR(got, "STOPPING=1");
	unsetenv("NOTIFY_SOCKET");
	close(fd);
	unlink(addr.sun_path);
	rmdir(dir);
}
