/* What tls.h promises its callers, held to over simulated streams as tests/unit/tls_test.c holds
 * the real one to it. */
#include "common/net/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/dial.h"
#include "common/net/loop.h"
#include "common/net/resolve.h"
#include "tests/sim/certificate.h"
#include "tests/sim/host.h"
#include "tests/sim/internet.h"
#include "tests/sim/kernel_random.h"
#include "tests/sim/world.h"
#include "tests/unit/test.h"

enum { BULK = 3 * 1000 * 1000 };

/* A server that sends back what it gets, and a client 20 ms away. */
struct pair {
	struct world *world;
	struct host *client_host, *server_host;
	struct event_base *client_base, *server_base;
	struct resolver *resolver;
	struct tls_context *server_tls, *client_tls;
	struct tcp_listener *listener;
	struct tls_conn *server, *client;
	struct dial *dial;

	char client_reason[256], server_reason[256];
	size_t to_send, sent, received;
	uint64_t opened_us, server_opened_us;
	bool is_corrupt, server_is_lazy;
	size_t clear_bytes, sealed_bytes; /* what a wiretap sees */
};

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

/* ---- server ---- */

static void server_open(void *arg)
{
	((struct pair *)arg)->server_opened_us = world_now_us();
}

static void server_readable(void *arg)
{
	struct pair *p = arg;
	uint8_t buf[5000];
	size_t got;

	if (p->server_is_lazy) /* who reads nothing says so: an event of a level comes again at once
				*/
		tls_conn_pause(p->server, true);
	while (!p->server_is_lazy && tls_conn_read(p->server, buf, sizeof(buf), &got) == 0)
		CHECK(tls_conn_write(p->server, buf, got) == 0);
}

static void server_closed(void *arg, const char *reason)
{
	struct pair *p = arg;

	snprintf(p->server_reason, sizeof(p->server_reason), "%s", reason);
	tls_conn_free(p->server);
	p->server = NULL;
}

static const struct tls_conn_ops server_ops = {
	.on_open = server_open, .on_readable = server_readable, .on_closed = server_closed};

static void on_accepted(void *arg, int fd, const struct endpoint *from)
{
	struct pair *p = arg;

	CHECK(from->port != 0);
	p->server = tls_conn_server(p->server_base, p->server_tls, fd, &server_ops, p);
	tls_conn_set_limit(p->server, 2 * BULK);
}

/* ---- client ---- */

static void send_more(struct pair *p)
{
	uint8_t buf[1499];

	while (p->sent < p->to_send) {
		size_t n = p->to_send - p->sent < sizeof(buf) ? p->to_send - p->sent : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(p->sent + i);
		if (tls_conn_write(p->client, buf, n) != 0)
			return; /* goes on when drained */
		p->sent += n;
	}
}

static void client_readable(void *arg)
{
	struct pair *p = arg;
	uint8_t buf[7001];
	size_t got;

	/* One piece a call: whoever stops before the end is asked again. */
	if (tls_conn_read(p->client, buf, sizeof(buf), &got) != 0)
		return;
	for (size_t i = 0; i < got; i++)
		p->is_corrupt |= buf[i] != pattern(p->received + i);
	p->received += got;
	if (p->received == p->to_send)
		tls_conn_finish(p->client);
}

static void client_drained(void *arg)
{
	send_more(arg);
}

static void client_closed(void *arg, const char *reason)
{
	struct pair *p = arg;

	snprintf(p->client_reason, sizeof(p->client_reason), "%s", reason);
	tls_conn_free(p->client);
	p->client = NULL;
}

static const struct tls_conn_ops client_ops = {
	.on_readable = client_readable, .on_drained = client_drained, .on_closed = client_closed};

static void on_dialled(void *arg, struct tls_conn *conn, const struct dial_times *times,
		       const char *error)
{
	struct pair *p = arg;

	(void)times;
	CHECK(conn && !error);
	p->opened_us = world_now_us();
	p->client = conn;
	tls_conn_set_ops(conn, &client_ops, p);
	send_more(p);
}

/* ---- the scene ---- */

static void on_wire(void *arg, const struct wire_packet *packet)
{
	struct pair *p = arg;

	if (packet->is_sealed)
		p->sealed_bytes += packet->len;
	else
		p->clear_bytes += packet->len;
}

static struct host *plug(const char *name, const char *v4)
{
	struct host *h = host_new(name);
	struct nic_config cfg = {
		.name = "eth0", .realm = internet_realm(), .quality = {.delay_us = 5000}};

	CHECK(ip_parse(v4, &cfg.v4) == 0);
	host_plug(h, &cfg);
	return h;
}

static void start_server(struct pair *p, bool is_plain)
{
	const char *names[] = {"203.0.113.2"};
	char error[TLS_ERROR_LEN];
	struct world_place before = world_enter(p->server_host);

	p->server_base = loop_base_new();
	CHECK(tls_self_signed_ensure("crt", "key", names, 1, error) == 0);
	CHECK(is_plain || tls_server_context_new("crt", "key", &p->server_tls, error) == 0);
	CHECK(tcp_listener_new(p->server_base, ":443", on_accepted, p, &p->listener, error) == 0);
	world_leave(before);
}

