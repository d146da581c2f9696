#include "common/net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/net/dial.h"
#include "common/net/loop.h"
#include "common/net/resolve.h"
#include "common/net/tcp.h"
#include "tests/unit/test.h"

enum { BULK = 3 * 1000 * 1000 };

/* One server that sends back what it gets, and one client, on loopback. */
struct pair {
	struct event_base *base;
	struct resolver *resolver;
	struct tls_context *server_tls, *client_tls;
	struct tcp_listener *listener;
	struct tls_conn *server, *client;
	struct dial *dial;
	struct loop_timer *timeout;
	struct dial_config cfg;
	char dir[64], cert[128], key[128];

	char error[256];	 /* of the dial */
	char server_reason[256]; /* of on_closed */
	char client_reason[256];
	size_t to_send, sent, received, slow_reads;
	bool corrupt;
};

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

static void stop(struct pair *p)
{
	loop_stop(p->base);
}

static void on_timeout(void *arg, uint64_t now_us)
{
	(void)now_us;
	strcpy(((struct pair *)arg)->error, "test timed out");
	stop(arg);
}

/* ---- server ---- */

static void server_open(void *arg)
{
	(void)arg;
}

static void server_readable(void *arg)
{
	struct pair *p = arg;
	uint8_t buf[5000];
	size_t got;

	while (tls_conn_read(p->server, buf, sizeof(buf), &got) == 0)
		CHECK(tls_conn_write(p->server, buf, got) == 0);
}

static void server_closed(void *arg, const char *reason)
{
	struct pair *p = arg;

	snprintf(p->server_reason, sizeof(p->server_reason), "%s", reason);
	tls_conn_free(p->server);
	p->server = NULL;
	if (!p->client)
		stop(p);
}

static const struct tls_conn_ops server_ops = {
	.on_open = server_open, .on_readable = server_readable, .on_closed = server_closed};

static void on_accepted(void *arg, int fd, const struct endpoint *from)
{
	struct pair *p = arg;

	CHECK(ip_is_loopback(&from->ip));
	p->server = tls_conn_server(p->base, p->server_tls, fd, &server_ops, p);
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
	p->slow_reads++;
	for (size_t i = 0; i < got; i++)
		p->corrupt |= buf[i] != pattern(p->received + i);
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
	if (!p->server)
		stop(p);
}

static const struct tls_conn_ops client_ops = {
	.on_readable = client_readable, .on_drained = client_drained, .on_closed = client_closed};

static void on_dialled(void *arg, struct tls_conn *conn, const struct dial_times *times,
		       const char *error)
{
	struct pair *p = arg;

	(void)times;
	if (!conn) {
		snprintf(p->error, sizeof(p->error), "%s", error);
		stop(p);
		return;
	}
	p->client = conn;
	tls_conn_set_limit(conn, 100 * 1000);
	tls_conn_set_ops(conn, &client_ops, p);
	send_more(p);
}

/* ---- set-up ---- */

static void pair_init(struct pair *p, bool with_tls)
{
	static const char *const names[] = {"relay.test", "127.0.0.1", "::1"};
	char error[TLS_ERROR_LEN];

	*p = (struct pair){.base = loop_base_new(), .to_send = 100};
	strcpy(p->dir, "/tmp/warren-tls-XXXXXX");
	CHECK(mkdtemp(p->dir) != NULL);
	snprintf(p->cert, sizeof(p->cert), "%s/cert.pem", p->dir);
	snprintf(p->key, sizeof(p->key), "%s/key.pem", p->dir);
	p->resolver = resolver_new(p->base);
	p->timeout = loop_timer_new(p->base, on_timeout, p);
	if (with_tls) {
		CHECK(tls_self_signed_ensure(p->cert, p->key, names, 3, error) == 0);
		CHECK(tls_server_context_new(p->cert, p->key, &p->server_tls, error) == 0);
		CHECK(tls_client_context_new(NULL, &p->client_tls, error) == 0);
	}
	CHECK(tcp_listener_new(p->base, "127.0.0.1:0", on_accepted, p, &p->listener, error) == 0);
	strcpy(p->cfg.host, "127.0.0.1");
	p->cfg.port = tcp_listener_port(p->listener);
	p->cfg.tls = p->client_tls;
}

static void pair_run(struct pair *p)
{
	loop_timer_set(p->timeout, clock_now_us() + 10 * US_PER_S);
	p->dial = dial_new(p->base, p->resolver, &p->cfg, on_dialled, p);
	loop_run(p->base);
}

