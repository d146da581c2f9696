#include "agent/session/coordinator_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "common/net/websocket.h"
#include "tests/unit/test.h"

static const uint8_t nonce[CONTROL_NONCE_LEN] = {1, 2, 3};

/* A coordinator that checks the proof and greets, and the link of one node, on loopback. */
struct net {
	struct event_base *base;
	struct loop_timer *timeout;
	char dir[64], cert[128], key[128], url[64];
	struct tls_context *tls;
	struct tcp_listener *listener;
	struct http_server *server;
	struct websocket *ws;
	enum control_error_code refuse_with; /* 0: greet */
	bool close_after_map, free_in_message;
	struct control_where where;
	uint64_t acked;
	unsigned hellos, proven;

	struct machine_secret machine;
	struct public_key machine_key;
	struct coordinator_link *link;
	char script[256]; /* what the ops were told, in order */
	char error[256];
};

static void say(struct net *n, const char *word)
{
	size_t used = strlen(n->script);

	snprintf(n->script + used, sizeof(n->script) - used, "%s%s", used ? " " : "", word);
}

static void on_timeout(void *arg, uint64_t now_us)
{
	(void)now_us;
	say(arg, "TIMED-OUT");
	loop_stop(((struct net *)arg)->base);
}

/* ---- the coordinator ---- */

static void server_send(struct net *n, const struct control_message *m)
{
	char *text;
	size_t len;

	CHECK(control_encode(m, &text, &len) == 0);
	CHECK(websocket_send_text(n->ws, text, len) == 0);
	free(text);
}

static void greet(struct net *n)
{
	struct control_message welcome = {.type = CONTROL_WELCOME};
	struct control_message map = {.type = CONTROL_MAP, .map = {.number = 7, .full = true}};

	welcome.welcome.id = 5;
	strcpy(welcome.welcome.name, "dev");
	strcpy(welcome.welcome.owner, "alice");
	strcpy(welcome.welcome.version, "0.1.0");
	CHECK(ip_parse("10.7.0.5", &welcome.welcome.v4) == 0);
	CHECK(ip_parse("fd00::5", &welcome.welcome.v6) == 0);
	CHECK(prefix_parse("10.7.0.0/16", &welcome.welcome.mesh_v4) == 0);
	CHECK(prefix_parse("fd00::/48", &welcome.welcome.mesh_v6) == 0);
	server_send(n, &welcome);
	server_send(n, &map);
}

static void take_hello(struct net *n, const struct control_hello *h)
{
	uint8_t spki[TLS_HASH_LEN];

	n->hellos++;
	tls_context_spki(n->tls, spki);
	n->proven += control_proof_verify(&h->machine_key, nonce, spki, h->proof);
	CHECK_STR(h->name, "dev");
	if (n->refuse_with != 0) {
		struct control_message m = {.type = CONTROL_ERROR, .error.code = n->refuse_with};

		strcpy(m.error.text, "no");
		server_send(n, &m);
		websocket_close(n->ws, WEBSOCKET_POLICY, "no");
		return;
	}
	greet(n);
}

static void server_message(void *arg, bool text, const uint8_t *bytes, size_t len)
{
	struct net *n = arg;
	struct control_message m;
	char why[100];

	CHECK(text && control_decode((const char *)bytes, len, CONTROL_NODE_MESSAGE_MAX, &m, why,
				     sizeof(why)) == 0);
	if (m.type == CONTROL_HELLO)
		take_hello(n, &m.hello);
	if (m.type == CONTROL_ENDPOINTS)
		n->where = m.endpoints;
	if (m.type == CONTROL_ACK) {
		n->acked = m.ack;
		if (n->close_after_map && n->hellos == 1)
			websocket_close(n->ws, WEBSOCKET_GOING_AWAY, "restart");
		else
			loop_stop(n->base);
	}
	control_message_wipe(&m);
}

static void server_closed(void *arg, unsigned code, const char *reason)
{
	struct net *n = arg;

	(void)code;
	(void)reason;
	websocket_free(n->ws);
	n->ws = NULL;
}

static const struct websocket_ops server_ops = {.on_message = server_message,
						.on_closed = server_closed};

static void on_request(void *arg, struct http_exchange *x)
{
	struct net *n = arg;
	char fields[128] = "Warren-Nonce: ";

	CHECK(websocket_is_upgrade(x) && http_text_is(http_exchange_head(x)->path, "/v1/session"));
	hex_encode(nonce, sizeof(nonce), fields + strlen(fields));
	strcat(fields, "\r\n");
	n->ws = websocket_server_new(
		x,
		&(struct websocket_config){
			.ops = &server_ops, .arg = n, .message_max = CONTROL_NODE_MESSAGE_MAX},
		fields);
}

static void on_accepted(void *arg, int fd, const struct endpoint *from)
{
	http_server_accept(((struct net *)arg)->server, fd, from);
}

/* ---- the node ---- */

static void make_hello(void *arg, struct control_hello *out)
{
	struct net *n = arg;

	out->machine_key = n->machine_key;
	strcpy(out->name, "dev");
	strcpy(out->owner, "alice");
	strcpy(out->version, "0.1.0");
}

static void on_state(void *arg, bool connected, const char *error)
{
	struct net *n = arg;

	say(n, connected ? "up" : "down");
	if (connected)
		return;
	snprintf(n->error, sizeof(n->error), "%s", error);
	if (!n->close_after_map)
		loop_stop(n->base);
}

