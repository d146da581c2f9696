#include <stdlib.h>
#include <string.h>

#include "common/metric.h"
#include "common/net/http.h"
#include "common/net/tcp.h"

enum { CONNS_MAX = 16 };

struct http_metrics {
	struct tcp_listener *listener;
	struct http_server *server;
	void (*fill)(void *arg, struct metric_page *page);
	void *arg;
};

static void reply_metrics(struct http_metrics *m, struct http_exchange *x)
{
	struct metric_page *page = metric_page_new();
	size_t len;

	m->fill(m->arg, page);
	metric_process(page);
	const char *text = metric_page_text(page, &len);
	http_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, text, len);
	metric_page_free(page);
}

static void on_request(void *arg, struct http_exchange *x)
{
	struct http_metrics *m = arg;
	const struct http_head *head = http_exchange_head(x);

	if (!http_text_is(head->method, "GET") && !http_text_is(head->method, "HEAD"))
		http_reply_text(x, 405, "GET only\n");
	else if (http_text_is(head->path, "/metrics"))
		reply_metrics(m, x);
	else if (http_text_is(head->path, "/healthz"))
		http_reply_text(x, 200, "ok\n");
	else
		http_reply_text(x, 404, "there are /metrics and /healthz\n");
}

static void on_accepted(void *arg, int fd, const struct endpoint *from)
{
	struct http_metrics *m = arg;
	http_server_accept(m->server, fd, from);
}

int http_metrics_start(struct event_base *base, const char *addr,
		       void (*fill)(void *arg, struct metric_page *page), void *arg,
		       struct http_metrics **out, char error[static HTTP_ERROR_LEN])
{
	struct http_metrics *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->fill = fill;
	m->arg = arg;
	int err = tcp_listener_new(base, addr, on_accepted, m, &m->listener, error);
	if (err) {
		free(m);
		return err;
	}
	m->server = http_server_new(base, &(struct http_server_config){.on_request = on_request,
								       .arg = m,
								       .conns_max = CONNS_MAX});
	*out = m;
	return 0;
}

void http_metrics_free(struct http_metrics *m)
{
	if (!m)
		return;
	tcp_listener_free(m->listener);
	http_server_free(m->server);
	free(m);
}
