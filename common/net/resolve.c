#include "common/net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <ares.h>
#include <event2/event.h>

#include "common/clock.h"

static const char *const config_path = "/etc/resolv.conf";

enum { TRIES = 2, TRY_MS = 1500 }; /* 1.5 s and 3 s for a server that does not answer */

/* One per descriptor c-ares waits for. */
struct watch {
	struct watch *next;
	struct resolver *resolver;
	ares_socket_t fd;
	struct event *event;
};

struct resolver {
	struct event_base *base;
	ares_channel channel;
	struct stat config; /* when the channel read it; zero where there was none */
	struct watch *watches;
	struct event *timer;
	struct resolve_query *queries;
	bool freeing;
};

struct resolve_query {
	struct resolve_query *next;
	struct resolver *resolver;
	void (*done)(void *arg, int err, const struct endpoint *addrs, size_t n);
	void *arg;
	struct event *deliver; /* the answer, in the next round */
	bool asked;	       /* c-ares still holds it */
	bool cancelled;
	uint16_t port;
	int err;
	struct endpoint addrs[RESOLVE_ADDRS_MAX];
	size_t n;
};

/* ---- c-ares on libevent ---- */

static void schedule(struct resolver *r)
{
	struct timeval buf, *wait = ares_timeout(r->channel, NULL, &buf);

	if (wait)
		event_add(r->timer, wait);
	else
		event_del(r->timer);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;

	(void)fd;
	(void)what;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	schedule(r);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;

	ares_process_fd(r->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
			what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	schedule(r);
}

static struct watch **find_watch(struct resolver *r, ares_socket_t fd)
{
	struct watch **at = &r->watches;

	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	return at;
}

static void drop_watch(struct watch **at)
{
	struct watch *w = *at;

	*at = w->next;
	event_free(w->event);
	free(w);
}

/* c-ares says which descriptors it waits for. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct watch **at = find_watch(r, fd);
	short events = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);

	if (*at)
		drop_watch(at);
	if (!readable && !writable)
		return;
	struct watch *w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	*w = (struct watch){.next = r->watches, .resolver = r, .fd = fd};
	w->event = event_new(r->base, fd, events, on_socket, r);
	if (!w->event || event_add(w->event, NULL) != 0)
		abort();
	r->watches = w;
}

static struct stat look_at_config(void)
{
	struct stat found = {0};

	(void)stat(config_path, &found);
	return found;
}

/* c-ares reads it once, and it is often written after the network has changed. */
static bool is_outdated(const struct resolver *r)
{
	struct stat now = look_at_config();

	return now.st_ino != r->config.st_ino || now.st_dev != r->config.st_dev ||
	       now.st_size != r->config.st_size || now.st_mtim.tv_sec != r->config.st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != r->config.st_mtim.tv_nsec;
}

static int open_channel(struct resolver *r)
{
	struct ares_options options = {.tries = TRIES,
				       .timeout = TRY_MS,
				       .sock_state_cb = on_socket_state,
				       .sock_state_cb_data = r};

	r->config = look_at_config();
	return ares_init_options(&r->channel, &options,
				 ARES_OPT_TRIES | ARES_OPT_TIMEOUTMS | ARES_OPT_SOCK_STATE_CB);
}

struct resolver *resolver_new(struct event_base *base)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(r);
		return NULL;
	}
	r->base = base;
	r->timer = evtimer_new(base, on_timer, r);
	if (!r->timer || open_channel(r) != ARES_SUCCESS) {
		if (r->timer)
			event_free(r->timer);
		ares_library_cleanup();
		free(r);
		return NULL;
	}
	return r;
}

static void free_query(struct resolve_query *q)
{
	struct resolve_query **at = &q->resolver->queries;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	event_free(q->deliver);
	free(q);
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	r->freeing = true;
	ares_destroy(r->channel); /* ends its queries, and the watches with them */
	while (r->queries)
		free_query(r->queries);
	while (r->watches)
		drop_watch(&r->watches);
	event_free(r->timer);
	ares_library_cleanup();
	free(r);
}

