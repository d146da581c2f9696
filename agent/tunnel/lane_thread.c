#include "agent/tunnel/lane_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/tunnel/lane.h"
#include "common/clock.h"

struct lane_thread {
	struct lane *lane;
	int epoll_fd;
	pthread_t thread;
};

/* ---- the thread ---- */

static int timeout_ms(uint64_t deadline_us, uint64_t now_us)
{
	if (deadline_us == US_NEVER)
		return -1;
	if (deadline_us <= now_us)
		return 0;
	return (int)((deadline_us - now_us + US_PER_MS - 1) / US_PER_MS);
}

/* Sleeps until something is there or due. Returns how many events. */
static int rest(struct lane_thread *t, struct epoll_event *events, uint64_t deadline_us)
{
	struct lane *lane = t->lane;
	int wait_ms = timeout_ms(deadline_us, clock_now_us());

	/* Not armed: something came since we looked. */
	bool is_armed = lane->from_relay && ring_arm(lane->from_relay);
	if (lane->from_relay && !is_armed)
		wait_ms = 0;
	quiet_sleep(&lane->view->quiet, lane->number);
	int n = epoll_wait(t->epoll_fd, events, LANE_SOURCES, wait_ms);
	quiet_wake(&lane->view->quiet, lane->number);
	if (is_armed)
		ring_disarm(lane->from_relay);
	return n;
}

/* Which sources have something, as bits. */
static unsigned ready_of(struct lane_thread *t, const struct epoll_event *events, int n)
{
	unsigned ready = 0;

	for (int i = 0; i < n; i++) {
		ready |= 1u << events[i].data.u32;
		/* The interface was deleted under us; the error would be there for ever. */
		if (events[i].data.u32 == LANE_ON_TUN && events[i].events & (EPOLLERR | EPOLLHUP))
			(void)epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, t->lane->tun_fd, NULL);
	}
	return ready;
}

static void *run(void *arg)
{
	struct lane_thread *t = arg;
	struct lane *lane = t->lane;
	struct epoll_event events[LANE_SOURCES];
	uint64_t deadline_us = US_NEVER;

	while (!lane->stops) {
		int n = rest(t, events, deadline_us);

		deadline_us = lane_turn(lane, ready_of(t, events, n), clock_now_us());
	}
	quiet_sleep(&lane->view->quiet, lane->number);
	return NULL;
}

/* ---- what it watches ---- */

static int watch(struct lane_thread *t, int fd, enum lane_source source)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = source};

	return epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int lane_thread_watch_udp(struct lane_thread *t, const struct udp *udp)
{
	int err = udp->fd4 >= 0 ? watch(t, udp->fd4, LANE_ON_UDP4) : 0;

	if (!err && udp->fd6 >= 0)
		err = watch(t, udp->fd6, LANE_ON_UDP6);
	return err;
}

void lane_thread_unwatch_udp(struct lane_thread *t, const struct udp *udp)
{
	if (udp->fd4 >= 0)
		(void)epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, udp->fd4, NULL);
	if (udp->fd6 >= 0)
		(void)epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, udp->fd6, NULL);
}

static int watch_all(struct lane_thread *t)
{
	struct lane *lane = t->lane;
	int err = watch(t, lane->mailbox.fd, LANE_ON_MAIL);

	if (!err)
		err = watch(t, lane->tun_fd, LANE_ON_TUN);
	if (!err)
		err = lane_thread_watch_udp(t, atomic_load(&lane->view->udp));
	if (!err && lane->from_relay)
		err = watch(t, ring_fd(lane->from_relay), LANE_ON_RELAY);
	return err;
}

/* ---- life ---- */

/* Signals are main's. */
static int start_thread(struct lane_thread *t)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = -pthread_create(&t->thread, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

int lane_thread_start(struct lane *lane, struct lane_thread **out)
{
	struct lane_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->lane = lane;
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int err = t->epoll_fd < 0 ? -errno : watch_all(t);
	if (!err)
		err = start_thread(t);
	if (err) {
		if (t->epoll_fd >= 0)
			close(t->epoll_fd);
		free(t);
		return err;
	}
	*out = t;
	return 0;
}

void lane_thread_stop(struct lane_thread *t)
{
	if (!t)
		return;
	lane_tell(t->lane, LANE_STOP);
	pthread_join(t->thread, NULL);
	close(t->epoll_fd);
	free(t);
}
