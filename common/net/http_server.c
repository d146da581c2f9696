#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/heap.h"
#include "common/metric.h"
#include "common/net/http.h"
#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "common/wire.h"

enum { CONNS_DEFAULT = 1000, READ_LEN = 4096, ANSWER_HEAD_LEN = 2048 };

/* Answers that a client has not read, beyond which no further request is taken from it. */
enum { UNREAD_MAX = 64 * 1024 };

/* Fewer connections than these are no crowd. */
enum { CROWD_MIN = 256 };

static const uint64_t idle_default_us = 30 * US_PER_S;

/* A connection; while a request waits for its answer it is the exchange too. */
struct http_exchange {
	struct http_server *server;
	struct http_exchange *next, *prev;
	struct tls_conn *conn;
	struct endpoint peer;
	struct event *idle;

	char *buf; /* the bytes read: one request and what follows */
	size_t len, cap;
	size_t head_len, body_len;
	size_t wanted; /* bytes of the whole request, once its head is here; else 0 */
	struct http_head head;
	bool pending;	       /* handed out, not yet answered */
	bool opened;	       /* TLS stands */
	bool unread;	       /* nothing is read before its answers have left */
	enum http_end ends_as; /* once we have decided to end it; else HTTP_ENDS */
	char kept;	       /* the byte that the body's NUL stands on */
	void *user;
};

struct http_server {
	struct event_base *base;
	struct http_server_config cfg;
	struct http_exchange *conns, *oldest; /* linked from the newest to the oldest */
	size_t n_conns, most_conns;	      /* now; since memory was last given back */
	_Atomic uint64_t accepted, ended[HTTP_ENDS];
};

/* ---- life of a connection ---- */

/* The server's thread alone writes, /metrics may be read on another. */
static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* A crowd has left: each connection of it had some 12 KB. */
static void give_back_memory(struct http_server *s)
{
	if (s->most_conns < CROWD_MIN || s->n_conns > s->most_conns / 8)
		return;
	s->most_conns = s->n_conns;
	heap_give_back();
}

/* The connection itself is not closed here. */
static void forget(struct http_exchange *x, enum http_end how)
{
	struct http_server *s = x->server;

	if (x->prev)
		x->prev->next = x->next;
	else
		s->conns = x->next;
	if (x->next)
		x->next->prev = x->prev;
	else
		s->oldest = x->prev;
	s->n_conns--;
	count(&s->ended[how]);
	event_free(x->idle);
	free(x->buf);
	free(x);
	give_back_memory(s);
}

static void end(struct http_exchange *x, enum http_end how)
{
	struct http_server *s = x->server;

	tls_conn_free(x->conn);
	if (x->pending && s->cfg.gone)
		s->cfg.gone(s->cfg.arg, x);
	forget(x, x->ends_as != HTTP_ENDS ? x->ends_as : how);
}

static void expect_more(struct http_exchange *x)
{
	uint64_t us = x->server->cfg.idle_us;
	struct timeval wait = {.tv_sec = (time_t)(us / US_PER_S),
			       .tv_usec = (suseconds_t)(us % US_PER_S)};

	event_add(x->idle, &wait);
}

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	end(arg, HTTP_END_IDLE);
}

static void on_closed(void *arg, const char *reason)
{
	struct http_exchange *x = arg;

	(void)reason;
	end(x, x->opened ? HTTP_END_CLIENT : HTTP_END_HANDSHAKE);
}

/* ---- answering ---- */

