#include "agent/session/relay_thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "agent/session/relay_link.h"
#include "common/json.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/ring.h"
#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "common/proto/derp.h"
#include "common/proto/derp_map.h"
#include "tests/unit/test.h"

enum { CLIENTS = 4, REGION = 7 };

/* A relay of one region that gives every packet back to its sender, over TLS with fast start. */
struct relay_conn {
	struct net *net;
	struct tls_conn *conn;
	struct derp_reader reader;
	uint8_t *buf;
	struct public_key key; /* of the client, once logged in */
};

struct net {
	struct event_base *base;
	struct loop_timer *timeout, *tick;
	char dir[64], cert[128], key_file[128];
	struct tls_context *tls;
	struct tcp_listener *listener;
	struct http_server *server;
	struct secret_key relay_secret;
	struct public_key relay_key;
	struct relay_conn conns[CLIENTS];
	unsigned logins, preferred, relayed;
	bool mute; /* the relay reads and answers nothing */

	struct ring *from_lane, *to_lane;
	struct relay_thread *rt;
	struct derp_map *map;
	uint32_t region; /* of the test's relay */

	struct relay_status status;
	unsigned told, ups, downs, packets, gones, bulk, wanted_bulk;
	size_t packet_len;
	bool timed_out;
	bool (*done)(const struct net *n);
};

/* ---- the relay ---- */

static void send_frame(struct relay_conn *c, const struct derp_frame *frame)
{
	static uint8_t bytes[DERP_FRAME_MAX];
	struct writer w = writer_init(bytes, sizeof(bytes));

	CHECK(derp_frame_encode(frame, &w) == 0);
	CHECK(tls_conn_write(c->conn, w.buf, w.len) == 0);
}

static void log_in(struct relay_conn *c, const struct derp_raw_frame *raw)
{
	const struct derp_server_info info = {.version = 2};
	const uint8_t nonce[DERP_NONCE_LEN] = {3};
	struct derp_client_info client;
	uint8_t bytes[512];
	struct writer w = writer_init(bytes, sizeof(bytes));

	CHECK(derp_client_info_open(raw->payload, raw->len, &c->net->relay_secret, &c->key,
				    &client) == 0);
	CHECK(derp_server_info_seal(&info, &c->net->relay_secret, &c->key, nonce, &w) == 0);
	CHECK(tls_conn_write(c->conn, w.buf, w.len) == 0);
	c->net->logins++;
}

static void take_frame(struct relay_conn *c, const struct derp_raw_frame *raw)
{
	struct derp_frame frame, reply = {.type = DERP_RECV_PACKET};

	if (raw->type == DERP_CLIENT_INFO) {
		log_in(c, raw);
		return;
	}
	CHECK(derp_frame_decode(raw->type, raw->payload, raw->len, &frame) == 0);
	if (frame.type == DERP_NOTE_PREFERRED)
		c->net->preferred += frame.preferred;
	if (frame.type == DERP_PING) {
		frame.type = DERP_PONG;
		send_frame(c, &frame);
	}
	if (frame.type == DERP_SEND_PACKET) {
		c->net->relayed++;
		reply.packet = frame.packet;
		reply.packet.src = frame.packet.dst;
		send_frame(c, &reply);
	}
}

static void relay_readable(void *arg)
{
	struct relay_conn *c = arg;
	struct derp_raw_frame raw;
	size_t space, got;

	while (!c->net->mute) {
		uint8_t *at = derp_reader_space(&c->reader, &space);

		if (tls_conn_read(c->conn, at, space, &got) != 0)
			return;
		derp_reader_fill(&c->reader, got);
		while (derp_reader_next(&c->reader, &raw) == 0)
			take_frame(c, &raw);
	}
}

static void close_conn(struct relay_conn *c)
{
	tls_conn_free(c->conn);
	free(c->buf);
	*c = (struct relay_conn){.net = c->net};
}

static void relay_closed(void *arg, const char *reason)
{
	(void)reason;
	close_conn(arg);
}

static const struct tls_conn_ops relay_ops = {.on_readable = relay_readable,
					      .on_closed = relay_closed};

static void on_request(void *arg, struct http_exchange *x)
{
	struct net *n = arg;
	struct relay_conn *c = n->conns;

	while (c->conn)
		c++;
	CHECK(c < n->conns + CLIENTS);
	CHECK(http_has_token(http_exchange_head(x), "Upgrade", "DERP"));
	bool fast = http_find(http_exchange_head(x), "Derp-Fast-Start").len > 0;
	*c = (struct relay_conn){.net = n, .buf = malloc(DERP_FRAME_MAX)};
	derp_reader_init(&c->reader, c->buf, DERP_FRAME_MAX);
	c->conn = http_upgrade(x, fast ? NULL : "Upgrade: DERP\r\nConnection: Upgrade\r\n");
	tls_conn_set_limit(c->conn, 64 << 20);
	tls_conn_set_ops(c->conn, &relay_ops, c);
	send_frame(c, &(struct derp_frame){.type = DERP_SERVER_KEY, .server_key = n->relay_key});
}