void resolver_reload(struct resolver *r)
{
	ares_cancel(r->channel);
	ares_destroy(r->channel);
	if (open_channel(r) != ARES_SUCCESS)
		abort();
}

/* ---- queries ---- */

static void deliver(evutil_socket_t fd, short what, void *arg)
{
	struct resolve_query *q = arg;
	struct resolve_query copy = *q;

	(void)fd;
	(void)what;
	free_query(q);
	copy.done(copy.arg, copy.n > 0 ? 0 : copy.err, copy.addrs, copy.n);
}

static void deliver_soon(struct resolve_query *q)
{
	event_active(q->deliver, EV_TIMEOUT, 0);
}

static int errno_of(int status)
{
	switch (status) {
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_ENONAME:
	case ARES_EBADNAME:
		return -ENOENT;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

static bool take_family(struct resolve_query *q, const struct ares_addrinfo_node **node, int family)
{
	const struct ares_addrinfo_node *n = *node;
	struct endpoint ep;

	while (n && n->ai_family != family)
		n = n->ai_next;
	*node = n ? n->ai_next : NULL;
	if (!n || q->n == RESOLVE_ADDRS_MAX || endpoint_from_sockaddr(n->ai_addr, &ep) != 0)
		return false;
	ep.port = q->port;
	q->addrs[q->n++] = ep;
	return true;
}

/* RFC 8305 section 4: the families alternate, IPv6 first. */
static void take_addresses(struct resolve_query *q, const struct ares_addrinfo *info)
{
	const struct ares_addrinfo_node *v6 = info->nodes, *v4 = info->nodes;

	for (bool more = true; more && q->n < RESOLVE_ADDRS_MAX;) {
		bool got_v6 = take_family(q, &v6, AF_INET6);
		bool got_v4 = take_family(q, &v4, AF_INET);
		more = got_v6 || got_v4;
	}
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct resolve_query *q = arg;

	(void)timeouts;
	q->asked = false;
	if (q->resolver->freeing) {
		/* freed with the resolver */
	} else if (q->cancelled) {
		free_query(q);
	} else {
		q->err = status == ARES_SUCCESS ? -ENOENT : errno_of(status);
		if (status == ARES_SUCCESS)
			take_addresses(q, info);
		deliver_soon(q);
	}
	if (info)
		ares_freeaddrinfo(info);
}

static void ask(struct resolve_query *q, const char *host)
{
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

	if (is_outdated(q->resolver))
		resolver_reload(q->resolver);
	q->asked = true;
	ares_getaddrinfo(q->resolver->channel, host, NULL, &hints, on_answer, q);
	schedule(q->resolver);
}

/* RFC 6761 section 6.3: "localhost" never leaves the machine. */
static bool needs_no_dns(struct resolve_query *q, const char *host)
{
	struct ip_addr ip;

	if (ip_parse(host, &ip) == 0) {
		q->addrs[q->n++] = (struct endpoint){ip, q->port};
		return true;
	}
	if (strcasecmp(host, "localhost") != 0)
		return false;
	q->addrs[0] = (struct endpoint){{{[15] = 1}}, q->port};
	q->addrs[1] = (struct endpoint){ip_from_v4((const uint8_t[]){127, 0, 0, 1}), q->port};
	q->n = 2;
	return true;
}

struct resolve_query *
resolve_start(struct resolver *r, const char *host, uint16_t port,
	      void (*done)(void *arg, int err, const struct endpoint *addrs, size_t n), void *arg)
{
	struct resolve_query *q = calloc(1, sizeof(*q));

	if (!q)
		abort();
	*q = (struct resolve_query){
		.next = r->queries, .resolver = r, .done = done, .arg = arg, .port = port};
	q->deliver = evtimer_new(r->base, deliver, q);
	if (!q->deliver)
		abort();
	r->queries = q;
	if (needs_no_dns(q, host))
		deliver_soon(q);
	else
		ask(q, host);
	return q;
}

void resolve_cancel(struct resolve_query *q)
{
	if (!q)
		return;
	q->cancelled = true;
	if (!q->asked) /* otherwise c-ares still holds it, and ends it later */
		free_query(q);
}
