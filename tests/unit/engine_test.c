/*
 * Two engines in one process, over loopback and over rings that stand for a relay. Socket pairs
 * stand for the TUNs: a datagram is a packet with its virtio header.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "agent/filter/filter.h"
#include "agent/tunnel/engine.h"
#include "common/clock.h"
#include "common/net/loop.h"
#include "common/net/ring.h"
#include "tests/unit/test.h"

enum { RING_BYTES = 1 << 18, PACKET_MAX = 2000, WAIT_US = 5 * 1000 * 1000 };

struct side {
	struct engine *engine;
	struct engine_peer *peer;
	int app; /* the far end of its TUN */
	struct ring *to_relay, *from_relay;
	struct filter *filter;
	struct public_key key;
	struct secret_key secret;
	size_t saved; /* bytes of the filter's flow table */
	unsigned handshakes, datagrams, traffic, roamed, failed;
	bool by_relay; /* handshakes go through the ring that stands for the relay */
	uint8_t last_datagram[64];
	enum engine_datagram last_kind;
	unsigned repeated; /* of a handshake, by a way that the peer was heard on */
	struct way last_way;
	uint8_t last_type;
};

static struct event_base *base;
static struct side a, b;
static const uint8_t address_a[4] = {10, 77, 0, 1}, address_b[4] = {10, 77, 0, 2};

static void on_datagram(void *arg, enum engine_datagram kind, const uint8_t *buf, size_t len,
			const struct endpoint *from, uint64_t now_us)
{
	struct side *s = arg;

	(void)from, (void)now_us;
	s->datagrams++;
	s->last_kind = kind;
	memcpy(s->last_datagram, buf,
	       len < sizeof(s->last_datagram) ? len : sizeof(s->last_datagram));
}

static void on_handshake_done(void *arg, void *user, uint64_t now_us)
{
	(void)user, (void)now_us;
	((struct side *)arg)->handshakes++;
}

static void on_traffic(void *arg, void *user, uint64_t now_us)
{
	(void)user, (void)now_us;
	((struct side *)arg)->traffic++;
}

static void on_roamed(void *arg, void *user, const struct endpoint *from)
{
	(void)user, (void)from;
	((struct side *)arg)->roamed++;
}

static void on_filter_saved(void *arg, const uint8_t *buf, size_t len)
{
	(void)buf;
	((struct side *)arg)->saved += len;
}

static const struct engine_ops ops = {
	.on_filter_saved = on_filter_saved,
	.on_datagram = on_datagram,
	.on_handshake_done = on_handshake_done,
	.on_traffic = on_traffic,
	.on_roamed = on_roamed,
};

/* By the way asked for, else by the choice. */
static void on_handshake_send(void *arg, void *user, const uint8_t *buf, size_t len,
			      const struct way *reply_to, bool is_retry)
{
	struct side *s = arg;
	struct way to = reply_to->kind != WAY_NONE ? *reply_to : engine_peer_way(s->peer);

	(void)user;
	s->repeated += is_retry;
	s->last_way = to;
	s->last_type = buf[0];
	if (to.kind == WAY_DIRECT)
		CHECK_INT(engine_send_udp(s->engine, &to.addr, buf, len), 0);
}

static const struct engine_ops mesh_ops = {
	.on_datagram = on_datagram,
	.on_handshake_send = on_handshake_send,
	.on_handshake_done = on_handshake_done,
	.on_traffic = on_traffic,
	.on_roamed = on_roamed,
};

static const struct engine_ops *used_ops = &ops;

/* ---- the two sides ---- */

static void start_side(struct side *s, bool with_relay, bool roaming)
{
	int pair[2];

	struct filter *filter = s->filter;

	memset(s, 0, sizeof(*s));
	s->filter = filter; /* made before, where there is one */
	CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	s->app = pair[0];
	struct tun tun = {.fd = pair[1], .name = "test"};
	uint8_t random[KEY_LEN];
	randombytes_buf(random, sizeof(random));
	secret_key_from_random(&s->secret, random);
	secret_key_public(&s->secret, &s->key);
	if (with_relay) {
		s->to_relay = ring_new(RING_BYTES);
		s->from_relay = ring_new(RING_BYTES);
	}
	struct engine_config config = {
		.base = base,
		.tun = &tun,
		.secret = s->secret,
		.roaming = roaming,
		.to_relay = s->to_relay,
		.from_relay = s->from_relay,
		.filter = s->filter,
		.ops = used_ops,
		.arg = s,
	};
	CHECK_INT(engine_new(&config, &s->engine), 0);
}

