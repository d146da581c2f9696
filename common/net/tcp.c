#include "common/net/tcp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/net/socket.h"

enum { ACCEPTS_A_ROUND = 64 };

/* RFC 8305 section 5 recommends 250 ms between attempts and allows 100 ms to 2 s. */
static const uint64_t default_stagger_us = 200 * 1000, default_timeout_us = 10 * US_PER_S;

static struct timeval timeval_of(uint64_t us)
{
	return (struct timeval){.tv_sec = (time_t)(us / US_PER_S),
				.tv_usec = (suseconds_t)(us % US_PER_S)};
}

/* ---- dialling ---- */

struct attempt {
	struct tcp_dial *dial;
	struct event *event; /* writable or failed */
	int fd;		     /* -1: not started, or failed */
};

struct tcp_dial {
	struct event_base *base;
	struct tcp_dial_config cfg;
	void (*done)(void *arg, int err, int fd, const struct endpoint *to);
	void *arg;
	struct attempt attempts[TCP_DIAL_ADDRS_MAX];
	size_t started, open;
	int last_err;
	struct event *stagger, *timeout;
};

static void end_attempt(struct attempt *a)
{
	if (a->event)
		event_free(a->event);
	if (a->fd >= 0)
		socket_close(a->fd);
	*a = (struct attempt){.dial = a->dial, .fd = -1};
}

/* Stops everything, so that done may free the dial. */
static void finish(struct tcp_dial *d, int err, int fd, const struct endpoint *to)
{
	for (size_t i = 0; i < d->started; i++)
		end_attempt(&d->attempts[i]);
	event_del(d->stagger);
	event_del(d->timeout);
	d->done(d->arg, err, fd, to);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct attempt *a = arg;
	struct tcp_dial *d = a->dial;
	struct endpoint to = d->cfg.addrs[a - d->attempts];
	int err = socket_connected(fd);

	(void)what;
	if (err == 0) {
		a->fd = -1; /* the winner's descriptor goes to the caller */
		finish(d, 0, fd, &to);
		return;
	}
	d->last_err = err;
	end_attempt(a);
	d->open--;
	/* A refusal is no reason to wait for the next address. */
	event_active(d->stagger, EV_TIMEOUT, 0);
}

static int start_attempt(struct attempt *a, const struct endpoint *to)
{
	struct tcp_dial *d = a->dial;
	int err = socket_connect(to, d->cfg.mark, &a->fd);

	if (err)
		return err;
	a->event = event_new(d->base, a->fd, EV_WRITE, on_connected, a);
	return a->event && event_add(a->event, NULL) == 0 ? 0 : -ENOMEM;
}

/* Starts the next address that lets itself be started; ends the dial after the last failure. */
static void on_stagger(evutil_socket_t fd, short what, void *arg)
{
	struct tcp_dial *d = arg;

	(void)fd;
	(void)what;
	while (d->started < d->cfg.n_addrs) {
		struct attempt *a = &d->attempts[d->started++];
		int err = start_attempt(a, &d->cfg.addrs[a - d->attempts]);

		if (err == 0) {
			struct timeval wait = timeval_of(d->cfg.stagger_us);
			d->open++;
			event_add(d->stagger, &wait);
			return;
		}
		d->last_err = err;
		end_attempt(a);
	}
	if (d->open == 0)
		finish(d, d->last_err, -1, NULL);
}

static void on_dial_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct tcp_dial *d = arg;

	(void)fd;
	(void)what;
	finish(d, -ETIMEDOUT, -1, NULL);
}