static void pair_wipe(struct pair *p)
{
	dial_free(p->dial);
	tls_conn_free(p->client);
	tls_conn_free(p->server);
	tcp_listener_free(p->listener);
	tls_context_free(p->server_tls);
	tls_context_free(p->client_tls);
	loop_timer_free(p->timeout);
	resolver_free(p->resolver);
	loop_base_free(p->base);
	unlink(p->cert);
	unlink(p->key);
	rmdir(p->dir);
}

static bool echoed(const struct pair *p)
{
	return p->received == p->to_send && !p->corrupt;
}

/* ---- tests ---- */

TEST(bulk_goes_both_ways_whole_and_the_end_is_clean)
{
	struct pair p;

	pair_init(&p, true);
	p.to_send = BULK;
	p.cfg.trust.kind = TLS_TRUST_SPKI_PIN;
	tls_context_spki(p.server_tls, p.cfg.trust.pin);
	pair_run(&p);
	CHECK_STR(p.error, "");
	CHECK(echoed(&p));
	CHECK_STR(p.client_reason, "finished");
	CHECK_STR(p.server_reason, "closed by the other end");
	pair_wipe(&p);
}

TEST(plain_tcp_has_the_same_shape)
{
	struct pair p;

	pair_init(&p, false);
	p.to_send = BULK;
	pair_run(&p);
	CHECK_STR(p.error, "");
	CHECK(echoed(&p));
	CHECK_STR(p.server_reason, "closed by the other end");
	pair_wipe(&p);
}

TEST(a_certificate_pin_is_accepted_and_a_wrong_pin_refused)
{
	struct pair p;

	pair_init(&p, true);
	p.cfg.trust.kind = TLS_TRUST_CERT_PIN;
	tls_context_cert_hash(p.server_tls, p.cfg.trust.pin);
	pair_run(&p);
	CHECK(echoed(&p));
	pair_wipe(&p);

	pair_init(&p, true);
	p.cfg.trust.kind = TLS_TRUST_SPKI_PIN;
	tls_context_spki(p.server_tls, p.cfg.trust.pin);
	p.cfg.trust.pin[31] ^= 1;
	pair_run(&p);
	CHECK_STR(p.error, "TLS with 127.0.0.1: the server's key is not the pinned one");
	pair_wipe(&p);
}

TEST(authorities_from_a_file_decide_and_names_and_addresses_are_checked)
{
	static const struct {
		bool with_ca;
		const char *name;
		const char *error; /* "" = accepted */
	} cases[] = {
		{true, "127.0.0.1", ""},
		{true, "relay.test", ""},
		{true, "other.test",
		 "TLS with 127.0.0.1: certificate of other.test: hostname mismatch"},
		{true, "127.0.0.2",
		 "TLS with 127.0.0.1: certificate of 127.0.0.2: IP address mismatch"},
		{false, "127.0.0.1",
		 "TLS with 127.0.0.1: certificate of 127.0.0.1: self-signed certificate"},
	};
	char error[TLS_ERROR_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pair p;

		pair_init(&p, true);
		if (cases[i].with_ca) {
			tls_context_free(p.client_tls);
			CHECK(tls_client_context_new(p.cert, &p.client_tls, error) == 0);
			p.cfg.tls = p.client_tls;
		}
		strcpy(p.cfg.trust.name, cases[i].name);
		pair_run(&p);
		CHECK_STR(p.error, cases[i].error);
		CHECK(echoed(&p) == (cases[i].error[0] == '\0'));
		pair_wipe(&p);
	}
}

TEST(anyone_is_trusted_only_where_that_is_asked_for)
{
	struct pair p;

	pair_init(&p, true);
	p.cfg.trust.kind = TLS_TRUST_ANYONE;
	pair_run(&p);
	CHECK(echoed(&p));
	pair_wipe(&p);
}

static void note_keys(void *arg, struct tls_conn *conn, const struct dial_times *times,
		      const char *error)
{
	struct pair *p = arg;
	uint8_t spki[TLS_HASH_LEN], wanted[TLS_HASH_LEN];
	struct public_key key;

	(void)times;
	CHECK(error == NULL && conn != NULL);
	CHECK(tls_conn_is_tls13(conn));
	CHECK(tls_conn_peer_spki(conn, spki) == 0);
	tls_context_spki(p->server_tls, wanted);
	CHECK_MEM(spki, wanted, sizeof(spki));
	CHECK(tls_conn_peer_derp_key(conn, &key) == 0 && key.b[0] == 7 && key.b[31] == 9);
	tls_conn_free(conn);
	stop(p);
}

