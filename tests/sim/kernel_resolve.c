/* resolve.h on the world's names: no packets, but the time that they take. */
#include "common/net/resolve.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/clock.h"
#include "tests/sim/dns.h"
#include "tests/sim/host.h"
#include "tests/sim/world.h"

enum { HOST_LEN = 256 };

static const struct timeval answer_after = {.tv_usec = 20 * 1000}, give_up_after = {.tv_sec = 5};

struct resolver {
	struct event_base *base;
	struct resolve_query *queries;
};

struct resolve_query {
	struct resolver *resolver;
	struct resolve_query *next, *prev;
	struct event *answer;
	char host[HOST_LEN];
	uint16_t port;
	bool is_late; /* nobody answers */
	void (*done)(void *arg, int err, const struct endpoint *addrs, size_t n);
	void *arg;
};

struct resolver *resolver_new(struct event_base *base)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->base = base;
	return r;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	while (r->queries)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		resolve_cancel(r->queries);
	free(r);
}

void resolver_reload(struct resolver *r)
{
	(void)r;
}

void resolve_cancel(struct resolve_query *q)
{
	if (!q)
		return;
	if (q->prev)
		q->prev->next = q->next;
	else
		q->resolver->queries = q->next;
	if (q->next)
		q->next->prev = q->prev;
	event_free(q->answer);
	free(q);
}

/* What needs no DNS. */
static bool find_literal(const struct resolve_query *q, struct endpoint *out)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};

	out->port = q->port;
	if (strcmp(q->host, "localhost") == 0) {
		out->ip = ip_from_v4(loopback);
		return true;
	}
	return ip_parse(q->host, &out->ip) == 0;
}

static size_t add_family(const struct ip_addr *ips, size_t n, bool v4, uint16_t port,
			 struct endpoint *out)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (ip_is_v4(&ips[i]) == v4)
			out[found++] = (struct endpoint){.ip = ips[i], .port = port};
	return found;
}

/* IPv6 and IPv4 alternating. */
static size_t look_up(const struct resolve_query *q, struct endpoint out[static RESOLVE_ADDRS_MAX])
{
	struct endpoint families[2][RESOLVE_ADDRS_MAX];
	const struct ip_addr *ips = NULL;
	size_t n = dns_find(world_running(), q->host, &ips), counts[2], found = 0;

	counts[0] = add_family(ips, n, false, q->port, families[0]);
	counts[1] = add_family(ips, n, true, q->port, families[1]);
	for (size_t i = 0; i < RESOLVE_ADDRS_MAX; i++)
		for (size_t family = 0; family < 2; family++)
			if (i < counts[family])
				out[found++] = families[family][i];
	return found;
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	struct resolve_query *q = arg;
	void (*done)(void *, int, const struct endpoint *, size_t) = q->done;
	void *done_arg = q->arg;
	struct endpoint found[RESOLVE_ADDRS_MAX];
	size_t n = 1;

	(void)fd;
	(void)what;
	if (!find_literal(q, &found[0]))
		n = q->is_late ? 0 : look_up(q, found);
	int err = n > 0 ? 0 : q->is_late ? -ETIMEDOUT : -ENOENT;
	resolve_cancel(q);
	done(done_arg, err, found, n);
}

static bool has_network(const struct host *host)
{
	for (size_t i = 0; i < host_nics(host); i++) {
		const struct nic *nic = host_nic(host, i);
		struct ip_addr v4 = nic_v4(nic), v6 = nic_v6(nic);

		if (nic_is_up(nic) && (!ip_is_none(&v4) || !ip_is_none(&v6)))
			return true;
	}
	return false;
}

struct resolve_query *
resolve_start(struct resolver *r, const char *host, uint16_t port,
	      void (*done)(void *arg, int err, const struct endpoint *addrs, size_t n), void *arg)
{
	struct resolve_query *q = calloc(1, sizeof(*q));
	struct endpoint literal;

	if (!q)
		abort();
	*q = (struct resolve_query){
		.resolver = r, .next = r->queries, .port = port, .done = done, .arg = arg};
	strncpy(q->host, host, sizeof(q->host) - 1);
	if (q->next)
		q->next->prev = q;
	r->queries = q;
	q->answer = event_new(r->base, -1, 0, on_answer, q);
	if (!q->answer)
		abort();
	q->is_late = dns_is_down(world_running()) || !has_network(world_here());
	if (find_literal(q, &literal))
		event_active(q->answer, EV_TIMEOUT, 0);
	else
		event_add(q->answer, q->is_late ? &give_up_after : &answer_after);
	return q;
}