static struct way way_to(const struct side *s)
{
	return way_direct((struct endpoint){.ip = ip_from_v4((const uint8_t[]){127, 0, 0, 1}),
					    .port = engine_port(s->engine)});
}

static void add_peer(struct side *s, const struct side *other, const uint8_t *address)
{
	struct engine_peer_config config = {.key = other->key, .user = s};
	struct prefix prefix = {.ip = ip_from_v4(address), .len = 32};

	CHECK_INT(engine_peer_add(s->engine, &config, &s->peer), 0);
	engine_peer_set_allowed_ips(s->peer, &prefix, 1);
}

static void start(bool with_relay)
{
	base = loop_base_new();
	start_side(&a, with_relay, false);
	start_side(&b, with_relay, false);
	add_peer(&a, &b, address_b);
	add_peer(&b, &a, address_a);
}

/* Whatever a test did: what came in went on, waits, or was dropped for a reason. */
static void check_that_packets_add_up(const struct side *s)
{
	static const enum engine_drop of_out[] = {
		DROP_NO_PEER,	 DROP_NO_CHOICE,   DROP_NO_KEYPAIR, DROP_STAGING_FULL,
		DROP_FILTER_OUT, DROP_SEND_FAILED, DROP_RELAY_FULL, DROP_BAD_OUTGOING,
	};
	uint64_t f[ENGINE_FLOWS], d[DROP_REASONS], out = 0, in = 0;

	engine_flows(s->engine, f);
	engine_drops(s->engine, d);
	for (size_t i = 0; i < DROP_HANDSHAKE; i++)
		in += d[i];
	for (size_t i = 0; i < sizeof(of_out) / sizeof(of_out[0]); i++)
		out += d[of_out[i]];
	in -= out;
	CHECK_INT(f[FLOW_TUN_READ] + f[FLOW_KEEPALIVE_MADE] + f[FLOW_SENT_AGAIN],
		  f[FLOW_SENT_UDP] + f[FLOW_SENT_RELAY] + engine_waiting(s->engine) + out);
	CHECK_INT(f[FLOW_UDP_READ] + f[FLOW_RELAY_READ],
		  f[FLOW_TUN_WRITTEN] + f[FLOW_KEEPALIVE_READ] + f[FLOW_TO_MAIN] + in);
}

static void end_side(struct side *s)
{
	engine_stop(s->engine);
	check_that_packets_add_up(s);
	engine_free(s->engine);
	ring_free(s->to_relay);
	ring_free(s->from_relay);
	close(s->app);
}

static void end(void)
{
	end_side(&a);
	end_side(&b);
	loop_base_free(base);
}

static void connect_both(void)
{
	struct way to_a = way_to(&a), to_b = way_to(&b);

	engine_peer_set_choice(a.peer, &to_b, NULL);
	engine_peer_set_choice(b.peer, &to_a, NULL);
}

/* ---- packets ---- */

/* A UDP packet in IPv4 with no checksum and a mark as its payload. */
static void send_packet(const struct side *s, const uint8_t *from, const uint8_t *to, uint8_t mark)
{
	uint8_t buf[TUN_HDR_LEN + 100] = {0}, *p = buf + TUN_HDR_LEN;
	const uint8_t header[12] = {0x45, 0, 0, 100, 0, 0, 0x40, 0, 64, 17};

	memcpy(p, header, sizeof(header));
	memcpy(p + 12, from, 4);
	memcpy(p + 16, to, 4);
	p[28] = mark;
	CHECK_INT(write(s->app, buf, sizeof(buf)), sizeof(buf));
}

/* The mark of the next packet out of the side's TUN; -1: none there. */
static int receive_packet(const struct side *s)
{
	uint8_t buf[PACKET_MAX];
	ssize_t len = read(s->app, buf, sizeof(buf));

	if (len < 0)
		return -1;
	CHECK_INT(len, TUN_HDR_LEN + 100);
	return buf[TUN_HDR_LEN + 28];
}

static void turn(void)
{
	const struct timeval moment = {.tv_usec = 2000};

	event_base_loopexit(base, &moment);
	event_base_dispatch(base);
}

#define WAIT_UNTIL(condition)                                                                      \
	do {                                                                                       \
		uint64_t until_us = clock_now_us() + WAIT_US;                                      \
		while (!(condition) && clock_now_us() < until_us)                                  \
			turn();                                                                    \
		CHECK(condition);                                                                  \
	} while (0)