static struct pair *begin(bool is_plain, size_t to_send)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct dial_config cfg = {
		.host = "203.0.113.2", .port = 443, .trust.kind = TLS_TRUST_SPKI_PIN};
	char error[TLS_ERROR_LEN];

	CHECK(p && kernel_random_install());
	p->world = world_new(3);
	p->to_send = to_send;
	internet_add_tap(on_wire, p);
	p->client_host = plug("client", "203.0.113.1");
	p->server_host = plug("server", "203.0.113.2");
	start_server(p, is_plain);
	struct world_place before = world_enter(p->client_host);
	p->client_base = loop_base_new();
	p->resolver = resolver_new(p->client_base);
	CHECK(tls_client_context_new(NULL, &p->client_tls, error) == 0);
	if (!is_plain) {
		cfg.tls = p->client_tls;
		tls_context_spki(p->server_tls, cfg.trust.pin);
	}
	p->dial = dial_new(p->client_base, p->resolver, &cfg, on_dialled, p);
	world_leave(before);
	return p;
}

static void run_ms(uint64_t ms)
{
	world_run_until(world_running(), world_now_us() + ms * US_PER_MS);
}

static void end(struct pair *p)
{
	struct world_place before = world_enter(p->client_host);

	tls_conn_free(p->client);
	dial_free(p->dial);
	resolver_free(p->resolver);
	tls_context_free(p->client_tls);
	loop_base_free(p->client_base);
	world_leave(before);
	before = world_enter(p->server_host);
	tls_conn_free(p->server);
	tcp_listener_free(p->listener);
	tls_context_free(p->server_tls);
	loop_base_free(p->server_base);
	world_leave(before);
	host_free(p->client_host);
	host_free(p->server_host);
	world_free(p->world);
	free(p);
}

/* Calls of the client's are made where it is. */
static int write_there(struct pair *p, const void *bytes, size_t len)
{
	struct world_place before = world_enter(p->client_host);
	int err = tls_conn_write(p->client, bytes, len);

	world_leave(before);
	return err;
}

/* ---- what is promised ---- */

TEST(bulk_comes_back_whole_and_both_ends_are_told_the_end)
{
	struct pair *p = begin(false, BULK);

	run_ms(60000);
	CHECK_INT(p->received, BULK);
	CHECK(!p->is_corrupt);
	CHECK_STR(p->client_reason, "finished");
	CHECK_STR(p->server_reason, "closed by the other end");
	end(p);
}

TEST(a_wiretap_sees_tls_sealed_and_plain_tcp_in_the_clear)
{
	struct pair *p = begin(false, 5000);

	run_ms(2000);
	CHECK_INT(p->clear_bytes, 0);
	CHECK(p->sealed_bytes > 10000);
	end(p);
	p = begin(true, 5000);
	run_ms(2000);
	CHECK_INT(p->received, 5000);
	CHECK(p->clear_bytes >= 10000);
	CHECK_INT(p->sealed_bytes, 0);
	end(p);
}

TEST(the_client_is_open_after_two_round_trips_the_server_half_a_one_later)
{
	struct pair *p = begin(false, 10);
	uint64_t start_us = world_now_us();

	run_ms(1000);
	CHECK_INT(p->opened_us - start_us, 40000);
	CHECK_INT(p->server_opened_us - start_us, 50000);
	end(p);
}

TEST(what_does_not_fit_is_refused_whole)
{
	struct pair *p = begin(false, 0);
	uint8_t big[20000] = {0};

	run_ms(1000);
	tls_conn_set_limit(p->client, sizeof(big));
	CHECK(write_there(p, big, sizeof(big) + 1) == -ENOBUFS);
	CHECK_INT(tls_conn_queued(p->client), 0);
	CHECK(write_there(p, big, sizeof(big)) == 0);
	end(p);
}

TEST(a_reader_that_stops_stops_the_writer_and_time_tells_it)
{
	struct pair *p = begin(false, BULK);

	p->server_is_lazy = true;
	run_ms(10000);
	CHECK(p->server != NULL);
	/* A window and two kernels' buffers are on their way at most. */
	CHECK(tls_conn_queued(p->client) > 100000);
	CHECK(tls_conn_stuck_since_us(p->client) < world_now_us() - 4 * US_PER_S);
	struct world_place before = world_enter(p->server_host);
	p->server_is_lazy = false;
	tls_conn_pause(p->server, false);
	world_leave(before);
	run_ms(60000);
	CHECK_INT(p->received, BULK);
	CHECK(!p->is_corrupt);
	end(p);
}

TEST(bytes_put_back_come_first)
{
	struct pair *p = begin(false, 4);

	p->to_send = 0; /* so that it does not finish */
	run_ms(1000);
	struct world_place before = world_enter(p->client_host);
	tls_conn_unread(p->client, "\x00\x1f\x3e", 3);
	world_leave(before);
	run_ms(100);
	CHECK_INT(p->received, 3);
	CHECK(!p->is_corrupt);
	end(p);
}

TEST(a_killed_server_is_an_end_and_one_without_power_a_timeout)
{
	struct pair *p = begin(false, 0);

	run_ms(1000);
	host_crash(p->server_host);
	run_ms(100);
	CHECK_STR(p->client_reason, "closed by the other end");
	end(p);
	p = begin(false, 0);
	run_ms(1000);
	host_power_off(p->server_host);
	CHECK(write_there(p, "x", 1) == 0);
	run_ms(14000);
	CHECK_STR(p->client_reason, "");
	run_ms(16000);
	CHECK_STR(p->client_reason, "Connection timed out");
	end(p);
}
