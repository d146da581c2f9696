/*
 * http: HTTP/1.1 (RFC 9112), as much as our programs speak: parsing of heads, a server on TLS or
 * plain connections with hand-over of upgraded ones, one-shot client calls, and the page every
 * program shows at --metrics. No chunked requests, no pipelining past an upgrade.
 */
#ifndef WARREN_HTTP_H
#define WARREN_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/wire.h"

struct dial_config;
struct event_base;
struct http_call;
struct http_exchange;
struct http_metrics;
struct http_server;
struct metric_page;
struct resolver;
struct tls_conn;
struct tls_context;

enum { HTTP_HEAD_MAX = 8192, HTTP_FIELDS_MAX = 64, HTTP_ERROR_LEN = 256 };

/* A piece of the parsed bytes, without a NUL. */
struct http_text {
	const char *at;
	size_t len;
};

struct http_field {
	struct http_text name, value;
};

struct http_head {
	struct http_text method, target; /* request: "GET", "/v1/session?x=1" */
	struct http_text path, query;	 /* the target's parts, undecoded; query without '?' */
	unsigned status;		 /* response: 101 */
	bool keep_alive;		 /* HTTP/1.1 without "Connection: close" */
	size_t content_length;		 /* 0 where absent */
	bool has_length, chunked;
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t n_fields;
};

/* ---- heads (core) ---- */

/* Reads a head from the len bytes; *used is its size, and *out points into buf. -EAGAIN: more is
 * needed; -EBADMSG: not HTTP; -E2BIG: HTTP_HEAD_MAX or HTTP_FIELDS_MAX passed. */
MUST_CHECK int http_parse_request(const char *buf, size_t len, struct http_head *out, size_t *used);
MUST_CHECK int http_parse_response(const char *buf, size_t len, struct http_head *out,
				   size_t *used);
/* The first field of that name in any case, or an empty text (at NULL). */
struct http_text http_find(const struct http_head *head, const char *name);
/* True where a comma-separated field holds the token, in any case. */
bool http_has_token(const struct http_head *head, const char *name, const char *token);
bool http_text_is(struct http_text text, const char *wanted);
/* Copies text with a NUL; false where it does not fit. */
MUST_CHECK bool http_text_copy(struct http_text text, char *out, size_t cap);
/* Percent-decoded value of a query's key; false where absent or too long. */
MUST_CHECK bool http_query_find(struct http_text query, const char *key, char *out, size_t cap);

enum { HTTP_HOST_LEN = 256, HTTP_PATH_LEN = 512 };

struct http_url {
	bool tls; /* https: or http: */
	char host[HTTP_HOST_LEN];
	uint16_t port;
	char path[HTTP_PATH_LEN]; /* with the query; "/" at least */
};

/* "https://host[:port][/path]", IPv6 hosts in brackets. -EBADMSG otherwise. */
MUST_CHECK int http_url_parse(const char *text, struct http_url *out);
/* "host", "host:port" or "[v6]:port" for the Host field; port left out where it is the default. */
void http_url_authority(const struct http_url *url, char out[static HTTP_HOST_LEN + 16]);

/* ---- server ---- */

struct http_server_config {
	struct tls_context *tls; /* NULL: plain */
	/* Every request ends in http_reply, http_upgrade or http_drop, then or later; x is valid
	 * until then, or until gone is called for it. */
	void (*on_request)(void *arg, struct http_exchange *x);
	/* The client went away before the answer; x is dead. May be NULL. */
	void (*gone)(void *arg, struct http_exchange *x);
	void *arg;
	size_t body_max; /* longer requests get 413 */
	/* One more closes the oldest that has no request under way: a crowd that says nothing
	 * keeps nobody out. 0 = 1000. */
	size_t conns_max;
	uint64_t idle_us;	 /* handshake, request and keep-alive each; 0 = 30 s */
	const char *more_fields; /* "Strict-Transport-Security: …\r\n" on every answer, or NULL */
};