static int wait_for_packet(const struct side *s)
{
	uint64_t until_us = clock_now_us() + WAIT_US;
	int mark;

	while ((mark = receive_packet(s)) < 0 && clock_now_us() < until_us)
		turn();
	return mark;
}

static void rest(unsigned ms)
{
	uint64_t until_us = clock_now_us() + (uint64_t)ms * US_PER_MS;

	while (clock_now_us() < until_us)
		turn();
}

static uint64_t drops(const struct side *s, enum engine_drop reason)
{
	uint64_t all[DROP_REASONS];

	engine_drops(s->engine, all);
	return all[reason];
}

/* Takes all that a side gave to the relay; counts what was marked so, and passes it on or not. */
static unsigned relay(struct side *from, struct side *to, bool passes, uint32_t flags_wanted)
{
	const uint8_t *record;
	size_t len;
	unsigned n = 0;

	while (ring_peek(from->to_relay, &record, &len)) {
		struct engine_relay_head head;

		memcpy(&head, record, sizeof(head));
		CHECK(public_key_equal(&head.key, &to->key));
		n += (head.flags & flags_wanted) == flags_wanted;
		head.key = from->key;
		if (passes)
			CHECK_INT(ring_push(to->from_relay, &head, sizeof(head),
					    record + sizeof(head), len - sizeof(head)),
				  0);
		ring_pop(from->to_relay);
	}
	return n;
}

/* ---- tests ---- */

TEST(a_packet_waits_for_the_handshake_and_then_passes)
{
	start(false);
	connect_both();
	send_packet(&a, address_a, address_b, 1);
	CHECK_INT(wait_for_packet(&b), 1);
	WAIT_UNTIL(a.handshakes == 1 && b.handshakes == 1); /* main hears of it after the lane */
	send_packet(&b, address_b, address_a, 2);
	CHECK_INT(wait_for_packet(&a), 2);

	struct engine_peer_stats stats;
	engine_peer_stats(a.peer, &stats);
	CHECK_INT(stats.way[WAY_DIRECT].data_sent, 1);
	CHECK_INT(stats.way[WAY_DIRECT].data_received, 1);
	CHECK(stats.way[WAY_DIRECT].last_data_sent_us > 0 && stats.last_handshake_unix_us > 0);
	CHECK(stats.way[WAY_RELAY].data_sent == 0 && a.traffic >= 1);
	end();
}

TEST(a_keypair_is_confirmed_by_the_way_the_peer_was_heard_on_too)
{
	used_ops = &mesh_ops;
	start(false);
	used_ops = &ops;
	connect_both();
	send_packet(&a, address_a, address_b, 1);
	CHECK_INT(wait_for_packet(&b), 1);
	WAIT_UNTIL(a.handshakes == 1 && b.handshakes == 1);

	struct way chosen = way_to(&b), heard = way_relay(7);
	engine_peer_confirm(a.peer, &chosen);
	CHECK_INT(a.repeated, 0);
	engine_peer_confirm(a.peer, &heard);
	CHECK(a.repeated == 1 && way_equal(&a.last_way, &heard));
	CHECK_INT(a.last_type, 4); /* data: a keep-alive */
	end();
}

TEST(without_a_choice_packets_wait_a_second_and_are_counted)
{
	struct way to_a, to_b;

	start(false);
	to_a = way_to(&a);
	to_b = way_to(&b);
	send_packet(&a, address_a, address_b, 1);
	rest(100);
	engine_peer_set_choice(b.peer, &to_a, NULL);
	engine_peer_set_choice(a.peer, &to_b, NULL);
	engine_peer_start_handshake(a.peer, true);
	CHECK_INT(wait_for_packet(&b), 1); /* it waited */

	engine_peer_set_choice(a.peer, &(struct way){.kind = WAY_NONE}, NULL);
	for (uint8_t i = 0; i < 70; i++)
		send_packet(&a, address_a, address_b, i);
	/* 64 wait; a machine that stalls for a second in between lets some go sooner, and what the
	 * lane sent before it saw the choice arrives. A keep-alive that confirms the keys may be
	 * late, and wait with them. */
	unsigned arrived = 0;
	WAIT_UNTIL((arrived += receive_packet(&b) >= 0,
		    drops(&a, DROP_STAGING_FULL) + drops(&a, DROP_NO_CHOICE) + arrived >= 70));
	CHECK(drops(&a, DROP_NO_CHOICE) + arrived >= 64);
	end();
}

