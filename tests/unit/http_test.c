#include "common/net/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/metric.h"
#include "common/net/dial.h"
#include "common/net/loop.h"
#include "common/net/resolve.h"
#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "tests/unit/test.h"

/* ---- heads ---- */

TEST(reads_a_request_with_its_fields)
{
	static const char text[] = "GET /v1/session?a=1&b=x%20y+z HTTP/1.1\r\nHost: h:8443\r\n"
				   "Connection: keep-alive, Upgrade\r\nupgrade:  DERP \r\n\r\nrest";
	struct http_head head;
	char value[8];
	size_t used;

	CHECK(http_parse_request(text, sizeof(text) - 1, &head, &used) == 0);
	CHECK(used == sizeof(text) - 1 - 4);
	CHECK(http_text_is(head.method, "GET") && http_text_is(head.path, "/v1/session"));
	CHECK(head.keep_alive && head.n_fields == 3 && !head.has_length);
	CHECK(http_text_is(http_find(&head, "UPGRADE"), "DERP"));
	CHECK(http_has_token(&head, "connection", "upgrade"));
	CHECK(!http_has_token(&head, "connection", "up"));
	CHECK(http_query_find(head.query, "b", value, sizeof(value)));
	CHECK_STR(value, "x y z");
	CHECK(!http_query_find(head.query, "c", value, sizeof(value)));
	CHECK(!http_query_find(head.query, "b", value, 5));
	for (size_t n = 0; n < used; n++)
		CHECK(http_parse_request(text, n, &head, &used) == -EAGAIN);
}

TEST(reads_an_answer)
{
	static const char text[] = "HTTP/1.1 101 Switching Protocols\nDerp-Version: 2\n\n";
	struct http_head head;
	size_t used;

	CHECK(http_parse_response(text, sizeof(text) - 1, &head, &used) == 0);
	CHECK(head.status == 101 && used == sizeof(text) - 1);
}