static void on_message(void *arg, const struct control_message *m)
{
	struct net *n = arg;

	say(n, control_type_str(m->type));
	if (n->free_in_message) {
		coordinator_link_free(n->link);
		n->link = NULL;
		loop_stop(n->base);
		return;
	}
	if (m->type != CONTROL_MAP)
		return;
	coordinator_link_send_where(n->link, &(struct control_where){.home_region = 3});
	coordinator_link_ack(n->link, m->map.number);
}

static void on_refused(void *arg, const struct control_error *error)
{
	struct net *n = arg;

	say(n, control_error_str(error->code));
	loop_stop(n->base);
}

static void on_broken(void *arg)
{
	say(arg, "broken");
}

static const struct coordinator_link_ops link_ops = {.make_hello = make_hello,
						     .on_broken = on_broken,
						     .on_state = on_state,
						     .on_message = on_message,
						     .on_refused = on_refused};

static void net_init(struct net *n)
{
	static const char *const names[] = {"127.0.0.1"};
	const uint8_t random[KEY_LEN] = {9};
	char error[TLS_ERROR_LEN];

	*n = (struct net){.base = loop_base_new()};
	n->timeout = loop_timer_new(n->base, on_timeout, n);
	loop_timer_set(n->timeout, clock_now_us() + 8 * US_PER_S);
	strcpy(n->dir, "/tmp/warren-link-XXXXXX");
	CHECK(mkdtemp(n->dir) != NULL);
	snprintf(n->cert, sizeof(n->cert), "%s/cert.pem", n->dir);
	snprintf(n->key, sizeof(n->key), "%s/key.pem", n->dir);
	CHECK(tls_self_signed_ensure(n->cert, n->key, names, 1, error) == 0);
	CHECK(tls_server_context_new(n->cert, n->key, &n->tls, error) == 0);
	n->server = http_server_new(
		n->base,
		&(struct http_server_config){.tls = n->tls, .on_request = on_request, .arg = n});
	CHECK(tcp_listener_new(n->base, "127.0.0.1:0", on_accepted, n, &n->listener, error) == 0);
	snprintf(n->url, sizeof(n->url), "https://127.0.0.1:%u", tcp_listener_port(n->listener));
	machine_secret_from_random(&n->machine, &n->machine_key, random);
}

static void net_run(struct net *n, bool right_pin)
{
	uint8_t pin[TLS_HASH_LEN];
	char error[COORDINATOR_ERROR_LEN];

	tls_context_spki(n->tls, pin);
	pin[0] ^= !right_pin;
	struct coordinator_link_config cfg = {.base = n->base,
					      .url = n->url,
					      .pin = pin,
					      .machine = &n->machine,
					      .ops = &link_ops,
					      .arg = n};
	CHECK(coordinator_link_new(&cfg, &n->link, error) == 0);
	loop_run(n->base);
}

static void net_wipe(struct net *n)
{
	coordinator_link_free(n->link);
	websocket_free(n->ws);
	tcp_listener_free(n->listener);
	http_server_free(n->server);
	tls_context_free(n->tls);
	loop_timer_free(n->timeout);
	loop_base_free(n->base);
	unlink(n->cert);
	unlink(n->key);
	rmdir(n->dir);
}

TEST(greets_with_a_proof_and_hands_on_what_comes)
{
	struct net n;

	net_init(&n);
	net_run(&n, true);
	CHECK_STR(n.script, "welcome up map");
	CHECK(n.proven == 1 && n.acked == 7 && n.where.home_region == 3);
	net_wipe(&n);
}

TEST(comes_back_by_itself)
{
	struct net n;

	net_init(&n);
	n.close_after_map = true;
	net_run(&n, true);
	CHECK_STR(n.script, "welcome up map broken down welcome up map");
	CHECK(n.hellos == 2);
	CHECK_STR(n.error, "restart");
	net_wipe(&n);
}

TEST(a_wrong_pin_is_told_and_nothing_is_sent)
{
	struct net n;

	net_init(&n);
	net_run(&n, false);
	CHECK_STR(n.script, "down");
	CHECK_STR(n.error, "TLS with 127.0.0.1: the server's key is not the pinned one");
	CHECK(n.hellos == 0);
	net_wipe(&n);
}

TEST(a_refusal_for_good_ends_it_until_a_retry)
{
	struct net n;

	net_init(&n);
	n.refuse_with = CONTROL_TOKEN_EXPIRED;
	net_run(&n, true);
	CHECK_STR(n.script, "token-expired");
	n.refuse_with = 0;
	coordinator_link_retry(n.link);
	loop_run(n.base);
	CHECK_STR(n.script, "token-expired welcome up map");
	net_wipe(&n);
}

TEST(a_check_does_not_disturb_a_sound_connection)
{
	struct net n;

	net_init(&n);
	net_run(&n, true);
	coordinator_link_check(n.link);
	loop_timer_set(n.timeout, clock_now_us() + 50 * US_PER_MS);
	loop_run(n.base);
	CHECK_STR(n.script, "welcome up map TIMED-OUT");
	net_wipe(&n);
}

TEST(the_owner_may_free_it_in_a_message)
{
	struct net n;

	net_init(&n);
	n.free_in_message = true;
	net_run(&n, true);
	CHECK_STR(n.script, "welcome");
	net_wipe(&n);
}

TEST(a_wrong_url_is_told_at_once)
{
	struct coordinator_link_config cfg = {.url = "http://x", .ops = &link_ops};
	char error[COORDINATOR_ERROR_LEN];
	struct coordinator_link *link;

	cfg.base = loop_base_new();
	CHECK(coordinator_link_new(&cfg, &link, error) == -EINVAL);
	CHECK_STR(error, "the coordinator's URL is not https://host[:port]");
	loop_base_free(cfg.base);
}