TEST(strangers_addresses_neither_leave_nor_enter)
{
	static const uint8_t elsewhere[4] = {10, 78, 0, 1};

	start(false);
	connect_both();
	send_packet(&a, address_a, elsewhere, 1);
	WAIT_UNTIL(drops(&a, DROP_NO_PEER) == 1);
	CHECK_INT(write(a.app, elsewhere, sizeof(elsewhere)), sizeof(elsewhere));
	WAIT_UNTIL(drops(&a, DROP_BAD_OUTGOING) == 1);
	send_packet(&a, elsewhere, address_b, 2);
	WAIT_UNTIL(drops(&b, DROP_SOURCE) == 1);

	/* Nor one that is another peer's. */
	struct engine_peer *third;
	struct engine_peer_config config = {.key.b = {9}};
	struct prefix prefix = {.ip = ip_from_v4(elsewhere), .len = 32};
	CHECK_INT(engine_peer_add(b.engine, &config, &third), 0);
	engine_peer_set_allowed_ips(third, &prefix, 1);
	send_packet(&a, elsewhere, address_b, 3);
	WAIT_UNTIL(drops(&b, DROP_SOURCE) == 2);
	CHECK_INT(receive_packet(&b), -1);
	end();
}

TEST(what_is_not_wireguard_goes_to_main_or_is_counted)
{
	uint8_t stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	uint8_t disco[30] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
	uint8_t data[40] = {4, 0, 0, 0, 1, 2, 3, 4};
	struct endpoint to;

	start(false);
	to = way_to(&b).addr;
	CHECK_INT(engine_send_udp(a.engine, &to, stun, sizeof(stun)), 0);
	WAIT_UNTIL(b.datagrams == 1);
	CHECK(b.last_kind == ENGINE_STUN && memcmp(b.last_datagram, stun, sizeof(stun)) == 0);
	CHECK_INT(engine_send_udp(a.engine, &to, disco, sizeof(disco)), 0);
	WAIT_UNTIL(b.datagrams == 2);
	CHECK_INT(b.last_kind, ENGINE_DISCO);
	CHECK_INT(engine_send_udp(a.engine, &to, data, sizeof(data)), 0);
	WAIT_UNTIL(drops(&b, DROP_UNKNOWN_INDEX) == 1);
	CHECK_INT(engine_send_udp(a.engine, &to, "garbage", 7), 0);
	WAIT_UNTIL(drops(&b, DROP_UNKNOWN_TYPE) == 1);
	CHECK_INT(engine_send_udp(a.engine, &to, "", 0), 0);
	WAIT_UNTIL(drops(&b, DROP_SHORT) == 1);
	end();
}

TEST(what_was_sent_last_goes_once_more_by_the_other_way)
{
	struct way relay_way = way_relay(3);
	struct engine_peer_stats stats;

	start(true);
	connect_both();
	send_packet(&a, address_a, address_b, 1);
	CHECK_INT(wait_for_packet(&b), 1);

	/* The path dies: what is sent now does not arrive. */
	struct way nowhere = way_direct(
		(struct endpoint){.ip = ip_from_v4((const uint8_t[]){127, 0, 0, 1}), .port = 9});
	engine_peer_set_choice(a.peer, &nowhere, NULL);
	for (uint8_t i = 2; i < 5; i++)
		send_packet(&a, address_a, address_b, i);
	do {
		turn();
		engine_peer_stats(a.peer, &stats);
	} while (stats.way[WAY_DIRECT].data_sent < 4);
	CHECK_INT(receive_packet(&b), -1);

	engine_peer_set_choice(a.peer, &relay_way, NULL);
	engine_peer_resend(a.peer);
	rest(50);
	CHECK_INT(relay(&a, &b, true, ENGINE_RELAY_URGENT | ENGINE_RELAY_SPARSE), 4);
	for (int i = 2; i < 5; i++)
		CHECK_INT(wait_for_packet(&b), i);
	CHECK_INT(receive_packet(&b), -1); /* the one that had arrived is dropped as a copy */
	CHECK_INT(drops(&b, DROP_REPLAYED), 1);
	engine_peer_stats(b.peer, &stats);
	CHECK_INT(stats.way[WAY_RELAY].data_received, 3);
	end();
}