TEST(the_client_sees_the_servers_key_and_the_relay_key_of_the_meta_certificate)
{
	const struct public_key derp_key = {.b = {[0] = 7, [31] = 9}};
	const uint8_t random[KEY_LEN] = {1, 2, 3};
	struct pair p;

	pair_init(&p, true);
	CHECK(tls_context_add_derp_key(p.server_tls, &derp_key, 1790000000, random) == 0);
	p.cfg.trust.kind = TLS_TRUST_SPKI_PIN;
	tls_context_spki(p.server_tls, p.cfg.trust.pin);
	p.dial = dial_new(p.base, p.resolver, &p.cfg, note_keys, &p);
	loop_run(p.base);
	pair_wipe(&p);
}

TEST(a_renewed_certificate_is_taken_on_reload_and_a_broken_one_is_not)
{
	static const char *const names[] = {"127.0.0.1"};
	uint8_t before[TLS_HASH_LEN], after[TLS_HASH_LEN];
	char error[TLS_ERROR_LEN];
	struct stat st;
	struct pair p;

	pair_init(&p, true);
	CHECK(stat(p.key, &st) == 0 && (st.st_mode & 0777) == 0600);
	tls_context_spki(p.server_tls, before);
	CHECK(tls_self_signed_ensure(p.cert, p.key, names, 1, error) == 0);
	CHECK(tls_context_reload(p.server_tls, error) == 0);
	tls_context_spki(p.server_tls, after);
	CHECK_MEM(before, after, sizeof(before)); /* the files were kept */
	unlink(p.key);
	CHECK(tls_context_reload(p.server_tls, error) == -EINVAL);
	CHECK(tls_self_signed_ensure(p.cert, p.key, names, 1, error) == 0);
	CHECK(tls_context_reload(p.server_tls, error) == 0);
	tls_context_spki(p.server_tls, after);
	CHECK(memcmp(before, after, sizeof(before)) != 0);
	p.cfg.trust.kind = TLS_TRUST_SPKI_PIN;
	memcpy(p.cfg.trust.pin, after, sizeof(after));
	pair_run(&p);
	CHECK(echoed(&p));
	pair_wipe(&p);
}

TEST(a_refused_connection_and_a_silent_server_are_told)
{
	struct pair p;
	int silent;
	char error[TCP_ERROR_LEN];

	pair_init(&p, true);
	tcp_listener_free(p.listener);
	p.listener = NULL;
	pair_run(&p);
	CHECK_STR(p.error, "connecting to 127.0.0.1: Connection refused");
	dial_free(p.dial);

	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	struct endpoint at;
	CHECK(tcp_listen("127.0.0.1:0", &silent, error) == 0);
	CHECK(getsockname(silent, (struct sockaddr *)&addr, &len) == 0);
	CHECK(endpoint_from_sockaddr((struct sockaddr *)&addr, &at) == 0);
	p.cfg.port = at.port;
	p.cfg.timeout_us = 50 * 1000;
	pair_run(&p);
	CHECK_STR(p.error, "TLS with 127.0.0.1: timed out");
	close(silent);
	pair_wipe(&p);
}

TEST(the_race_takes_the_address_that_answers)
{
	struct pair p;

	pair_init(&p, true);
	p.cfg.trust.kind = TLS_TRUST_ANYONE;
	p.cfg.n_known = 2;
	CHECK(endpoint_parse("127.0.0.1:1", &p.cfg.known[0]) == 0); /* refused at once */
	CHECK(endpoint_parse("127.0.0.1:1", &p.cfg.known[1]) == 0);
	p.cfg.known[1].port = p.cfg.port;
	pair_run(&p);
	CHECK_STR(p.error, "");
	CHECK(echoed(&p));
	pair_wipe(&p);
}

/* ---- by hand, without a peer that behaves ---- */

static void ignore(void *arg)
{
	(void)arg;
}

static void note_closed(void *arg, const char *reason)
{
	struct pair *p = arg;

	snprintf(p->client_reason, sizeof(p->client_reason), "%s", reason);
	stop(p);
}

static const struct tls_conn_ops quiet_ops = {
	.on_open = ignore, .on_readable = ignore, .on_closed = note_closed};

TEST(the_queue_has_a_limit_and_its_age_is_known)
{
	static uint8_t big[600 * 1024];
	struct pair p = {.base = loop_base_new()};
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	struct tls_conn *c = tls_conn_client(p.base, NULL, fds[0], NULL, &quiet_ops, &p);
	CHECK(tls_conn_stuck_since_us(c) == UINT64_MAX);
	CHECK(tls_conn_write(c, big, sizeof(big)) == 0);
	CHECK(tls_conn_write(c, big, sizeof(big)) == -ENOBUFS);
	CHECK(tls_conn_queued(c) == sizeof(big));
	CHECK(tls_conn_stuck_since_us(c) <= clock_now_us());
	close(fds[1]);
	loop_run(p.base);
	CHECK_STR(p.client_reason, "Broken pipe");
	CHECK(tls_conn_write(c, big, 1) == -EPIPE);
	tls_conn_free(c);
	loop_base_free(p.base);
}

