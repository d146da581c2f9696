#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/net/dial.h"
#include "common/net/http.h"

enum { ANSWER_DEFAULT = 64 * 1024, REQUEST_HEAD_LEN = 2048 };

static const uint64_t default_timeout_us = 10 * US_PER_S;

struct http_call {
	struct dial *dial;
	struct tls_conn *conn;
	struct event *timeout;
	void (*done)(void *arg, const struct http_result *result);
	void *arg;

	char *request;
	size_t request_len;
	unsigned repeat;
	bool is_head;
	uint64_t connect_us, sent_us, answer_us;

	char *answer;
	size_t len, cap; /* cap: the longest answer allowed, head included */
};

static void stop(struct http_call *c)
{
	dial_free(c->dial);
	tls_conn_free(c->conn);
	c->dial = NULL;
	c->conn = NULL;
	event_del(c->timeout);
}

static void fail(struct http_call *c, const char *error)
{
	char line[HTTP_ERROR_LEN];

	snprintf(line, sizeof(line), "%s", error);
	stop(c);
	c->done(c->arg, &(struct http_result){.error = line});
}

static void send_request(struct http_call *c)
{
	c->len = 0;
	c->answer_us = 0;
	c->sent_us = clock_now_us();
	if (tls_conn_write(c->conn, c->request, c->request_len) != 0)
		fail(c, "the request could not be sent");
}

static void complete(struct http_call *c, const struct http_head *head, size_t head_len)
{
	struct http_result result = {.status = head->status,
				     .body = c->answer + head_len,
				     .len = c->len - head_len,
				     .connect_us = c->connect_us,
				     .answer_us = c->answer_us};

	if (head->has_length && head->content_length < result.len)
		result.len = head->content_length;
	c->answer[head_len + result.len] = '\0';
	if (c->repeat > 0 && head->keep_alive && head->has_length) {
		c->repeat--;
		send_request(c);
		return;
	}
	stop(c);
	c->done(c->arg, &result);
}

/* True where the answer was complete, so that c may be gone. at_end: no more bytes will come. */
static bool look_for_answer(struct http_call *c, bool at_end)
{
	struct http_head head;
	size_t used;
	int err = http_parse_response(c->answer, c->len, &head, &used);

	if (err == -EAGAIN && !at_end)
		return false;
	if (err || head.chunked) {
		fail(c, head.chunked ? "a chunked answer" : "the answer is not HTTP");
		return true;
	}
	if (c->answer_us == 0)
		c->answer_us = clock_now_us() - c->sent_us;
	bool bodyless = c->is_head || head.status == 204 || head.status == 304;
	bool whole = bodyless || (head.has_length && c->len - used >= head.content_length);
	if (!whole && at_end && head.has_length) {
		fail(c, "the answer was cut off");
		return true;
	}
	if (!whole && !at_end)
		return false;
	complete(c, &head, used);
	return true;
}

static void on_readable(void *arg)
{
	struct http_call *c = arg;
	size_t got;

	for (;;) {
		if (c->len == c->cap) {
			fail(c, "the answer is too long");
			return;
		}
		if (tls_conn_read(c->conn, c->answer + c->len, c->cap - c->len, &got) != 0)
			return;
		c->len += got;
		if (look_for_answer(c, false))
			return;
	}
}

static void on_closed(void *arg, const char *reason)
{
	struct http_call *c = arg;

	if (c->len == 0)
		fail(c, reason);
	else
		(void)look_for_answer(c, true);
}

static const struct tls_conn_ops call_ops = {.on_readable = on_readable, .on_closed = on_closed};

static void on_dialled(void *arg, struct tls_conn *conn, const struct dial_times *times,
		       const char *error)
{
	struct http_call *c = arg;

	if (!conn) {
		fail(c, error);
		return;
	}
	c->connect_us = times->dns_us + times->tcp_us + times->tls_us;
	c->conn = conn;
	tls_conn_set_limit(conn, c->request_len);
	tls_conn_set_ops(conn, &call_ops, c);
	send_request(c);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fail(arg, "timed out");
}

static void build_request(struct http_call *c, const struct http_call_config *cfg)
{
	struct http_url url = {.tls = cfg->dial->tls != NULL, .port = cfg->dial->port};
	char authority[HTTP_HOST_LEN + 16], head[REQUEST_HEAD_LEN];

	memcpy(url.host, cfg->dial->host, sizeof(url.host));
	http_url_authority(&url, authority);
	int n = snprintf(
		head, sizeof(head), "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n%s%s\r\n",
		cfg->method, cfg->path, authority, cfg->body_len, cfg->fields ? cfg->fields : "",
		cfg->repeat ? "" : "Connection: close\r\n");
	if (n < 0 || (size_t)n >= sizeof(head))
		abort(); /* our own fields are short */
	c->request_len = (size_t)n + cfg->body_len;
	c->request = malloc(c->request_len);
	if (!c->request)
		abort();
	memcpy(c->request, head, (size_t)n);
	if (cfg->body_len > 0)
		memcpy(c->request + n, cfg->body, cfg->body_len);
}

struct http_call *http_call_new(struct event_base *base, struct resolver *resolver,
				const struct http_call_config *cfg,
				void (*done)(void *arg, const struct http_result *result),
				void *arg)
{
	struct http_call *c = calloc(1, sizeof(*c));
	uint64_t us = cfg->dial->timeout_us ? cfg->dial->timeout_us : default_timeout_us;
	struct timeval wait = {.tv_sec = (time_t)(us / US_PER_S),
			       .tv_usec = (suseconds_t)(us % US_PER_S)};

	if (!c)
		abort();
	c->done = done;
	c->arg = arg;
	c->repeat = cfg->repeat;
	c->is_head = strcmp(cfg->method, "HEAD") == 0;
	c->cap = HTTP_HEAD_MAX + (cfg->answer_max ? cfg->answer_max : ANSWER_DEFAULT);
	c->answer = malloc(c->cap + 1);
	c->timeout = evtimer_new(base, on_timeout, c);
	if (!c->answer || !c->timeout || event_add(c->timeout, &wait) != 0)
		abort();
	build_request(c, cfg);
	c->dial = dial_new(base, resolver, cfg->dial, on_dialled, c);
	return c;
}

void http_call_free(struct http_call *c)
{
	if (!c)
		return;
	stop(c);
	event_free(c->timeout);
	free(c->request);
	free(c->answer);
	free(c);
}