TEST(refuses_what_is_not_http_or_could_be_read_two_ways)
{
	static const char *const bad[] = {
		"GET / HTTP/2.0\r\n\r\n",
		"GET /\r\n\r\n",
		"GET  / HTTP/1.1\r\n\r\n",
		"GET x HTTP/1.1\r\n\r\n",
		"G(T / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nA : b\r\n\r\n",
		"GET / HTTP/1.1\r\n folded\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\001\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	};
	struct http_head head;
	size_t used;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(http_parse_request(bad[i], strlen(bad[i]), &head, &used), -EBADMSG);
	CHECK(http_parse_response("HTTP/1.1 99 x\r\n\r\n", 17, &head, &used) == -EBADMSG);
	CHECK(http_parse_response("SSH-2.0-x\r\n\r\n", 13, &head, &used) == -EBADMSG);
}

TEST(heads_have_a_largest_size)
{
	static char text[HTTP_HEAD_MAX + 100];
	struct http_head head;
	size_t used, n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n");

	for (unsigned i = 0; i < HTTP_FIELDS_MAX + 1; i++)
		n += (size_t)sprintf(text + n, "A: b\r\n");
	CHECK(http_parse_request(text, n, &head, &used) == -E2BIG);
	memset(text, 'a', sizeof(text));
	CHECK(http_parse_request(text, HTTP_HEAD_MAX - 1, &head, &used) == -EAGAIN);
	CHECK(http_parse_request(text, HTTP_HEAD_MAX, &head, &used) == -E2BIG);
}

TEST(takes_urls_apart_and_writes_authorities)
{
	static const struct {
		const char *text, *host, *path, *authority;
		uint16_t port;
	} good[] = {
		{"https://warren.example", "warren.example", "/", "warren.example", 443},
		{"https://10.0.0.1:8443/x?y#z", "10.0.0.1", "/x?y", "10.0.0.1:8443", 8443},
		{"http://[2001:db8::1]:80", "2001:db8::1", "/", "[2001:db8::1]", 80},
		{"http://h?q", "h", "/?q", "h", 80},
	};
	static const char *const bad[] = {"ftp://x",	 "https://",	    "https://:1",
					  "https://h:",	 "https://h:0",	    "https://h:65536",
					  "https://u@h", "https://[1.2.3]", "https://h h"};
	char authority[HTTP_HOST_LEN + 16];
	struct http_url url;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CHECK(http_url_parse(good[i].text, &url) == 0);
		CHECK_STR(url.host, good[i].host);
		CHECK_STR(url.path, good[i].path);
		CHECK_INT(url.port, good[i].port);
		http_url_authority(&url, authority);
		CHECK_STR(authority, good[i].authority);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(http_url_parse(bad[i], &url), -EBADMSG);
}

/* ---- server and client ---- */

struct net {
	struct event_base *base;
	struct resolver *resolver;
	struct tcp_listener *listener;
	struct http_server *server;
	struct loop_timer *timeout;
	struct dial_config dial;
	struct http_call *call;
	struct http_exchange *held;
	struct tls_conn *upgraded;
	unsigned requests, gone;

	unsigned status;
	char body[256], error[256];
};

static void on_timeout(void *arg, uint64_t now_us)
{
	(void)now_us;
	strcpy(((struct net *)arg)->error, "test timed out");
	loop_stop(((struct net *)arg)->base);
}

static void echo_readable(void *arg)
{
	struct net *n = arg;
	char buf[64];
	size_t got;

	while (tls_conn_read(n->upgraded, buf, sizeof(buf), &got) == 0)
		CHECK(tls_conn_write(n->upgraded, buf, got) == 0);
}

static void echo_closed(void *arg, const char *reason)
{
	struct net *n = arg;

	(void)reason;
	tls_conn_free(n->upgraded);
	n->upgraded = NULL;
}

static const struct tls_conn_ops echo_ops = {.on_readable = echo_readable,
					     .on_closed = echo_closed};

static void on_request(void *arg, struct http_exchange *x)
{
	const struct http_head *head = http_exchange_head(x);
	struct net *n = arg;
	size_t len;

	n->requests++;
	if (http_text_is(head->path, "/echo")) {
		const char *body = http_exchange_body(x, &len);
		http_reply(x, 200, "text/plain", "X-More: 1\r\n", body, len);
	} else if (http_text_is(head->path, "/hold")) {
		n->held = x;
	} else if (http_text_is(head->path, "/up")) {
		n->upgraded = http_upgrade(x, "Upgrade: echo\r\nConnection: Upgrade\r\n");
		tls_conn_set_ops(n->upgraded, &echo_ops, n);
	} else {
		http_reply_text(x, 404, "no such thing\n");
	}
}

static void on_gone(void *arg, struct http_exchange *x)
{
	struct net *n = arg;

	CHECK(n->held == x);
	n->held = NULL;
	n->gone++;
	loop_stop(n->base);
}

static void on_accepted(void *arg, int fd, const struct endpoint *from)
{
	http_server_accept(((struct net *)arg)->server, fd, from);
}

static void net_init_with(struct net *n, size_t conns_max)
{
	char error[TCP_ERROR_LEN];

	*n = (struct net){.base = loop_base_new()};
	n->resolver = resolver_new(n->base);
	n->timeout = loop_timer_new(n->base, on_timeout, n);
	loop_timer_set(n->timeout, clock_now_us() + 5 * US_PER_S);
	n->server = http_server_new(n->base, &(struct http_server_config){.on_request = on_request,
									  .gone = on_gone,
									  .arg = n,
									  .body_max = 100,
									  .conns_max = conns_max});
	CHECK(tcp_listener_new(n->base, "127.0.0.1:0", on_accepted, n, &n->listener, error) == 0);
	strcpy(n->dial.host, "127.0.0.1");
	n->dial.port = tcp_listener_port(n->listener);
}

static void net_init(struct net *n)
{
	net_init_with(n, 0);
}

static void net_wipe(struct net *n)
{
	http_call_free(n->call);
	tls_conn_free(n->upgraded);
	tcp_listener_free(n->listener);
	http_server_free(n->server);
	loop_timer_free(n->timeout);
	resolver_free(n->resolver);
	loop_base_free(n->base);
}

static void on_done(void *arg, const struct http_result *r)
{
	struct net *n = arg;

	n->status = r->status;
	snprintf(n->error, sizeof(n->error), "%s", r->error ? r->error : "");
	if (!r->error) {
		CHECK(r->len < sizeof(n->body) && r->answer_us > 0 && r->answer_us < US_PER_S);
		memcpy(n->body, r->body, r->len + 1);
	}
	loop_stop(n->base);
}

static void call(struct net *n, const char *method, const char *path, const char *body,
		 unsigned repeat)
{
	http_call_free(n->call);
	n->call = http_call_new(n->base, n->resolver,
				&(struct http_call_config){.dial = &n->dial,
							   .method = method,
							   .path = path,
							   .body = body,
							   .body_len = strlen(body),
							   .repeat = repeat},
				on_done, n);
	loop_run(n->base);
}

TEST(a_call_gets_its_answer_and_warm_calls_reuse_the_connection)
{
	struct net n;

	net_init(&n);
	call(&n, "POST", "/echo", "hello", 0);
	CHECK_STR(n.error, "");
	CHECK(n.status == 200 && n.requests == 1);
	CHECK_STR(n.body, "hello");
	call(&n, "POST", "/echo", "again", 2);
	CHECK_STR(n.body, "again");
	CHECK(n.requests == 4 && http_server_conns(n.server) <= 2);
	call(&n, "GET", "/none", "", 0);
	CHECK(n.status == 404);
	call(&n, "HEAD", "/none", "", 0);
	CHECK(n.status == 404);
	CHECK_STR(n.body, "");
	net_wipe(&n);
}

TEST(a_body_beyond_the_limit_is_refused)
{
	char big[102];
	struct net n;

	memset(big, 'x', 101);
	big[101] = '\0';
	net_init(&n);
	call(&n, "POST", "/echo", big, 0);
	CHECK(n.status == 413 && n.requests == 0);
	net_wipe(&n);
}

static int connect_raw(const struct net *n)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(n->dial.port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return fd;
}

static void turn(struct net *n, uint64_t us)
{
	loop_timer_set(n->timeout, clock_now_us() + us);
	loop_run(n->base);
	loop_timer_set(n->timeout, clock_now_us() + 5 * US_PER_S);
	n->error[0] = '\0';
}

TEST(a_crowd_that_says_nothing_keeps_nobody_out)
{
	struct http_server_counts counts = {0};
	struct net n;
	char byte;
	int fds[3];

	net_init_with(&n, 3);
	for (size_t i = 0; i < 3; i++)
		fds[i] = connect_raw(&n);
	turn(&n, 20000);
	CHECK(http_server_conns(n.server) == 3);
	call(&n, "POST", "/echo", "hello", 0);
	CHECK_STR(n.error, "");
	CHECK_STR(n.body, "hello");
	CHECK(recv(fds[0], &byte, 1, MSG_DONTWAIT) == 0); /* the oldest made way */
	CHECK(recv(fds[1], &byte, 1, MSG_DONTWAIT) < 0);
	close(fds[1]);
	turn(&n, 20000);
	http_server_add_counts(n.server, &counts);
	CHECK(counts.accepted == 4 && counts.ended[HTTP_END_CROWDED] == 1);
	CHECK(counts.ended[HTTP_END_CLIENT] >= 1);
	close(fds[0]);
	close(fds[2]);
	net_wipe(&n);
}

TEST(one_that_waits_for_an_answer_does_not_make_way)
{
	struct net n;

	net_init_with(&n, 1);
	n.dial.timeout_us = 100 * 1000;
	int fd = connect_raw(&n);
	CHECK(write(fd, "GET /hold HTTP/1.1\r\n\r\n", 23) == 23);
	turn(&n, 20000);
	CHECK(n.held != NULL);
	call(&n, "GET", "/none", "", 0);
	CHECK(n.error[0] != '\0' && n.held != NULL); /* the new one is closed */
	http_reply_text(n.held, 200, "here");
	n.held = NULL;
	close(fd);
	net_wipe(&n);
}

TEST(who_asks_on_and_never_reads_is_not_answered_without_end)
{
	static const char request[] = "GET /echo HTTP/1.1\r\n\r\n";
	static char requests[1000 * (sizeof(request) - 1)];
	size_t sent = 0, wanted = 400 * sizeof(requests), at = 0;
	struct net n;

	for (size_t i = 0; i < sizeof(requests); i++)
		requests[i] = request[i % (sizeof(request) - 1)];
	net_init(&n);
	int fd = connect_raw(&n);
	for (unsigned refusals = 0; sent < wanted && refusals < 20;) {
		ssize_t got = send(fd, requests + at, sizeof(requests) - at, MSG_DONTWAIT);

		refusals = got > 0 ? 0 : refusals + 1;
		sent += got > 0 ? (size_t)got : 0;
		at = sent % sizeof(requests);
		turn(&n, 5000);
	}
	CHECK(sent < wanted && n.requests > 0);
	close(fd);
	net_wipe(&n);
}

/* What a raw client gets for text, until the server closes or `until` bytes came. */
static void talk(struct net *n, const char *text, char *out, size_t cap, size_t until)
{
	struct endpoint to;
	struct sockaddr_storage addr;
	struct event_base *base = n->base;
	size_t len = 0;

	CHECK(endpoint_parse("127.0.0.1:1", &to) == 0);
	to.port = n->dial.port;
	socklen_t addr_len = endpoint_to_sockaddr(&to, &addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(fd, (struct sockaddr *)&addr, addr_len) == 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	while (len < until) {
		loop_timer_set(n->timeout, clock_now_us() + 2000);
		loop_run(base);
		ssize_t got = recv(fd, out + len, cap - len - 1, MSG_DONTWAIT);
		if (got == 0)
			break;
		len += got > 0 ? (size_t)got : 0;
	}
	out[len] = '\0';
	close(fd);
}

TEST(requests_that_come_together_are_answered_in_turn)
{
	char got[1024];
	struct net n;

	net_init(&n);
	talk(&n,
	     "POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
	     "POST /echo HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\ncd",
	     got, sizeof(got), sizeof(got));
	CHECK_STR(got, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n"
		       "X-More: 1\r\n\r\nab"
		       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n"
		       "X-More: 1\r\nConnection: close\r\n\r\ncd");
	net_wipe(&n);
}

TEST(an_upgraded_connection_keeps_the_bytes_behind_the_head)
{
	static const char wanted[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n"
				     "Connection: Upgrade\r\n\r\nearly";
	char got[1024];
	struct net n;

	net_init(&n);
	talk(&n, "GET /up HTTP/1.1\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nearly", got,
	     sizeof(got), sizeof(wanted) - 1);
	CHECK_STR(got, wanted);
	CHECK(http_server_conns(n.server) == 0);
	net_wipe(&n);
}

TEST(garbage_gets_400_and_a_close)
{
	char got[1024];
	struct net n;

	net_init(&n);
	talk(&n, "\x16\x03\x01 hello\r\n\r\n", got, sizeof(got), sizeof(got));
	CHECK_STR(got, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n"
		       "Connection: close\r\n\r\n");
	CHECK(n.requests == 0);
	struct http_server_counts counts = {0};
	turn(&n, 20000); /* until the server has seen the client go */
	http_server_add_counts(n.server, &counts);
	CHECK(counts.accepted == 1 && counts.ended[HTTP_END_REFUSED] == 1);
	net_wipe(&n);
}

TEST(a_request_byte_by_byte_is_a_request)
{
	static const char text[] = "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
				   "POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nyo";
	char got[400];
	struct net n;

	net_init(&n);
	int fd = connect_raw(&n);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		CHECK(write(fd, text + i, 1) == 1);
		turn(&n, 500);
	}
	for (int i = 0; i < 100 && n.requests < 2; i++)
		turn(&n, 10000);
	CHECK_INT(n.requests, 2);
	ssize_t len = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	CHECK(len > 2 && memcmp(got + len - 2, "yo", 2) == 0);
	close(fd);
	net_wipe(&n);
}

TEST(a_client_that_leaves_before_the_answer_is_told_of)
{
	struct net n;

	net_init(&n);
	n.dial.timeout_us = 30 * 1000;
	call(&n, "GET", "/hold", "", 0);
	CHECK_STR(n.error, "timed out");
	CHECK(n.held != NULL);
	http_reply_text(n.held, 200, "too late");
	n.held = NULL;
	loop_timer_set(n.timeout, clock_now_us() + 20000);
	loop_run(n.base);
	CHECK(n.gone == 0 && http_server_conns(n.server) == 0);
	net_wipe(&n);
}

static void fill(void *arg, struct metric_page *page)
{
	metric_one_counter(page, "warren_test_total", "Test.", *(unsigned *)arg);
}

TEST(metrics_and_health_are_served)
{
	char error[HTTP_ERROR_LEN];
	struct http_metrics *m;
	unsigned value = 42;
	struct net n;

	net_init(&n);
	CHECK(http_metrics_start(n.base, "127.0.0.1:0", fill, &value, &m, error) == 0);
	http_metrics_free(m);
	snprintf(n.body, sizeof(n.body), "127.0.0.1:%u", n.dial.port);
	CHECK(http_metrics_start(n.base, n.body, fill, &value, &m, error) == -EADDRINUSE);
	CHECK(strstr(error, "Address already in use") != NULL);
	tcp_listener_free(n.listener); /* its port is free now */
	n.listener = NULL;
	CHECK(http_metrics_start(n.base, n.body, fill, &value, &m, error) == 0);
	call(&n, "GET", "/healthz", "", 0);
	CHECK_STR(n.body, "ok\n");
	http_metrics_free(m);
	net_wipe(&n);
}