static void on_accepted(void *arg, int fd, const struct endpoint *from)
{
	http_server_accept(((struct net *)arg)->server, fd, from);
}

/* ---- main's side ---- */

static void check_done(struct net *n)
{
	if (n->done && n->done(n))
		loop_stop(n->base);
}

static void on_status(void *arg, const struct relay_status *status)
{
	struct net *n = arg;

	n->told++;
	n->ups += status->up && !n->status.up;
	n->downs += !status->up && n->status.up;
	n->status = *status;
	check_done(n);
}

static void on_packet(void *arg, uint32_t region, const struct public_key *from, const uint8_t *buf,
		      size_t len, uint64_t now_us)
{
	struct net *n = arg;

	(void)now_us;
	CHECK(region == n->region && from->b[0] == 0xee && buf[0] == 'T');
	n->packets++;
	n->packet_len = len;
	check_done(n);
}

static void on_gone(void *arg, uint32_t region, const struct public_key *key)
{
	struct net *n = arg;

	(void)region;
	n->gones += key->b[0] == 0xee;
	check_done(n);
}

static const struct relay_thread_ops thread_ops = {
	.on_status = on_status, .on_packet = on_packet, .on_peer_gone = on_gone};

/* The lane's side, looked at each millisecond. */
static void on_tick(void *arg, uint64_t now_us)
{
	struct net *n = arg;
	const uint8_t *record;
	size_t len;

	while (ring_peek(n->to_lane, &record, &len)) {
		struct relay_ring_head head;

		memcpy(&head, record, sizeof(head));
		CHECK(head.region == n->region && head.key.b[0] == 0xee);
		CHECK(record[sizeof(head)] == 4);
		n->bulk++;
		ring_pop(n->to_lane);
	}
	loop_timer_set(n->tick, now_us + 1000);
	check_done(n);
}

static void on_timeout(void *arg, uint64_t now_us)
{
	struct net *n = arg;

	(void)now_us;
	n->timed_out = true;
	loop_stop(n->base);
}

static void run_until(struct net *n, bool (*done)(const struct net *n), unsigned seconds)
{
	n->done = done;
	n->timed_out = false;
	loop_timer_set(n->timeout, clock_now_us() + seconds * (uint64_t)US_PER_S);
	loop_timer_set(n->tick, clock_now_us());
	loop_run(n->base);
}

/* ---- set-up ---- */

static struct derp_map *parse_map(const char *text)
{
	struct json_error err = {0};
	struct derp_map *map = NULL;

	CHECK(derp_map_parse(text, strlen(text), &map, &err) == 0);
	return map;
}

static void start_thread(struct net *n)
{
	const uint8_t random[KEY_LEN] = {40};
	char error[RELAY_THREAD_ERROR_LEN];
	struct relay_thread_config cfg = {.base = n->base,
					  .from_lane = n->from_lane,
					  .to_lane = n->to_lane,
					  .ops = &thread_ops,
					  .arg = n};

	secret_key_from_random(&cfg.node_secret, random);
	CHECK(relay_thread_start(&cfg, &n->rt, error) == 0);
	relay_thread_set_map(n->rt, n->map);
}

static void start_relay(struct net *n, const char *addr, bool fast_start)
{
	static const char *const names[] = {"127.0.0.1"};
	const uint8_t random[KEY_LEN] = {80};
	char error[TLS_ERROR_LEN];

	CHECK(tls_self_signed_ensure(n->cert, n->key_file, names, 1, error) == 0);
	CHECK(tls_server_context_new(n->cert, n->key_file, &n->tls, error) == 0);
	secret_key_from_random(&n->relay_secret, random);
	secret_key_public(&n->relay_secret, &n->relay_key);
	if (fast_start)
		CHECK(tls_context_add_derp_key(n->tls, &n->relay_key, 1790000000, random) == 0);
	n->server = http_server_new(
		n->base,
		&(struct http_server_config){.tls = n->tls, .on_request = on_request, .arg = n});
	CHECK(tcp_listener_new(n->base, addr, on_accepted, n, &n->listener, error) == 0);
}

