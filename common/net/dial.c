#include "common/net/dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/net/resolve.h"

static const uint64_t default_timeout_us = 10 * US_PER_S;

struct dial {
	struct event_base *base;
	struct resolver *resolver;
	struct dial_config cfg;
	void (*done)(void *arg, struct tls_conn *conn, const struct dial_times *times,
		     const char *error);
	void *arg;

	/* At most one of these is under way. */
	struct resolve_query *query;
	struct tcp_dial *tcp;
	struct tls_conn *conn;

	struct event *timeout;
	uint64_t step_us; /* when the present step began */
	struct dial_times times;
};

static uint64_t end_step(struct dial *d)
{
	uint64_t now_us = clock_now_us(), took_us = now_us - d->step_us;

	d->step_us = now_us;
	return took_us;
}

static void stop_all(struct dial *d)
{
	resolve_cancel(d->query);
	tcp_dial_free(d->tcp);
	tls_conn_free(d->conn);
	d->query = NULL;
	d->tcp = NULL;
	d->conn = NULL;
	event_del(d->timeout);
}

static void fail(struct dial *d, const char *step, const char *problem)
{
	char error[DIAL_ERROR_LEN];

	snprintf(error, sizeof(error), "%s %.128s: %s", step, d->cfg.host, problem);
	stop_all(d);
	d->done(d->arg, NULL, &d->times, error);
}

/* ---- the last step: TLS ---- */

static void on_open(void *arg)
{
	struct dial *d = arg;
	struct tls_conn *conn = d->conn;

	d->times.tls_us = end_step(d);
	d->conn = NULL;
	event_del(d->timeout);
	d->done(d->arg, conn, &d->times, NULL);
}

/* Bytes that come right behind the handshake wait for the new owner, who sets ops. */
static void on_readable(void *arg)
{
	(void)arg;
}

static void on_closed(void *arg, const char *reason)
{
	struct dial *d = arg;
	fail(d, d->cfg.tls ? "TLS with" : "connecting to", reason);
}

static const struct tls_conn_ops handshake_ops = {
	.on_open = on_open, .on_readable = on_readable, .on_closed = on_closed};

/* ---- the step before: TCP ---- */

static void on_connected(void *arg, int err, int fd, const struct endpoint *to)
{
	struct dial *d = arg;

	(void)to;
	d->times.tcp_us = end_step(d);
	tcp_dial_free(d->tcp);
	d->tcp = NULL;
	if (err) {
		fail(d, "connecting to", strerror(-err));
		return;
	}
	d->conn = tls_conn_client(d->base, d->cfg.tls, fd, &d->cfg.trust, &handshake_ops, d);
}

static void connect_to(struct dial *d, const struct endpoint *addrs, size_t n)
{
	struct tcp_dial_config cfg = {.timeout_us = d->cfg.timeout_us, .mark = d->cfg.mark};

	cfg.n_addrs = n < TCP_DIAL_ADDRS_MAX ? n : TCP_DIAL_ADDRS_MAX;
	memcpy(cfg.addrs, addrs, cfg.n_addrs * sizeof(addrs[0]));
	d->tcp = tcp_dial_new(d->base, &cfg, on_connected, d);
}

/* ---- the first: DNS ---- */

static void on_resolved(void *arg, int err, const struct endpoint *addrs, size_t n)
{
	struct dial *d = arg;

	d->query = NULL;
	d->times.dns_us = end_step(d);
	if (n == 0)
		fail(d, "looking up",
		     err == -ENOENT ? "there is no such host name" : strerror(-err));
	else
		connect_to(d, addrs, n);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	const char *step = d->query ? "looking up" : d->tcp ? "connecting to" : "TLS with";

	(void)fd;
	(void)what;
	fail(d, step, "timed out");
}

struct dial *dial_new(struct event_base *base, struct resolver *resolver,
		      const struct dial_config *cfg,
		      void (*done)(void *arg, struct tls_conn *conn, const struct dial_times *times,
				   const char *error),
		      void *arg)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	*d = (struct dial){.base = base,
			   .resolver = resolver,
			   .cfg = *cfg,
			   .done = done,
			   .arg = arg,
			   .step_us = clock_now_us()};
	if (d->cfg.timeout_us == 0)
		d->cfg.timeout_us = default_timeout_us;
	if (d->cfg.trust.name[0] == '\0')
		memcpy(d->cfg.trust.name, d->cfg.host, sizeof(d->cfg.trust.name));
	struct timeval wait = {.tv_sec = (time_t)(d->cfg.timeout_us / US_PER_S),
			       .tv_usec = (suseconds_t)(d->cfg.timeout_us % US_PER_S)};
	d->timeout = evtimer_new(base, on_timeout, d);
	if (!d->timeout || event_add(d->timeout, &wait) != 0)
		abort();
	if (d->cfg.n_known > 0)
		connect_to(d, d->cfg.known, d->cfg.n_known);
	else
		d->query = resolve_start(resolver, d->cfg.host, d->cfg.port, on_resolved, d);
	return d;
}

void dial_free(struct dial *d)
{
	if (!d)
		return;
	stop_all(d);
	event_free(d->timeout);
	free(d);
}