struct http_server *http_server_new(struct event_base *base, const struct http_server_config *cfg);
/* Closes its connections, but not upgraded ones. */
void http_server_free(struct http_server *s);
/* Takes over an accepted connection, from a tcp_listener of any kind. */
void http_server_accept(struct http_server *s, int fd, const struct endpoint *from);
size_t http_server_conns(const struct http_server *s);

/* How connections ended, those that are still open aside. */
enum http_end {
	HTTP_END_UPGRADED,  /* handed over */
	HTTP_END_ANSWERED,  /* by us, behind an answer */
	HTTP_END_REFUSED,   /* by us: not HTTP, too large, or dropped by the owner */
	HTTP_END_CLIENT,    /* by the client, or broken */
	HTTP_END_HANDSHAKE, /* TLS never stood */
	HTTP_END_IDLE,	    /* said nothing for idle_us */
	HTTP_END_CROWDED,   /* the oldest of more than conns_max */
	HTTP_ENDS
};

struct http_server_counts {
	uint64_t accepted;
	uint64_t ended[HTTP_ENDS];
};

/* Adds the server's counts to *sum. From any thread. */
void http_server_add_counts(const struct http_server *s, struct http_server_counts *sum);
/* A family `name` by end, and a gauge of those open (accepted and not ended). */
void http_server_counts_fill(const struct http_server_counts *counts, const char *name,
			     const char *open_name, struct metric_page *page);

const struct http_head *http_exchange_head(const struct http_exchange *x);
/* The body, NUL behind it. */
const char *http_exchange_body(const struct http_exchange *x, size_t *len);
struct endpoint http_exchange_peer(const struct http_exchange *x);
/* For the owner's use, as for finding the exchange again. */
void http_exchange_set_user(struct http_exchange *x, void *user);
void *http_exchange_user(const struct http_exchange *x);

/* Answers and ends x. type and more_fields ("Name: value\r\n" lines) may be NULL. */
void http_reply(struct http_exchange *x, unsigned status, const char *type, const char *more_fields,
		const void *body, size_t len);
void http_reply_text(struct http_exchange *x, unsigned status, const char *text);
/* Closes the connection without an answer and ends x. */
void http_drop(struct http_exchange *x);
/* Ends x, writes "101 Switching Protocols" with the given "Name: value\r\n" lines (NULL: writes
 * nothing, for DERP fast start) and gives the connection to the caller, who sets its ops. Bytes
 * read behind the head come first from tls_conn_read. */
struct tls_conn *http_upgrade(struct http_exchange *x, const char *fields);

/* ---- client ---- */

struct http_result {
	const char *error; /* one line, or NULL: then the rest is valid */
	unsigned status;
	const char *body; /* NUL behind it */
	size_t len;
	uint64_t connect_us; /* DNS, TCP and TLS */
	uint64_t answer_us;  /* from the request's leaving to the head's arrival */
};

struct http_call_config {
	const struct dial_config *dial; /* copied; its timeout_us holds for the whole call */
	const char *method;		/* "GET", "POST" */
	const char *path;
	const char *fields; /* "Name: value\r\n" lines, or NULL */
	const void *body;
	size_t body_len;
	size_t answer_max; /* a longer body is an error; 0 = 64 KiB */
	unsigned repeat;   /* so many warm-up requests on the connection before the one reported */
};

/* done is called once and never before this returns; the result is valid during the call. */
struct http_call *http_call_new(struct event_base *base, struct resolver *resolver,
				const struct http_call_config *cfg,
				void (*done)(void *arg, const struct http_result *result),
				void *arg);
/* Cancels without calling done; needed after done too (also from within it). */
void http_call_free(struct http_call *c);

/* ---- metrics ---- */

/* Serves /metrics (a page that fill writes) and /healthz ("ok") on addr in plain HTTP. -errno with
 * one line in error. */
MUST_CHECK int http_metrics_start(struct event_base *base, const char *addr,
				  void (*fill)(void *arg, struct metric_page *page), void *arg,
				  struct http_metrics **out, char error[static HTTP_ERROR_LEN]);
void http_metrics_free(struct http_metrics *m);

#endif