static void net_init(struct net *n, bool fast_start)
{
	uint8_t hash[TLS_HASH_LEN];
	char hex[2 * TLS_HASH_LEN + 1], text[512];

	*n = (struct net){.base = loop_base_new(), .region = REGION};
	n->timeout = loop_timer_new(n->base, on_timeout, n);
	n->tick = loop_timer_new(n->base, on_tick, n);
	n->from_lane = ring_new(1 << 20);
	n->to_lane = ring_new(8 << 20);
	strcpy(n->dir, "/tmp/warren-relay-XXXXXX");
	CHECK(mkdtemp(n->dir) != NULL);
	snprintf(n->cert, sizeof(n->cert), "%s/cert.pem", n->dir);
	snprintf(n->key_file, sizeof(n->key_file), "%s/key.pem", n->dir);
	start_relay(n, "127.0.0.1:0", fast_start);
	tls_context_cert_hash(n->tls, hash);
	hex_encode(hash, sizeof(hash), hex);
	snprintf(text, sizeof(text),
		 "{\"Regions\":{\"7\":{\"RegionID\":7,\"RegionCode\":\"t\",\"RegionName\":\"T\","
		 "\"Nodes\":[{\"Name\":\"7a\",\"RegionID\":7,\"HostName\":\"127.0.0.1\","
		 "\"CertName\":\"sha256-raw:%s\",\"DERPPort\":%u}]}}}",
		 hex, tcp_listener_port(n->listener));
	n->map = parse_map(text);
	start_thread(n);
}

static void net_wipe(struct net *n)
{
	relay_thread_stop(n->rt);
	for (size_t i = 0; i < CLIENTS; i++)
		if (n->conns[i].conn)
			close_conn(&n->conns[i]);
	derp_map_free(n->map);
	tcp_listener_free(n->listener);
	http_server_free(n->server);
	tls_context_free(n->tls);
	ring_free(n->from_lane);
	ring_free(n->to_lane);
	loop_timer_free(n->timeout);
	loop_timer_free(n->tick);
	loop_base_free(n->base);
	unlink(n->cert);
	unlink(n->key_file);
	rmdir(n->dir);
}

static const struct public_key peer = {{0xee}};

static int push_bulk(struct net *n, uint32_t flags, size_t len)
{
	const struct relay_ring_head head = {
		.region = n->region, .flags = flags, .now_us = clock_now_us(), .key = peer};
	static uint8_t data[DERP_PACKET_MAX];

	data[0] = 4;
	return ring_push(n->from_lane, &head, sizeof(head), data, len);
}

static void hold(struct net *n)
{
	relay_thread_hold(n->rt, &n->region, 1);
}

static bool is_measured(const struct net *n)
{
	return n->status.up && n->status.rtt_us > 0;
}

static bool has_packet(const struct net *n)
{
	return n->packets > 0;
}

/* ---- tests ---- */

static void logs_in_and_carries(bool fast_start)
{
	struct net n;

	net_init(&n, fast_start);
	hold(&n);
	run_until(&n, is_measured, 5);
	CHECK(!n.timed_out && n.logins == 1 && n.preferred == 1);
	relay_thread_send(n.rt, n.region, &peer, (const uint8_t *)"TS\xf0", 3);
	run_until(&n, has_packet, 5);
	CHECK(!n.timed_out && n.packet_len == 3);
	net_wipe(&n);
}

TEST(logs_in_at_once_where_tls_names_the_relays_key)
{
	logs_in_and_carries(true);
}

TEST(logs_in_by_upgrade_elsewhere)
{
	logs_in_and_carries(false);
}

static void check_that_packets_add_up(const struct relay_thread_counters *c)
{
	CHECK_INT(c->taken_from_lane + c->taken_from_main,
		  c->sent_packets + c->queued + c->dropped_no_session + c->dropped_queue_full +
			  c->dropped_copy_late);
}

static bool has_wanted_bulk(const struct net *n)
{
	return n->bulk == n->wanted_bulk;
}

TEST(bulk_goes_from_ring_to_ring)
{
	struct relay_thread_counters counters;
	struct net n;

	net_init(&n, true);
	hold(&n);
	run_until(&n, is_measured, 5);
	while (n.wanted_bulk < 5000) {
		for (unsigned i = 0; i < 500; i++)
			CHECK(push_bulk(&n, 0, 1400) == 0);
		n.wanted_bulk += 500;
		run_until(&n, has_wanted_bulk, 60); /* valgrind is slow */
		CHECK(!n.timed_out);
	}
	relay_thread_read_counters(n.rt, &counters);
	CHECK(counters.sent_packets == 5000 && counters.dropped_queue_full == 0);
	CHECK(counters.received_bytes == 5000 * 1400);
	check_that_packets_add_up(&counters);
	net_wipe(&n);
}

static bool is_lost(const struct net *n)
{
	return n->downs > 0;
}

static bool is_back(const struct net *n)
{
	return n->ups == 2;
}

TEST(a_reset_is_told_and_the_session_comes_back)
{
	struct net n;

	net_init(&n, true);
	hold(&n);
	run_until(&n, is_measured, 5);
	close_conn(&n.conns[0]);
	run_until(&n, is_lost, 5);
	CHECK(!n.timed_out && n.downs == 1 && n.status.reason[0] != '\0');
	run_until(&n, is_back, 5);
	CHECK(!n.timed_out && n.logins == 2);
	net_wipe(&n);
}