TEST(garbage_instead_of_tls_closes_with_a_reason)
{
	struct pair p;
	int fds[2];

	pair_init(&p, true);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	struct tls_conn *c = tls_conn_server(p.base, p.server_tls, fds[0], &quiet_ops, &p);
	CHECK(write(fds[1], "GET / HTTP/1.1\r\n\r\n", 18) == 18);
	loop_run(p.base);
	CHECK_STR(p.client_reason, "http request");
	tls_conn_free(c);
	close(fds[1]);
	pair_wipe(&p);
}

static void note_readable(void *arg)
{
	stop(arg);
}

TEST(bytes_put_back_come_first_for_the_next_owner)
{
	static const struct tls_conn_ops ops = {
		.on_open = ignore, .on_readable = note_readable, .on_closed = note_closed};
	struct pair p = {.base = loop_base_new()};
	char buf[16] = "";
	size_t got;
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	struct tls_conn *c = tls_conn_client(p.base, NULL, fds[0], NULL, &ops, &p);
	CHECK(write(fds[1], "later", 5) == 5);
	loop_run(p.base);
	tls_conn_unread(c, "first", 5);
	CHECK(tls_conn_read(c, buf, 3, &got) == 0 && got == 3 && memcmp(buf, "fir", 3) == 0);
	CHECK(tls_conn_read(c, buf, 16, &got) == 0 && got == 2 && memcmp(buf, "st", 2) == 0);
	CHECK(tls_conn_read(c, buf, 16, &got) == 0 && got == 5 && memcmp(buf, "later", 5) == 0);
	CHECK(tls_conn_read(c, buf, 16, &got) == -EAGAIN);
	tls_conn_free(c);
	close(fds[1]);
	loop_base_free(p.base);
}

/* ---- an owner who reads byte by byte until there is nothing ---- */

struct nibbler {
	struct event_base *base;
	struct tls_conn *conn;
	unsigned calls, bytes, most, wanted;
};

static void nibble(void *arg)
{
	struct nibbler *n = arg;
	unsigned before = n->bytes;
	size_t got;
	char byte;

	n->calls++;
	while (tls_conn_read(n->conn, &byte, 1, &got) == 0)
		n->bytes++;
	if (n->bytes - before > n->most)
		n->most = n->bytes - before;
	if (n->bytes >= n->wanted)
		loop_stop(n->base);
}

static void nibbler_closed(void *arg, const char *reason)
{
	(void)reason;
	loop_stop(((struct nibbler *)arg)->base);
}

static const struct tls_conn_ops nibbler_ops = {
	.on_open = ignore, .on_readable = nibble, .on_closed = nibbler_closed};

TEST(a_reader_gives_way_after_a_while_and_loses_nothing)
{
	struct nibbler n = {.base = loop_base_new(), .wanted = 1000};
	char bytes[1000] = "";
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	n.conn = tls_conn_client(n.base, NULL, fds[0], NULL, &nibbler_ops, &n);
	CHECK(write(fds[1], bytes, sizeof(bytes)) == sizeof(bytes));
	loop_run(n.base);
	CHECK_INT(n.bytes, 1000);
	CHECK(n.most <= 100 && n.calls >= 10);
	tls_conn_free(n.conn);
	close(fds[1]);
	loop_base_free(n.base);
}

TEST(nothing_is_read_while_it_is_paused)
{
	struct nibbler n = {.base = loop_base_new(), .wanted = 5};
	size_t got;
	char byte;
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	n.conn = tls_conn_client(n.base, NULL, fds[0], NULL, &nibbler_ops, &n);
	CHECK(write(fds[1], "first", 5) == 5);
	loop_run(n.base);
	tls_conn_pause(n.conn, true);
	CHECK(write(fds[1], "later", 5) == 5);
	CHECK_INT(tls_conn_read(n.conn, &byte, 1, &got), -EAGAIN);
	n.wanted = 10;
	tls_conn_pause(n.conn, false);
	loop_run(n.base);
	CHECK_INT(n.bytes, 10);
	tls_conn_free(n.conn);
	close(fds[1]);
	loop_base_free(n.base);
}