TEST(twice_is_once)
{
	start(true);
	connect_both();
	send_packet(&a, address_a, address_b, 1);
	CHECK_INT(wait_for_packet(&b), 1);
	struct way to_b = way_to(&b), relay_way = way_relay(3);
	engine_peer_set_choice(a.peer, &to_b, &relay_way);
	send_packet(&a, address_a, address_b, 2);
	CHECK_INT(wait_for_packet(&b), 2);
	/* The lane may still be at it, and at a keep-alive that confirms the keys. */
	unsigned copies = 0;
	WAIT_UNTIL((copies += relay(&a, &b, true, ENGINE_RELAY_COPY)) >= 1);
	WAIT_UNTIL((copies += relay(&a, &b, true, ENGINE_RELAY_COPY),
		    drops(&b, DROP_REPLAYED) == copies));
	CHECK_INT(receive_packet(&b), -1);
	end();
}

TEST(a_held_peers_packets_wait_for_the_next_keypair)
{
	start(false);
	connect_both();
	send_packet(&a, address_a, address_b, 1);
	CHECK_INT(wait_for_packet(&b), 1);
	engine_peer_hold(a.peer, clock_now_us() + 800 * US_PER_MS);
	send_packet(&a, address_a, address_b, 2);
	rest(100);
	CHECK_INT(receive_packet(&b), -1);
	engine_peer_start_handshake(b.peer, true);
	uint64_t before_us = clock_now_us();
	CHECK_INT(wait_for_packet(&b), 2);
	CHECK(clock_now_us() - before_us < 600 * US_PER_MS); /* not only since the hold ended */
	CHECK_INT(a.handshakes, 2);
	end();
}

TEST(a_hold_that_nobody_ends_ends_by_itself)
{
	start(false);
	connect_both();
	send_packet(&a, address_a, address_b, 1);
	CHECK_INT(wait_for_packet(&b), 1);
	engine_peer_hold(a.peer, clock_now_us() + 200 * US_PER_MS);
	send_packet(&a, address_a, address_b, 2);
	CHECK_INT(wait_for_packet(&b), 2);
	end();
}

TEST(another_port_keeps_the_tunnel_where_data_moves_the_endpoint)
{
	base = loop_base_new();
	start_side(&a, false, true);
	start_side(&b, false, true);
	add_peer(&a, &b, address_b);
	add_peer(&b, &a, address_a);
	struct way to_b = way_to(&b);
	engine_peer_set_choice(a.peer, &to_b, NULL); /* b learns where a is */
	send_packet(&a, address_a, address_b, 1);
	CHECK_INT(wait_for_packet(&b), 1);
	uint16_t port = engine_port(a.engine);
	CHECK_INT(engine_set_port(a.engine, 0), 0);
	CHECK(engine_port(a.engine) != port);
	rest(1100); /* once a second at most does the lane report a move */
	send_packet(&a, address_a, address_b, 2);
	CHECK_INT(wait_for_packet(&b), 2);
	WAIT_UNTIL(b.roamed >= 2);
	CHECK_INT(engine_peer_way(b.peer).addr.port, engine_port(a.engine));
	send_packet(&b, address_b, address_a, 3);
	CHECK_INT(wait_for_packet(&a), 3);
	end();
}

TEST(data_moves_the_endpoint_back_from_a_dead_one_that_was_named)
{
	base = loop_base_new();
	start_side(&a, false, true);
	start_side(&b, false, true);
	add_peer(&a, &b, address_b);
	add_peer(&b, &a, address_a);
	struct way to_b = way_to(&b), dead = to_b;
	engine_peer_set_choice(a.peer, &to_b, NULL);
	send_packet(&a, address_a, address_b, 1);
	CHECK_INT(wait_for_packet(&b), 1);
	send_packet(&b, address_b, address_a, 2);
	CHECK_INT(wait_for_packet(&a), 2);
	dead.addr.port = 9;
	engine_peer_set_choice(a.peer, &dead, NULL);
	rest(1100); /* once a second at most does the lane report a move */
	send_packet(&b, address_b, address_a, 3);
	CHECK_INT(wait_for_packet(&a), 3);
	WAIT_UNTIL(engine_peer_way(a.peer).addr.port == engine_port(b.engine));
	end();
}