TEST(a_region_is_opened_for_a_packet_and_others_are_unknown)
{
	struct relay_thread_counters counters;
	struct net n;

	net_init(&n, true);
	relay_thread_send(n.rt, 99, &peer, (const uint8_t *)"TS\xf0", 3);
	relay_thread_send(n.rt, n.region, &peer, (const uint8_t *)"TS\xf0", 3);
	run_until(&n, has_packet, 5);
	CHECK(!n.timed_out && n.ups == 1 && n.preferred == 0);
	relay_thread_read_counters(n.rt, &counters);
	CHECK(counters.dropped_no_session == 1 && counters.taken_from_main == 2);
	check_that_packets_add_up(&counters);
	net_wipe(&n);
}

static bool never(const struct net *n)
{
	(void)n;
	return false;
}

TEST(behind_a_full_link_main_comes_first_and_late_copies_are_dropped)
{
	struct relay_thread_counters before, after;
	struct net n;

	net_init(&n, true);
	hold(&n);
	run_until(&n, is_measured, 5);
	n.mute = true;
	for (unsigned i = 0; i < 800; i++) { /* 32 MB: more than the kernel takes */
		if (push_bulk(&n, 0, 40000) != 0)
			usleep(200);
	}
	for (unsigned i = 0, tries = 0; i < 5; tries++) { /* as soon as the thread has made room */
		CHECK(tries < 5000);
		if (push_bulk(&n, RELAY_RING_COPY, 1000) == 0)
			i++;
		else
			usleep(1000);
	}
	run_until(&n, never, 1);
	relay_thread_read_counters(n.rt, &before);
	relay_thread_send(n.rt, n.region, &peer, (const uint8_t *)"TS\xf0", 3);
	n.mute = false;
	for (size_t i = 0; i < CLIENTS; i++)
		if (n.conns[i].conn)
			relay_readable(&n.conns[i]);
	run_until(&n, has_packet, 5);
	CHECK(!n.timed_out);
	run_until(&n, never, 1);
	relay_thread_read_counters(n.rt, &after);
	CHECK_INT(after.dropped_copy_late - before.dropped_copy_late, 5);
	CHECK(before.queued > 0 && after.queued == 0 && after.dropped_queue_full > 0);
	check_that_packets_add_up(&before);
	check_that_packets_add_up(&after);
	net_wipe(&n);
}

TEST(a_map_without_the_region_ends_its_session)
{
	struct net n;

	net_init(&n, true);
	hold(&n);
	run_until(&n, is_measured, 5);
	derp_map_free(n.map);
	n.map = parse_map("{\"Regions\":{}}");
	relay_thread_set_map(n.rt, n.map);
	run_until(&n, is_lost, 5);
	CHECK(!n.timed_out);
	CHECK_STR(n.status.reason, "not in the relay map any more");
	net_wipe(&n);
}

TEST(a_check_leaves_a_sound_session_alone)
{
	struct net n;

	net_init(&n, true);
	hold(&n);
	run_until(&n, is_measured, 5);
	relay_thread_check(n.rt);
	run_until(&n, never, 1);
	CHECK(n.downs == 0 && n.logins == 1);
	net_wipe(&n);
}

static bool was_relayed(const struct net *n)
{
	return n->relayed > 0;
}

TEST(what_was_sent_just_before_the_stop_still_leaves)
{
	struct net n;

	net_init(&n, true);
	hold(&n);
	run_until(&n, is_measured, 5);
	relay_thread_send(n.rt, n.region, &peer, (const uint8_t *)"TS\xf0", 3);
	relay_thread_stop(n.rt);
	n.rt = NULL;
	run_until(&n, was_relayed, 2);
	CHECK(!n.timed_out);
	net_wipe(&n);
}

TEST(an_unreachable_relay_is_told_with_the_reason)
{
	struct net n;

	net_init(&n, true);
	tcp_listener_free(n.listener);
	n.listener = NULL;
	hold(&n);
	run_until(&n, never, 1);
	CHECK(!n.status.up);
	CHECK_STR(n.status.reason, "connecting to 127.0.0.1: Connection refused");
	net_wipe(&n);
}

/* Alone it waits 0.1, 0.2, 0.4, 0.8 s and more at most between two dials. */
TEST(whoever_hurries_dials_a_relay_that_waits)
{
	struct net n;

	net_init(&n, true);
	tcp_listener_free(n.listener);
	n.listener = NULL;
	hold(&n);
	for (unsigned i = 0; i < 40; i++) {
		usleep(50 * 1000);
		relay_thread_hurry(n.rt);
	}
	run_until(&n, never, 1);
	CHECK(n.told >= 16);
	net_wipe(&n);
}