struct tcp_dial *tcp_dial_new(struct event_base *base, const struct tcp_dial_config *cfg,
			      void (*done)(void *arg, int err, int fd, const struct endpoint *to),
			      void *arg)
{
	struct tcp_dial *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	*d = (struct tcp_dial){.base = base, .cfg = *cfg, .done = done, .arg = arg};
	d->last_err = -EADDRNOTAVAIL;
	if (d->cfg.stagger_us == 0)
		d->cfg.stagger_us = default_stagger_us;
	if (d->cfg.timeout_us == 0)
		d->cfg.timeout_us = default_timeout_us;
	for (size_t i = 0; i < TCP_DIAL_ADDRS_MAX; i++)
		d->attempts[i] = (struct attempt){.dial = d, .fd = -1};
	d->stagger = evtimer_new(base, on_stagger, d);
	d->timeout = evtimer_new(base, on_dial_timeout, d);
	struct timeval total = timeval_of(d->cfg.timeout_us);
	if (!d->stagger || !d->timeout || event_add(d->timeout, &total) != 0)
		abort();
	event_active(d->stagger, EV_TIMEOUT, 0);
	return d;
}

void tcp_dial_free(struct tcp_dial *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->started; i++)
		end_attempt(&d->attempts[i]);
	event_free(d->stagger);
	event_free(d->timeout);
	free(d);
}

/* ---- listening ---- */

struct tcp_listener {
	int fd;
	struct event *event, *resume;
	void (*accepted)(void *arg, int fd, const struct endpoint *from);
	void *arg;
};

int tcp_listen(const char *addr, int *fd, char error[static TCP_ERROR_LEN])
{
	const uint8_t any_v4[4] = {0};
	struct endpoint at;

	if (endpoint_parse(addr, &at) != 0) {
		snprintf(error, TCP_ERROR_LEN, "cannot listen on %.64s: want ADDR:PORT or :PORT",
			 addr);
		return -EINVAL;
	}
	int err = socket_listen(&at, fd);
	if (err == -EAFNOSUPPORT && ip_is_none(&at.ip)) { /* a kernel without IPv6 */
		at.ip = ip_from_v4(any_v4);
		err = socket_listen(&at, fd);
	}
	if (err)
		snprintf(error, TCP_ERROR_LEN, "cannot listen on %.64s: %s", addr, strerror(-err));
	return err;
}

static bool out_of_descriptors(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOBUFS || err == -ENOMEM;
}

static void on_acceptable(evutil_socket_t listening, short what, void *arg)
{
	struct tcp_listener *l = arg;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS_A_ROUND; i++) {
		struct endpoint from;
		int fd;
		int err = socket_accept(listening, &fd, &from);

		if (out_of_descriptors(err)) {
			struct timeval wait = timeval_of(100 * 1000);
			event_del(l->event);
			event_add(l->resume, &wait);
		}
		if (err)
			return;
		l->accepted(l->arg, fd, &from);
	}
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct tcp_listener *l = arg;

	(void)fd;
	(void)what;
	event_add(l->event, NULL);
}

struct tcp_listener *
tcp_listener_from_fd(struct event_base *base, int fd,
		     void (*accepted)(void *arg, int fd, const struct endpoint *from), void *arg)
{
	struct tcp_listener *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	*l = (struct tcp_listener){.fd = fd, .accepted = accepted, .arg = arg};
	l->event = event_new(base, fd, EV_READ | EV_PERSIST, on_acceptable, l);
	l->resume = evtimer_new(base, on_resume, l);
	if (!l->event || !l->resume || event_add(l->event, NULL) != 0)
		abort();
	return l;
}

int tcp_listener_new(struct event_base *base, const char *addr,
		     void (*accepted)(void *arg, int fd, const struct endpoint *from), void *arg,
		     struct tcp_listener **out, char error[static TCP_ERROR_LEN])
{
	int fd = -1;
	int err = tcp_listen(addr, &fd, error);

	if (err)
		return err;
	*out = tcp_listener_from_fd(base, fd, accepted, arg);
	return 0;
}

void tcp_listener_free(struct tcp_listener *l)
{
	if (!l)
		return;
	event_free(l->event);
	event_free(l->resume);
	socket_close(l->fd);
	free(l);
}

uint16_t tcp_listener_port(const struct tcp_listener *l)
{
	return socket_local(l->fd).port;
}
