#include "common/net/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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
