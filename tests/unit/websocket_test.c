#include "common/net/websocket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/dial.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/resolve.h"
#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "tests/unit/test.h"

enum { MESSAGE_MAX = 300 * 1000 };

struct net {
	struct event_base *base;
	struct resolver *resolver;
	struct tcp_listener *listener;
	struct http_server *server;
	struct loop_timer *timeout;
	struct dial *dial;
	struct dial_config cfg;
	struct websocket *at_server, *at_client;
	const char *path;

	bool timed_out, free_on_message;
	char nonce[16];
	unsigned pongs, texts, binaries;
	size_t last_len;
	uint8_t last_byte;
	unsigned server_code, client_code;
	char server_reason[128], client_reason[128];
};

static void on_timeout(void *arg, uint64_t now_us)
{
	(void)now_us;
	((struct net *)arg)->timed_out = true;
	loop_stop(((struct net *)arg)->base);
}

/* ---- server: sends every message back ---- */

static void server_message(void *arg, bool text, const uint8_t *bytes, size_t len)
{
	struct net *n = arg;
	int err = text ? websocket_send_text(n->at_server, (const char *)bytes, len)
		       : websocket_send_binary(n->at_server, bytes, len);

	CHECK(err == 0 && bytes[len] == '\0');
}

static void server_closed(void *arg, unsigned code, const char *reason)
{
	struct net *n = arg;

	n->server_code = code;
	snprintf(n->server_reason, sizeof(n->server_reason), "%s", reason);
	websocket_free(n->at_server);
	n->at_server = NULL;
	if (!n->at_client)
		loop_stop(n->base);
}

static const struct websocket_ops server_ops = {.on_message = server_message,
						.on_closed = server_closed};

static void on_request(void *arg, struct http_exchange *x)
{
	const struct websocket_config cfg = {
		.ops = &server_ops, .arg = arg, .message_max = MESSAGE_MAX};
	struct net *n = arg;

	if (!websocket_is_upgrade(x) || !http_text_is(http_exchange_head(x)->path, "/v1/session")) {
		http_reply_text(x, 404, "not here\n");
		return;
	}
	n->at_server = websocket_server_new(x, &cfg, "Warren-Nonce: abc\r\n");
	CHECK(websocket_send_text(n->at_server, "welcome", 7) == 0);
}

static void on_accepted(void *arg, int fd, const struct endpoint *from)
{
	http_server_accept(((struct net *)arg)->server, fd, from);
}

/* ---- client ---- */

static void client_open(void *arg, const struct http_head *answer)
{
	struct net *n = arg;

	CHECK(http_text_copy(http_find(answer, "warren-nonce"), n->nonce, sizeof(n->nonce)));
	CHECK(websocket_ping(n->at_client) == 0);
}

static void send_next(struct net *n)
{
	static uint8_t big[MESSAGE_MAX];

	switch (n->texts + n->binaries) {
	case 1:
		memset(big, 7, sizeof(big));
		CHECK(websocket_send_binary(n->at_client, big, sizeof(big)) == 0);
		return;
	case 2:
		CHECK(websocket_send_text(n->at_client, "", 0) == 0);
		return;
	default:
		websocket_close(n->at_client, WEBSOCKET_GOING_AWAY, "bye");
		CHECK(websocket_send_text(n->at_client, "x", 1) == -EPIPE);
	}
}

static void client_message(void *arg, bool text, const uint8_t *bytes, size_t len)
{
	struct net *n = arg;

	n->texts += text;
	n->binaries += !text;
	n->last_len = len;
	n->last_byte = len > 0 ? bytes[len - 1] : 0;
	if (n->free_on_message) {
		websocket_free(n->at_client);
		n->at_client = NULL;
	} else {
		send_next(n);
	}
}

static void client_pong(void *arg)
{
	((struct net *)arg)->pongs++;
}

static void client_closed(void *arg, unsigned code, const char *reason)
{
	struct net *n = arg;

	n->client_code = code;
	snprintf(n->client_reason, sizeof(n->client_reason), "%s", reason);
	websocket_free(n->at_client);
	n->at_client = NULL;
	if (!n->at_server)
		loop_stop(n->base);
}

static const struct websocket_ops client_ops = {.on_open = client_open,
						.on_message = client_message,
						.on_pong = client_pong,
						.on_closed = client_closed};

static void on_dialled(void *arg, struct tls_conn *conn, const struct dial_times *times,
		       const char *error)
{
	struct net *n = arg;
	const uint8_t random[16] = {1, 2, 3};

	(void)times;
	CHECK(error == NULL);
	n->at_client = websocket_client_new(conn,
					    &(struct websocket_config){.ops = &client_ops,
								       .arg = n,
								       .message_max = MESSAGE_MAX},
					    "127.0.0.1", n->path, NULL, random);
}

static struct net run(const char *path, bool free_on_message)
{
	struct net n = {.base = loop_base_new(), .path = path, .free_on_message = free_on_message};
	char error[TCP_ERROR_LEN];

	n.resolver = resolver_new(n.base);
	n.timeout = loop_timer_new(n.base, on_timeout, &n);
	loop_timer_set(n.timeout, clock_now_us() + 5 * US_PER_S);
	n.server = http_server_new(
		n.base, &(struct http_server_config){.on_request = on_request, .arg = &n});
	CHECK(tcp_listener_new(n.base, "127.0.0.1:0", on_accepted, &n, &n.listener, error) == 0);
	strcpy(n.cfg.host, "127.0.0.1");
	n.cfg.port = tcp_listener_port(n.listener);
	n.dial = dial_new(n.base, n.resolver, &n.cfg, on_dialled, &n);
	loop_run(n.base);
	dial_free(n.dial);
	websocket_free(n.at_client);
	websocket_free(n.at_server);
	tcp_listener_free(n.listener);
	http_server_free(n.server);
	loop_timer_free(n.timeout);
	resolver_free(n.resolver);
	loop_base_free(n.base);
	return n;
}

TEST(messages_of_every_size_go_both_ways_and_the_close_tells_why)
{
	struct net n = run("/v1/session", false);

	CHECK(!n.timed_out);
	CHECK_STR(n.nonce, "abc");
	CHECK(n.texts == 2 && n.binaries == 1 && n.pongs == 1);
	CHECK(n.last_len == 0);
	CHECK(n.server_code == WEBSOCKET_GOING_AWAY && n.client_code == WEBSOCKET_GOING_AWAY);
	CHECK_STR(n.server_reason, "bye");
}

TEST(a_refused_upgrade_is_told_with_its_status)
{
	struct net n = run("/other", false);

	CHECK(!n.timed_out);
	CHECK(n.client_code == 0);
	CHECK_STR(n.client_reason, "the server answered 404 to the upgrade");
}

TEST(an_owner_may_free_it_from_within_a_message)
{
	struct net n = run("/v1/session", true);

	CHECK(!n.timed_out && n.texts == 1 && n.server_code == 0);
}