TEST(removing_a_peer_under_traffic_frees_it_and_stops_its_packets)
{
	start(false);
	connect_both();
	for (unsigned round = 0; round < 20; round++) {
		int got;

		send_packet(&a, address_a, address_b, 1);
		while ((got = wait_for_packet(&b)) == 2) /* a slow lane's, of the round before */
			;
		CHECK_INT(got, 1);
		for (uint8_t i = 0; i < 50; i++)
			send_packet(&a, address_a, address_b, 2);
		engine_peer_remove(b.peer);
		engine_peer_remove(a.peer);
		CHECK(engine_peer_find(a.engine, &b.key) == NULL);
		while (receive_packet(&b) >= 0)
			;
		rest(5);
		while (receive_packet(&b) >= 0) /* what was in the lane's hands */
			;
		add_peer(&a, &b, address_b);
		add_peer(&b, &a, address_a);
		connect_both();
		rest(25); /* initiations closer together than 20 ms are refused */
	}
	engine_peer_remove(b.peer); /* and the engine may end before the lane let go */
	end();
}

TEST(what_waits_for_a_removed_peer_is_counted)
{
	start(false);
	for (uint8_t i = 0; i < 5; i++) /* no choice: they wait */
		send_packet(&a, address_a, address_b, i);
	WAIT_UNTIL(engine_waiting(a.engine) == 5);
	engine_peer_remove(a.peer);
	WAIT_UNTIL(drops(&a, DROP_NO_PEER) == 5);
	CHECK_INT(engine_waiting(a.engine), 0);
	end();
}

TEST(a_port_that_is_taken_is_an_error_and_leaks_nothing)
{
	struct engine *second = NULL;
	int pair[2];

	start(false);
	CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	struct tun tun = {.fd = pair[1], .name = "test"};
	struct engine_config config = {
		.base = base, .tun = &tun, .port = engine_port(a.engine), .ops = &ops};
	CHECK_INT(engine_new(&config, &second), -EADDRINUSE);
	CHECK_INT(engine_set_port(b.engine, engine_port(a.engine)), -EADDRINUSE);
	config.port = 0;
	tun.fd = -1; /* the lane does not come up */
	CHECK(engine_new(&config, &second) < 0 && second == NULL);
	close(pair[0]);
	close(pair[1]);
	end();
}

TEST(the_filter_judges_both_directions_and_the_lane_saves_its_flows)
{
	static const uint8_t seed[FILTER_SEED_LEN];
	const struct filter_rule any = {.proto = FILTER_ANY, .port_last = 65535};
	struct filter_rules *rules = filter_rules_new(1);

	a.filter = filter_new(16, seed); /* without rules nothing passes */
	b.filter = filter_new(16, seed);
	CHECK_INT(filter_rules_add(rules, 0, NULL, 0, &any, 1), 0); /* out only */
	start(false);
	connect_both();
	send_packet(&a, address_a, address_b, 1);
	WAIT_UNTIL(drops(&a, DROP_FILTER_OUT) == 1);
	CHECK(filter_publish(a.filter, rules) == NULL);
	send_packet(&a, address_a, address_b, 2);
	WAIT_UNTIL(drops(&b, DROP_FILTER_IN) == 1);
	CHECK_INT(receive_packet(&b), -1);
	engine_save_filter(a.engine);
	WAIT_UNTIL(a.saved > 0);
	end();
	filter_free(a.filter);
	filter_free(b.filter);
	a.filter = b.filter = NULL;
	filter_rules_free(rules);
}

TEST(after_stop_nothing_moves_and_numbers_stay)
{
	struct engine_peer_stats stats;

	start(false);
	connect_both();
	send_packet(&a, address_a, address_b, 1);
	CHECK_INT(wait_for_packet(&b), 1);
	engine_stop(b.engine);
	send_packet(&a, address_a, address_b, 2);
	rest(50);
	CHECK_INT(receive_packet(&b), -1);
	engine_peer_stats(b.peer, &stats);
	CHECK_INT(stats.way[WAY_DIRECT].data_received, 1);
	struct endpoint to = way_to(&a).addr;
	CHECK_INT(engine_send_udp(b.engine, &to, "x", 1), 0);
	end();
}

TEST(another_identity_ends_all_keypairs)
{
	struct secret_key other;
	uint8_t random[KEY_LEN] = {9};

	start(false);
	connect_both();
	send_packet(&a, address_a, address_b, 1);
	CHECK_INT(wait_for_packet(&b), 1);
	secret_key_from_random(&other, random);
	engine_set_secret_key(b.engine, &other);
	send_packet(&a, address_a, address_b, 2);
	WAIT_UNTIL(drops(&b, DROP_UNKNOWN_INDEX) >= 1);
	CHECK_INT(receive_packet(&b), -1);
	end();
}