static const char *status_text(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} texts[] = {
		{101, "Switching Protocols"},
		{200, "OK"},
		{201, "Created"},
		{204, "No Content"},
		{301, "Moved Permanently"},
		{302, "Found"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{413, "Content Too Large"},
		{426, "Upgrade Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Status";
}

/* Bytes behind the answered request go back, to be read as the next. */
static void next_request(struct http_exchange *x)
{
	size_t used = x->head_len + x->body_len;

	x->buf[used] = x->kept;
	if (x->len > used)
		tls_conn_unread(x->conn, x->buf + used, x->len - used);
	x->len = x->head_len = x->body_len = x->wanted = 0;
	x->user = NULL;
	expect_more(x);
	x->unread = tls_conn_queued(x->conn) > UNREAD_MAX;
	if (!x->unread)
		tls_conn_pause(x->conn, false);
}

static void write_answer(struct http_exchange *x, unsigned status, const char *type,
			 const char *more_fields, const void *body, size_t len, bool keep)
{
	const char *server_fields = x->server->cfg.more_fields;
	bool bodyless = http_text_is(x->head.method, "HEAD") || status == 204 || status == 304;
	char head[ANSWER_HEAD_LEN], length[40] = "";

	if (status != 204) /* RFC 9110 section 8.6 */
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", len);
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %u %s\r\n%s%s%s%s%s%s%s\r\n", status,
			 status_text(status), length, type ? "Content-Type: " : "",
			 type ? type : "", type ? "\r\n" : "", more_fields ? more_fields : "",
			 server_fields ? server_fields : "", keep ? "" : "Connection: close\r\n");
	bool fits = n > 0 && (size_t)n < sizeof(head);
	tls_conn_set_limit(x->conn, len + sizeof(head) + tls_conn_queued(x->conn));
	if (!fits || tls_conn_write2(x->conn, head, (size_t)n, body, bodyless ? 0 : len) != 0)
		tls_conn_finish(x->conn);
}

void http_reply(struct http_exchange *x, unsigned status, const char *type, const char *more_fields,
		const void *body, size_t len)
{
	bool keep = x->head.keep_alive && status < 400;

	x->pending = false;
	write_answer(x, status, type, more_fields, body, len, keep);
	if (keep) {
		next_request(x);
		return;
	}
	x->ends_as = HTTP_END_ANSWERED;
	event_del(x->idle);
	tls_conn_finish(x->conn);
}

void http_reply_text(struct http_exchange *x, unsigned status, const char *text)
{
	http_reply(x, status, "text/plain; charset=utf-8", NULL, text, strlen(text));
}

void http_drop(struct http_exchange *x)
{
	x->pending = false;
	x->ends_as = HTTP_END_REFUSED;
	event_del(x->idle);
	tls_conn_finish(x->conn);
}

struct tls_conn *http_upgrade(struct http_exchange *x, const char *fields)
{
	struct tls_conn *conn = x->conn;
	size_t used = x->head_len + x->body_len;
	char head[ANSWER_HEAD_LEN];

	x->pending = false;
	x->buf[used] = x->kept;
	if (fields) {
		int n = snprintf(head, sizeof(head), "HTTP/1.1 101 %s\r\n%s\r\n", status_text(101),
				 fields);
		bool fits = n > 0 && (size_t)n < sizeof(head);
		if (!fits || tls_conn_write(conn, head, (size_t)n) != 0)
			tls_conn_finish(conn);
	}
	if (x->len > used)
		tls_conn_unread(conn, x->buf + used, x->len - used);
	tls_conn_pause(conn, false);
	forget(x, HTTP_END_UPGRADED);
	return conn;
}

/* ---- reading requests ---- */

static void refuse(struct http_exchange *x, unsigned status)
{
	x->head = (struct http_head){0};
	x->head_len = x->body_len = 0;
	write_answer(x, status, NULL, NULL, NULL, 0, false);
	x->ends_as = HTTP_END_REFUSED;
	event_del(x->idle);
	tls_conn_finish(x->conn);
}

/* 0: a whole request is in the buffer; -EAGAIN; or a positive status to refuse it with. */
static int look_for_request(struct http_exchange *x)
{
	size_t used;
	int err = http_parse_request(x->buf, x->len, &x->head, &used);

	if (err == -EAGAIN)
		return -EAGAIN;
	if (err)
		return err == -E2BIG ? 431 : 400;
	if (x->head.chunked)
		return 501;
	if (x->head.content_length > x->server->cfg.body_max)
		return 413;
	x->wanted = used + x->head.content_length;
	if (x->len < x->wanted)
		return -EAGAIN;
	x->head_len = used;
	x->body_len = x->head.content_length;
	return 0;
}

/* Reading stops until the answer, so that a client's further requests wait in its socket. */
static void hand_out(struct http_exchange *x)
{
	struct http_server *s = x->server;

	x->kept = x->buf[x->head_len + x->body_len];
	x->buf[x->head_len + x->body_len] = '\0';
	x->pending = true;
	event_del(x->idle);
	tls_conn_pause(x->conn, true);
	s->cfg.on_request(s->cfg.arg, x);
}

static void make_room(struct http_exchange *x)
{
	if (x->cap - x->len > READ_LEN)
		return;
	x->cap += READ_LEN + x->cap;
	x->buf = realloc(x->buf, x->cap);
	if (!x->buf)
		abort();
}

/* Whether the got bytes that came last can make a difference: who sends a request byte by byte has
 * it looked at by line, not by byte. */
static bool is_worth_a_look(const struct http_exchange *x, size_t got)
{
	if (x->wanted > 0)
		return x->len >= x->wanted;
	return x->len == got || x->len >= HTTP_HEAD_MAX ||
	       memchr(x->buf + x->len - got, '\n', got) != NULL;
}

/* One byte beyond the bytes read is always there for the body's NUL. */
static void on_readable(void *arg)
{
	struct http_exchange *x = arg;
	size_t got;

	for (;;) {
		make_room(x);
		if (tls_conn_read(x->conn, x->buf + x->len, x->cap - x->len - 1, &got) != 0)
			return;
		x->len += got;
		int err = is_worth_a_look(x, got) ? look_for_request(x) : -EAGAIN;
		if (err == 0) {
			hand_out(x);
			return;
		}
		if (err > 0) {
			refuse(x, (unsigned)err);
			return;
		}
	}
}

static void on_open(void *arg)
{
	struct http_exchange *x = arg;

	x->opened = true;
	expect_more(x);
}

static void on_drained(void *arg)
{
	struct http_exchange *x = arg;

	if (!x->unread)
		return;
	x->unread = false;
	tls_conn_pause(x->conn, false);
}

static const struct tls_conn_ops conn_ops = {.on_open = on_open,
					     .on_readable = on_readable,
					     .on_drained = on_drained,
					     .on_closed = on_closed};

/* ---- the server ---- */

struct http_server *http_server_new(struct event_base *base, const struct http_server_config *cfg)
{
	struct http_server *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->base = base;
	s->cfg = *cfg;
	if (s->cfg.conns_max == 0)
		s->cfg.conns_max = CONNS_DEFAULT;
	if (s->cfg.idle_us == 0)
		s->cfg.idle_us = idle_default_us;
	return s;
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	while (s->conns)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		end(s->conns, HTTP_END_ANSWERED); /* nobody counts any more */
	free(s);
}

/* The oldest that waits for nothing of ours: a crowd that only connects does not keep others out.
 */
static void make_way(struct http_server *s)
{
	struct http_exchange *x = s->oldest;

	while (x && x->pending)
		x = x->prev;
	if (x)
		end(x, HTTP_END_CROWDED);
}

void http_server_accept(struct http_server *s, int fd, const struct endpoint *from)
{
	struct http_exchange *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->server = s;
	x->ends_as = HTTP_ENDS;
	x->peer = *from;
	x->conn = tls_conn_server(s->base, s->cfg.tls, fd, &conn_ops, x);
	x->idle = evtimer_new(s->base, on_idle, x);
	if (!x->idle)
		abort();
	x->next = s->conns;
	if (s->conns)
		s->conns->prev = x;
	else
		s->oldest = x;
	s->conns = x;
	s->n_conns++;
	if (s->n_conns > s->most_conns)
		s->most_conns = s->n_conns;
	count(&s->accepted);
	expect_more(x);
	if (s->n_conns > s->cfg.conns_max)
		make_way(s);
}

size_t http_server_conns(const struct http_server *s)
{
	return s->n_conns;
}

void http_server_add_counts(const struct http_server *s, struct http_server_counts *sum)
{
	sum->accepted += atomic_load_explicit(&s->accepted, memory_order_relaxed);
	for (size_t i = 0; i < HTTP_ENDS; i++)
		sum->ended[i] += atomic_load_explicit(&s->ended[i], memory_order_relaxed);
}

void http_server_counts_fill(const struct http_server_counts *counts, const char *name,
			     const char *open_name, struct metric_page *page)
{
	static const char *const names[HTTP_ENDS] = {
		[HTTP_END_UPGRADED] = "upgraded",   [HTTP_END_ANSWERED] = "answered",
		[HTTP_END_REFUSED] = "refused",	    [HTTP_END_CLIENT] = "client",
		[HTTP_END_HANDSHAKE] = "handshake", [HTTP_END_IDLE] = "idle",
		[HTTP_END_CROWDED] = "crowded",
	};
	uint64_t ended = 0;

	metric_counter(page, name, "Connections ended, by how; one handed over is upgraded.");
	for (size_t i = 0; i < HTTP_ENDS; i++) {
		metric_u64(page, &(struct metric_label){"end", names[i]}, 1, counts->ended[i]);
		ended += counts->ended[i];
	}
	metric_one_gauge(page, open_name, "Connections accepted and not ended or handed over.",
			 (double)(counts->accepted - ended));
}

const struct http_head *http_exchange_head(const struct http_exchange *x)
{
	return &x->head;
}

const char *http_exchange_body(const struct http_exchange *x, size_t *len)
{
	*len = x->body_len;
	return x->buf + x->head_len;
}

struct endpoint http_exchange_peer(const struct http_exchange *x)
{
	return x->peer;
}

void http_exchange_set_user(struct http_exchange *x, void *user)
{
	x->user = user;
}

void *http_exchange_user(const struct http_exchange *x)
{
	return x->user;
}
