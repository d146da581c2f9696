#include "common/net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/net/wake.h"

static void die(const char *what)
{
	fprintf(stderr, "out of memory or descriptors: %s\n", what);
	abort();
}

enum { CALLBACKS_A_ROUND = 128 };

static void stay_quiet(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

struct event_base *loop_base_new(void)
{
	struct event_config *cfg = event_config_new();

	if (!cfg)
		die("event loop");
	signal(SIGPIPE, SIG_IGN);
	event_set_log_callback(stay_quiet);
	/* Callbacks may make one another due without end, and what is due is done before the kernel
	 * is asked again: beyond so many it is asked, so that timers and others have their turn. */
	event_config_set_max_dispatch_interval(cfg, NULL, CALLBACKS_A_ROUND, 0);
	/* Each base belongs to one thread: libevent's locks are never needed. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
	struct event_base *base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (!base)
		die("event loop");
	return base;
}

void loop_base_free(struct event_base *base)
{
	event_base_free(base);
}

void loop_run(struct event_base *base)
{
	event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct event_base *base)
{
	event_base_loopbreak(base);
}

void loop_round(struct event_base *base)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* ---- threads ---- */

enum { STACK_BYTES = 512 * 1024 };

struct loop_thread {
	struct event_base *base;
	struct event *on_stop;
	int stop_fd;
	void (*ended)(void *arg);
	void *arg;
	pthread_t thread;
};

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	loop_stop(arg);
}

static void *run_thread(void *arg)
{
	struct loop_thread *t = arg;

	loop_run(t->base);
	if (t->ended)
		t->ended(t->arg);
	return NULL;
}

/* Signals are main's. */
static int create_thread(struct loop_thread *t)
{
	pthread_attr_t attr;
	sigset_t all, before;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&t->thread, &attr, run_thread, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

static void free_thread(struct loop_thread *t)
{
	if (t->on_stop)
		event_free(t->on_stop);
	wake_close(t->stop_fd);
	free(t);
}

int loop_thread_start(struct event_base *base, void (*ended)(void *arg), void *arg,
		      struct loop_thread **out)
{
	struct loop_thread *t = calloc(1, sizeof(*t));

	if (!t)
		die("thread");
	t->base = base;
	t->ended = ended;
	t->arg = arg;
	int err = wake_open(&t->stop_fd);
	if (err == 0) {
		t->on_stop = event_new(base, t->stop_fd, EV_READ, on_stop, base);
		if (!t->on_stop || event_add(t->on_stop, NULL) != 0)
			die("thread");
		err = create_thread(t);
	}
	if (err) {
		free_thread(t);
		return err;
	}
	*out = t;
	return 0;
}

void loop_thread_stop(struct loop_thread *t)
{
	if (!t)
		return;
	wake_post(t->stop_fd);
	pthread_join(t->thread, NULL);
	free_thread(t);
}

/* ---- timers ---- */

struct loop_timer {
	struct event *event;
	int fd;
	uint64_t deadline_us; /* when to fire */
	uint64_t armed_us;    /* when the descriptor wakes us: at or before the deadline */
	void (*fire)(void *arg, uint64_t now_us);
	void *arg;
};

static void arm(struct loop_timer *t, uint64_t at_us)
{
	struct itimerspec spec = {0};

	t->armed_us = at_us;
	if (at_us != US_NEVER) {
		/* Zero would disarm. */
		uint64_t us = at_us > 0 ? at_us : 1;
		spec.it_value.tv_sec = (time_t)(us / US_PER_S);
		spec.it_value.tv_nsec = (long)(us % US_PER_S) * 1000;
	}
	timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;
	uint64_t now_us = clock_now_us(), times;

	(void)what;
	if (read(fd, &times, sizeof(times)) < 0 && errno == EAGAIN)
		return;
	t->armed_us = US_NEVER;
	if (now_us < t->deadline_us) { /* it was moved later meanwhile */
		arm(t, t->deadline_us);
		return;
	}
	t->deadline_us = US_NEVER;
	t->fire(t->arg, now_us);
}

struct loop_timer *loop_timer_new(struct event_base *base, void (*fire)(void *arg, uint64_t now_us),
				  void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		die("timer");
	*t = (struct loop_timer){
		.deadline_us = US_NEVER, .armed_us = US_NEVER, .fire = fire, .arg = arg};
	t->fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	t->event = t->fd < 0 ? NULL : event_new(base, t->fd, EV_READ | EV_PERSIST, on_timer, t);
	if (!t->event || event_add(t->event, NULL) != 0)
		die("timer");
	return t;
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	event_free(t->event);
	close(t->fd);
	free(t);
}

void loop_timer_set(struct loop_timer *t, uint64_t deadline_us)
{
	t->deadline_us = deadline_us;
	if (deadline_us == US_NEVER && t->armed_us == US_NEVER)
		return;
	/* A wake that is early costs less than a system call at each move. */
	if (deadline_us == US_NEVER || deadline_us < t->armed_us)
		arm(t, deadline_us);
}

/* ---- signals ---- */

struct loop_signals {
	struct event *events[3];
	void (*stop)(void *arg);
	void (*reload)(void *arg);
	void *arg;
};

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct loop_signals *s = arg;

	(void)what;
	if (number != SIGHUP)
		s->stop(s->arg);
	else if (s->reload)
		s->reload(s->arg);
}

struct loop_signals *loop_signals_new(struct event_base *base, void (*stop)(void *arg),
				      void (*reload)(void *arg), void *arg)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	struct loop_signals *s = calloc(1, sizeof(*s));

	if (!s)
		die("signals");
	*s = (struct loop_signals){.stop = stop, .reload = reload, .arg = arg};
	for (size_t i = 0; i < 3; i++) {
		s->events[i] = evsignal_new(base, numbers[i], on_signal, s);
		if (!s->events[i] || event_add(s->events[i], NULL) != 0)
			die("signals");
	}
	return s;
}

void loop_signals_free(struct loop_signals *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < 3; i++)
		event_free(s->events[i]);
	free(s);
}

/* ---- systemd ---- */

static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(addr.sun_path))
		return;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	memcpy(addr.sun_path, path, strlen(path));
	if (path[0] == '@') /* an abstract name begins with a NUL */
		addr.sun_path[0] = '\0';
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	/* Nobody listening is no fault of ours. */
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&addr, len);
	close(fd);
}

void loop_notify_ready(void)
{
	notify("READY=1");
}

void loop_notify_stopping(void)
{
	notify("STOPPING=1");
}

void loop_notify_reloading(uint64_t now_us)
{
	char text[80];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now_us);
	notify(text);
}

void loop_notify_status(const char *text)
{
	char line[256];

	snprintf(line, sizeof(line), "STATUS=%s", text);
	notify(line);
}
