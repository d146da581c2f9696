/*
 * Most tests: client --10 ms-- [nat] -- internet --10 ms-- server, a round trip of 40 ms, or
 * without the NAT.
 */
#include "tests/sim/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/host.h"
#include "tests/sim/internet.h"
#include "tests/sim/world.h"
#include "tests/unit/test.h"

enum { MS = US_PER_MS, S = US_PER_S, START = 1000 * S, BULK = 3 * 1000 * 1000 };

struct side { /* one end, and what its owner does */
	struct host *host;
	struct stream *stream;
	bool reads, writes, is_open, has_end;
	uint64_t sent, got, opened_us, ended_us, last_us;
	int err;
	unsigned told;
};

struct pair {
	struct world *world;
	struct gateway *nat;
	struct side client, server;
	struct stream_listener *listener;
};

/* Byte number i of any stream. */
static uint8_t byte_at(uint64_t i)
{
	return (uint8_t)(i * 167 ^ i >> 8);
}

static void read_all(struct side *side)
{
	uint8_t buf[5000];
	ssize_t n;

	while ((n = stream_receive(side->stream, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			CHECK(buf[i] == byte_at(side->got + (uint64_t)i));
		side->got += (uint64_t)n;
		side->last_us = world_now_us();
	}
	if (n == 0)
		side->has_end = true;
	else if (n != -EAGAIN)
		side->err = (int)n;
}

static void write_all(struct side *side)
{
	uint8_t buf[5000];

	while (side->sent < BULK) {
		size_t len =
			BULK - side->sent < sizeof(buf) ? (size_t)(BULK - side->sent) : sizeof(buf);
		for (size_t i = 0; i < len; i++)
			buf[i] = byte_at(side->sent + i);
		ssize_t n = stream_send(side->stream, buf, len);
		if (n < 0)
			return;
		side->sent += (uint64_t)n;
	}
}

static void on_event(void *arg, struct stream *s)
{
	struct side *side = arg;

	CHECK(side->stream == s && world_here() == side->host);
	side->told++;
	if (stream_is_open(s) && !side->is_open) {
		side->is_open = true;
		side->opened_us = world_now_us();
	}
	if (stream_error(s) != 0 && side->ended_us == 0) {
		side->err = stream_error(s);
		side->ended_us = world_now_us();
	}
	if (side->reads)
		read_all(side);
	if (side->writes && stream_is_open(s))
		write_all(side);
}

static void on_accept(void *arg, struct stream *s)
{
	struct side *side = arg;

	CHECK(world_here() == side->host && stream_is_open(s));
	CHECK(side->stream == NULL);
	side->stream = s;
	side->is_open = true;
	side->opened_us = world_now_us();
	stream_watch(s, on_event, side);
}

static struct endpoint ep(const char *text)
{
	struct endpoint out;

	CHECK(endpoint_parse(text, &out) == 0);
	return out;
}

static struct host *host_at(const char *name, const char *address, struct realm *realm,
			    uint64_t delay_us)
{
	struct host *h = host_new(name);
	struct nic_config config = {
		.name = "eth0", .realm = realm, .quality = {.delay_us = delay_us}};

	CHECK(ip_parse(address, &config.v4) == 0);
	host_plug(h, &config);
	return h;
}

static struct pair *pair_of(bool has_nat)
{
	struct world *w = world_new(3);
	struct pair *p = calloc(1, sizeof(*p));
	struct gateway_config home = {.name = "home",
				      .outer_realm = internet_realm(),
				      .outer = ep("203.0.113.7:0").ip,
				      .inner = ep("192.168.1.1:0").ip,
				      .behaviour = {.blocks_udp = true}};

	CHECK(p != NULL);
	p->world = w;
	if (has_nat)
		p->nat = gateway_new(&home);
	p->client.host = host_at("client", has_nat ? "192.168.1.2" : "203.0.113.9",
				 has_nat ? gateway_realm(p->nat) : internet_realm(), 10 * MS);
	p->server.host = host_at("server", "198.51.100.1", internet_realm(), 10 * MS);
	p->client.reads = p->server.reads = true;
	return p;
}

static void listen_on(struct pair *p, uint16_t port)
{
	struct world_place was = world_enter(p->server.host);

	CHECK(stream_listen(port, on_accept, &p->server, &p->listener) == 0);
	world_leave(was);
}

static void dial(struct pair *p, const char *to)
{
	struct endpoint target = ep(to);
	struct world_place was = world_enter(p->client.host);

	CHECK(stream_dial(&target, on_event, &p->client, &p->client.stream) == 0);
	world_leave(was);
}

static void run_to(struct pair *p, uint64_t after_us)
{
	world_run_until(p->world, START + after_us);
}

static struct pair *connected(bool has_nat)
{
	struct pair *p = pair_of(has_nat);

	listen_on(p, 443);
	return p;
}

static void end(struct pair *p)
{
	stream_close(p->client.stream);
	stream_close(p->server.stream);
	stream_listener_close(p->listener);
	host_free(p->client.host);
	host_free(p->server.host);
	world_free(p->world);
	free(p);
}

static void say(struct side *side, size_t len)
{
	uint8_t buf[64];

	for (size_t i = 0; i < len; i++)
		buf[i] = byte_at(side->sent + i);
	CHECK_INT(stream_send(side->stream, buf, len), len);
	side->sent += len;
}

TEST(a_handshake_takes_one_round_trip_and_bytes_half_of_one)
{
	struct pair *p = connected(true);
	struct endpoint outside = ep("203.0.113.7:0"), server = ep("198.51.100.1:443");

	dial(p, "198.51.100.1:443");
	CHECK(!stream_is_open(p->client.stream));
	CHECK_INT(stream_send(p->client.stream, "x", 1), -ENOTCONN);
	run_to(p, 100 * MS);
	CHECK_INT(p->client.opened_us, START + 40 * MS);
	CHECK_INT(p->server.opened_us, START + 60 * MS);
	struct endpoint seen = stream_remote(p->server.stream),
			remote = stream_remote(p->client.stream);
	CHECK(ip_equal(&seen.ip, &outside.ip));
	CHECK(endpoint_equal(&remote, &server));
	CHECK_INT(stream_local(p->server.stream).port, 443);
	say(&p->client, 5);
	CHECK_INT(stream_unsent(p->client.stream), 5);
	CHECK_INT(stream_unacked_since_us(p->client.stream), START + 100 * MS);
	run_to(p, 200 * MS);
	CHECK_INT(p->server.got, 5);
	CHECK_INT(p->server.last_us, START + 120 * MS);
	CHECK_INT(stream_unsent(p->client.stream), 0);
	CHECK_INT(stream_acked_us(p->client.stream), START + 140 * MS);
	CHECK_INT(stream_unacked_since_us(p->client.stream), 0);
	say(&p->server, 9);
	run_to(p, 300 * MS);
	CHECK_INT(p->client.last_us, START + 220 * MS);
	end(p);
}

TEST(nobody_listening_refuses_and_nobody_there_times_out)
{
	struct pair *p = pair_of(true);

	dial(p, "198.51.100.1:444");
	run_to(p, 1 * S);
	CHECK_INT(p->client.err, -ECONNREFUSED);
	CHECK_INT(p->client.ended_us, START + 40 * MS);
	stream_close(p->client.stream);
	p->client = (struct side){.host = p->client.host};
	dial(p, "198.51.100.77:443");
	run_to(p, 300ull * S);
	CHECK_INT(p->client.err, -ETIMEDOUT);
	CHECK_INT(p->client.ended_us, START + 128 * S); /* 1 + 2 + 4 + ... + 64 s from 1 s on */
	nic_set_up(host_nic(p->client.host, 0), false);
	struct endpoint to = ep("198.51.100.1:443");
	struct stream *none;
	struct world_place was = world_enter(p->client.host);
	CHECK_INT(stream_dial(&to, NULL, NULL, &none), -ENETUNREACH);
	world_leave(was);
	end(p);
}

TEST(bulk_arrives_whole_and_in_order_over_a_bad_link)
{
	struct pair *p = connected(true);
	struct link_quality bad = {.delay_us = 10 * MS,
				   .jitter_us = 5 * MS,
				   .loss = 0.02,
				   .reorder = 0.05,
				   .reorder_us = 7 * MS,
				   .duplicate = 0.05};

	link_set_quality(nic_link(host_nic(p->client.host, 0)), LINK_UP, &bad);
	link_set_quality(nic_link(host_nic(p->client.host, 0)), LINK_DOWN, &bad);
	p->client.writes = p->server.writes = true;
	dial(p, "198.51.100.1:443");
	run_to(p, 400ull * MS); /* on_accept does not write: wake the server's side */
	stream_watch(p->server.stream, NULL, NULL);
	struct world_place was = world_enter(p->server.host);
	stream_watch(p->server.stream, on_event, &p->server);
	world_leave(was);
	run_to(p, 300ull * S);
	CHECK_INT(p->server.got, BULK);
	CHECK_INT(p->client.got, BULK);
	CHECK(p->server.last_us < START + 200ull * S);
	end(p);
}

TEST(bulk_fills_a_clean_link)
{
	struct pair *p = connected(false);

	p->client.writes = true;
	dial(p, "198.51.100.1:443");
	run_to(p, 10ull * S);
	CHECK_INT(p->server.got, BULK);
	/* 256 KB a round trip of 40 ms, once slow start is through. */
	CHECK(p->server.last_us < START + 850 * MS);
	end(p);
}

TEST(a_reader_that_stops_stops_the_writer)
{
	struct pair *p = connected(false);

	p->client.writes = true;
	p->server.reads = false;
	dial(p, "198.51.100.1:443");
	run_to(p, 120ull * S);
	CHECK_INT(stream_waiting(p->server.stream), STREAM_BUFFER_BYTES);
	CHECK_INT(p->client.sent, 2 * STREAM_BUFFER_BYTES);
	CHECK(!stream_can_send(p->client.stream) && stream_can_receive(p->server.stream));
	CHECK_INT(stream_send(p->client.stream, "x", 1), -EAGAIN);
	CHECK_INT(p->client.err, 0);
	p->server.reads = true;
	struct world_place was = world_enter(p->server.host);
	read_all(&p->server);
	world_leave(was);
	run_to(p, 130ull * S);
	CHECK_INT(p->server.got, BULK);
	CHECK(p->server.last_us < START + 122ull * S);
	end(p);
}

TEST(little_waits_unsent_where_little_is_allowed_to)
{
	struct pair *p = connected(false);
	struct link_quality slow = {.delay_us = 10 * MS, .rate_bytes_per_s = 100000};

	link_set_quality(nic_link(host_nic(p->client.host, 0)), LINK_UP, &slow);
	dial(p, "198.51.100.1:443");
	run_to(p, 100 * MS);
	stream_set_not_sent_max(p->client.stream, 4000);
	p->client.writes = true;
	write_all(&p->client);
	CHECK_INT(stream_not_sent(p->client.stream), 4000);
	CHECK(!stream_can_send(p->client.stream));
	for (uint64_t t = 100 * MS; t < 20ull * S; t += 10 * MS) {
		run_to(p, t);
		CHECK(stream_not_sent(p->client.stream) <= 4000);
	}
	CHECK(p->client.sent > 1000000); /* half of what the link takes */
	end(p);
}

TEST(a_lost_segment_costs_a_retransmission_timeout)
{
	struct pair *p = connected(false);
	struct link *link = nic_link(host_nic(p->client.host, 0));

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	link_cut(link, LINK_UP, true);
	say(&p->client, 7);
	run_to(p, 1 * S + 1);
	link_cut(link, LINK_UP, false);
	run_to(p, 3 * S);
	CHECK_INT(p->server.got, 7);
	CHECK_INT(p->server.last_us, START + 1 * S + 240 * MS + 20 * MS);
	end(p);
}

/* Something is said each 10 ms; the first is lost, and so is what is sent again at 60 ms. */
TEST(what_is_lost_twice_costs_no_timeout_while_more_is_sent)
{
	struct pair *p = connected(false);
	struct link *link = nic_link(host_nic(p->client.host, 0));

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	for (unsigned i = 0; i < 30; i++) {
		link_cut(link, LINK_UP, i == 0 || i == 5);
		say(&p->client, 7);
		run_to(p, 1 * S + i * 10 * MS + 5 * MS);
		if (i == 13)
			CHECK_INT(p->server.got, 0);
		if (i == 20) /* a timeout would come at 240 ms */
			CHECK(p->server.got >= 18 * 7);
		run_to(p, 1 * S + (i + 1) * 10 * MS);
	}
	run_to(p, 1 * S + 330 * MS);
	CHECK_INT(p->server.got, 30 * 7);
	end(p);
}

/* A round trip of 40 ms becomes one of 340: the timer fires at 240. */
TEST(a_timeout_that_came_too_early_is_undone)
{
	struct pair *p = connected(false);
	struct link *link = nic_link(host_nic(p->client.host, 0));
	uint8_t buf[12000] = {0};

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	p->server.reads = false;
	link_set_quality(link, LINK_UP, &(struct link_quality){.delay_us = 310 * MS});
	CHECK_INT(stream_send(p->client.stream, buf, sizeof(buf)), sizeof(buf));
	uint64_t sent = internet_counters()->tcp_sent;

	run_to(p, 1 * S + 339 * MS);
	CHECK_INT(internet_counters()->tcp_sent - sent, 11);
	run_to(p, 1 * S + 341 * MS);
	CHECK_INT(internet_counters()->tcp_sent - sent, 11);
	/* What comes now may fill the window that there was, and a new timer allows for the delay.
	 */
	CHECK_INT(stream_send(p->client.stream, buf, sizeof(buf)), sizeof(buf));
	CHECK_INT(stream_not_sent(p->client.stream), 0);
	run_to(p, 3 * S);
	CHECK_INT(stream_unsent(p->client.stream), 0);
	CHECK_INT(internet_counters()->tcp_sent - sent, 32); /* each once, but the first */
	end(p);
}

TEST(a_cut_stalls_it_and_one_of_fifteen_seconds_ends_it)
{
	struct pair *p = connected(false);
	struct link *link = nic_link(host_nic(p->client.host, 0));

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	link_cut_both(link, true);
	say(&p->client, 7);
	run_to(p, 6ull * S);
	CHECK_INT(p->client.err, 0);
	link_cut_both(link, false);
	run_to(p, 20ull * S);
	CHECK_INT(p->server.got, 7);
	link_cut_both(link, true);
	say(&p->client, 7);
	run_to(p, 35ull * S - 1);
	CHECK_INT(p->client.err, 0);
	run_to(p, 35ull * S);
	CHECK_INT(p->client.err, -ETIMEDOUT);
	CHECK_INT(stream_send(p->client.stream, "x", 1), -ETIMEDOUT);
	CHECK(stream_can_send(p->client.stream) && stream_can_receive(p->client.stream));
	CHECK_INT(p->server.err, 0); /* it had nothing to say and knows nothing */
	end(p);
}

TEST(an_end_follows_what_was_sent_and_the_other_way_stays_open)
{
	struct pair *p = connected(false);
	uint8_t byte;

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	say(&p->client, 7);
	stream_end(p->client.stream);
	CHECK_INT(stream_send(p->client.stream, "x", 1), -EPIPE);
	run_to(p, 2 * S);
	CHECK_INT(p->server.got, 7);
	CHECK(p->server.has_end && !p->client.has_end);
	say(&p->server, 9);
	run_to(p, 3 * S);
	CHECK_INT(p->client.got, 9);
	stream_close(p->server.stream);
	p->server.stream = NULL;
	run_to(p, 4 * S);
	CHECK(p->client.has_end);
	CHECK_INT(stream_receive(p->client.stream, &byte, 1), 0);
	CHECK_INT(p->client.err, 0);
	uint64_t sent = internet_counters()->tcp_sent;
	run_to(p, 3600ull * S);
	CHECK_INT(internet_counters()->tcp_sent, sent); /* nobody talks on */
	end(p);
}

TEST(closing_with_unread_bytes_resets)
{
	struct pair *p = connected(false);

	p->server.reads = false;
	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	say(&p->client, 7);
	run_to(p, 2 * S);
	stream_close(p->server.stream);
	p->server.stream = NULL;
	run_to(p, 3 * S);
	CHECK_INT(p->client.err, -ECONNRESET);
	CHECK_INT(p->client.ended_us, START + 2 * S + 20 * MS);
	end(p);
}

TEST(bytes_to_one_who_closed_reset)
{
	struct pair *p = connected(false);

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	stream_close(p->server.stream);
	p->server.stream = NULL;
	run_to(p, 2 * S);
	CHECK(p->client.has_end && p->client.err == 0);
	say(&p->client, 3);
	run_to(p, 3 * S);
	CHECK_INT(p->client.err, -ECONNRESET);
	end(p);
}

TEST(a_connection_from_ports_used_before_ends_the_old_one)
{
	struct pair *p = connected(false);
	struct endpoint to = ep("198.51.100.1:444");

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	uint16_t port = stream_local(p->client.stream).port;
	host_power_off(p->client.host);
	stream_close(p->client.stream);
	host_power_on(p->client.host);
	struct world_place was = world_enter(p->client.host);
	for (uint16_t last = port; last != (port == 32768 ? 60999 : port - 1);) {
		struct stream *s;
		CHECK(stream_dial(&to, NULL, NULL, &s) == 0);
		last = stream_local(s).port;
		stream_abort(s);
	}
	world_leave(was);
	p->client = (struct side){.host = p->client.host, .reads = true};
	dial(p, "198.51.100.1:443");
	CHECK_INT(stream_local(p->client.stream).port, port);
	run_to(p, 1 * S + 30 * MS);
	CHECK_INT(p->server.err, -ECONNRESET);
	stream_close(p->server.stream);
	p->server = (struct side){.host = p->server.host, .reads = true};
	run_to(p, 2 * S);
	CHECK(p->client.is_open && p->server.is_open);
	say(&p->client, 3);
	run_to(p, 3 * S);
	CHECK_INT(p->server.got, 3);
	end(p);
}

TEST(a_killed_process_ends_its_connections_and_its_ghost_may_close_them)
{
	struct pair *p = connected(false);
	uint8_t byte;

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	host_crash(p->server.host);
	run_to(p, 2 * S);
	CHECK(p->client.has_end);
	CHECK_INT(stream_send(p->server.stream, "x", 1), -EPIPE);
	stream_close(p->server.stream);
	p->server.stream = NULL;
	stream_listener_close(p->listener);
	p->listener = NULL;
	CHECK_INT(stream_receive(p->client.stream, &byte, 1), 0);
	stream_close(p->client.stream);
	dial(p, "198.51.100.1:443");
	run_to(p, 3 * S);
	CHECK_INT(p->client.err, -ECONNREFUSED);
	stream_close(p->client.stream);
	p->client.stream = NULL;
	listen_on(p, 443); /* the next incarnation */
	p->client.err = 0;
	p->client.is_open = false;
	dial(p, "198.51.100.1:443");
	run_to(p, 4 * S);
	CHECK(p->client.is_open && p->client.err == 0);
	end(p);
}

TEST(a_host_without_power_is_silent_and_resets_when_it_is_back)
{
	struct pair *p = connected(false);

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	host_power_off(p->server.host);
	say(&p->client, 3);
	run_to(p, 5 * S);
	CHECK_INT(p->client.err, 0);
	host_power_on(p->server.host);
	run_to(p, 10ull * S);
	CHECK_INT(p->client.err, -ECONNRESET);
	end(p);
}

TEST(a_nat_that_reboots_with_other_ports_resets_whoever_speaks_from_behind_it)
{
	struct pair *p = connected(true);

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	gateway_reboot(p->nat, true);
	say(&p->server, 4); /* cannot find its way in */
	run_to(p, 3 * S);
	CHECK_INT(p->client.got, 0);
	say(&p->client, 3);
	run_to(p, 4 * S);
	CHECK_INT(p->client.err, -ECONNRESET);
	run_to(p, 16ull * S);
	CHECK_INT(p->server.err, -ETIMEDOUT);
	CHECK_INT(p->server.ended_us, START + 16ull * S);
	end(p);
}

TEST(sleep_stalls_both_and_does_not_count_for_the_sleeper)
{
	struct pair *p = connected(false);

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	say(&p->client, 3);
	host_sleep(p->client.host); /* what it sent arrives, the answer finds nobody */
	run_to(p, 3600ull * S);
	CHECK_INT(p->server.got, 3);
	CHECK_INT(p->client.err, 0);
	host_wake(p->client.host);
	run_to(p, 3601ull * S);
	CHECK_INT(p->client.err, 0);
	CHECK_INT(stream_unsent(p->client.stream), 0);
	end(p);
}

TEST(an_address_that_is_gone_stalls_its_connections)
{
	struct pair *p = connected(false);
	struct ip_addr other = ep("203.0.113.10:0").ip, none = {0};

	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	nic_move(host_nic(p->client.host, 0), internet_realm(), &other, &none);
	say(&p->client, 3);
	run_to(p, 17ull * S);
	CHECK_INT(p->client.err, -ETIMEDOUT);
	CHECK_INT(p->server.got, 0);
	end(p);
}

static void on_tap(void *arg, const struct wire_packet *wire)
{
	uint64_t *sealed = arg;

	if (wire->kind == WIRE_TCP && wire->len > 0)
		sealed[wire->is_again ? 2 : wire->is_sealed]++;
}

TEST(taps_know_what_is_sealed_and_what_is_sent_again)
{
	struct pair *p = connected(false);
	struct link *link = nic_link(host_nic(p->client.host, 0));
	uint64_t sealed[3] = {0};

	internet_add_tap(on_tap, sealed);
	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	say(&p->client, 3);
	stream_set_sealed(p->client.stream, true);
	say(&p->client, 3);
	say(&p->client, 3);
	CHECK_INT(sealed[false], 1);
	CHECK_INT(sealed[true], 2);
	run_to(p, 2 * S);
	link_cut(link, LINK_UP, true);
	say(&p->client, 3);
	run_to(p, 2 * S + 1);
	link_cut(link, LINK_UP, false);
	run_to(p, 3 * S);
	CHECK_INT(sealed[true], 3);
	CHECK_INT(sealed[2], 1);
	end(p);
}

static void close_at_once(void *arg, struct stream *s)
{
	(*(unsigned *)arg)++;
	stream_close(s);
}

TEST(an_owner_may_close_within_its_callbacks)
{
	struct pair *p = pair_of(false);
	unsigned accepted = 0;

	struct world_place was = world_enter(p->server.host);
	CHECK(stream_listen(443, close_at_once, &accepted, &p->listener) == 0);
	CHECK_INT(stream_listen(443, close_at_once, &accepted, &p->listener), -EADDRINUSE);
	CHECK_INT(stream_listener_port(p->listener), 443);
	world_leave(was);
	dial(p, "198.51.100.1:443");
	run_to(p, 1 * S);
	CHECK_INT(accepted, 1);
	CHECK(p->client.has_end);
	stream_close(p->client.stream);
	p->client.stream = NULL;
	unsigned closed = 0;
	struct endpoint to = ep("198.51.100.1:443");
	struct stream *s;
	was = world_enter(p->client.host);
	CHECK(stream_dial(&to, close_at_once, &closed, &s) == 0);
	world_leave(was);
	run_to(p, 2 * S);
	CHECK_INT(closed, 1);
	end(p);
}
