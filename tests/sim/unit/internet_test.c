/*
 * Hosts behind NATs, as drawn by each test; times are literal.
 */
#include "tests/sim/internet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/datagram.h"
#include "tests/sim/host.h"
#include "tests/sim/trace.h"
#include "tests/sim/world.h"
#include "tests/unit/test.h"

enum { MS = US_PER_MS, S = US_PER_S, START = 1000 * S, HOSTS_MAX = 4 };

static struct endpoint ep(const char *text)
{
	struct endpoint out;

	CHECK(endpoint_parse(text, &out) == 0);
	return out;
}

static struct ip_addr ip(const char *text)
{
	struct ip_addr out;

	CHECK(ip_parse(text, &out) == 0);
	return out;
}

static struct gateway *gateway(const char *name, const char *outer, struct realm *outer_realm,
			       struct nat_behaviour behaviour)
{
	struct gateway_config config = {
		.name = name,
		.outer_realm = outer_realm,
		.outer = ip(outer),
		.inner = ip("192.168.1.1"),
		.behaviour = behaviour,
		.uplink = {.delay_us = 10 * MS},
	};

	return gateway_new(&config);
}

struct scene {
	struct world *world;
	struct host *hosts[HOSTS_MAX];
	struct datagram_socket *sockets[HOSTS_MAX];
	size_t n_hosts, n_sockets;
};

static struct scene *begin(void)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	CHECK(scene != NULL);
	scene->world = world_new(1);
	return scene;
}

static void end(struct scene *scene)
{
	for (size_t i = 0; i < scene->n_sockets; i++)
		datagram_close(scene->sockets[i]);
	for (size_t i = 0; i < scene->n_hosts; i++)
		host_free(scene->hosts[i]);
	world_free(scene->world);
	free(scene);
}

static void run_until(struct scene *scene, uint64_t at_us)
{
	world_run_until(scene->world, at_us);
}

static struct host *host_at(struct scene *scene, const char *name, const char *address,
			    struct realm *realm)
{
	struct host *h = host_new(name);
	struct nic_config config = {.name = "eth0", .realm = realm};

	if (strchr(address, ':'))
		config.v6 = ip(address);
	else
		config.v4 = ip(address);
	host_plug(h, &config);
	CHECK(scene->n_hosts < HOSTS_MAX);
	scene->hosts[scene->n_hosts++] = h;
	return h;
}

struct seen { /* what came to a socket */
	unsigned count;
	struct endpoint from;
	uint64_t at_us;
	struct host *here;
	uint8_t bytes[DATAGRAM_LEN_MAX];
	size_t len;
	const struct endpoint *answer_to; /* not NULL: send it on from within */
};

static void on_arrival(void *arg, struct datagram_socket *s)
{
	struct seen *seen = arg;

	seen->count++;
	seen->at_us = world_now_us();
	seen->here = world_here();
	CHECK(datagram_receive(s, seen->bytes, sizeof(seen->bytes), &seen->len, &seen->from) == 0);
	if (seen->answer_to)
		CHECK(datagram_send(s, seen->answer_to, "pong", 4) == 0);
}

static struct datagram_socket *open_at(struct scene *scene, struct host *h,
				       enum datagram_family family, uint16_t port,
				       struct seen *seen)
{
	struct world_place was = world_enter(h);
	struct datagram_socket *s = NULL;

	CHECK(datagram_open(family, port, on_arrival, seen, &s) == 0);
	world_leave(was);
	CHECK(scene->n_sockets < HOSTS_MAX);
	scene->sockets[scene->n_sockets++] = s;
	return s;
}

static int send_to(struct datagram_socket *s, const char *to)
{
	struct endpoint target = ep(to);

	return datagram_send(s, &target, "ping", 4);
}

TEST(two_hosts_of_one_network_reach_each_other)
{
	struct scene *scene = begin();
	struct host *a = host_at(scene, "a", "198.51.100.1", internet_realm());
	struct host *b = host_at(scene, "b", "198.51.100.2", internet_realm());
	struct link_quality far = {.delay_us = 3 * MS};
	struct seen seen = {0}, none = {0};
	struct datagram_socket *from = open_at(scene, a, DATAGRAM_V4, 1000, &none);
	struct datagram_socket *to = open_at(scene, b, DATAGRAM_V4, 2000, &seen);
	struct endpoint a_ep = ep("198.51.100.1:1000");

	link_set_quality(nic_link(host_nic(a, 0)), LINK_UP, &far);
	link_set_quality(nic_link(host_nic(b, 0)), LINK_DOWN, &far);
	CHECK_INT(send_to(from, "198.51.100.2:2000"), 0);
	CHECK_INT(seen.count, 0);
	run_until(scene, START + S);
	CHECK_INT(seen.count, 1);
	CHECK_INT(seen.at_us, START + 6 * MS);
	CHECK(seen.here == b && world_here() == NULL);
	CHECK(endpoint_equal(&seen.from, &a_ep));
	CHECK(seen.len == 4 && memcmp(seen.bytes, "ping", 4) == 0);
	CHECK_INT(send_to(from, "198.51.100.2:2001"), 0);
	CHECK_INT(send_to(from, "198.51.100.9:2000"), 0);
	CHECK_INT(send_to(to, "198.51.100.2:2000"), 0); /* itself */
	run_until(scene, START + 2 * S);
	CHECK_INT(seen.count, 2);
	CHECK_INT(internet_counters()->no_such_port, 1);
	CHECK_INT(internet_counters()->no_such_address, 1);
	end(scene);
}

/* a -- 10 ms -- [nat] -- internet -- server */
TEST(an_answer_finds_its_way_back_through_a_nat)
{
	struct scene *scene = begin();
	struct gateway *home = gateway("home", "203.0.113.7", internet_realm(),
				       (struct nat_behaviour){.ports = NAT_PORTS_SEQUENTIAL});
	struct host *a = host_at(scene, "a", "192.168.1.2", gateway_realm(home));
	struct host *server = host_at(scene, "server", "198.51.100.1", internet_realm());
	struct endpoint outside = ep("203.0.113.7:1024");
	struct seen at_a = {0}, at_server = {.answer_to = &outside};
	struct datagram_socket *client = open_at(scene, a, DATAGRAM_V4, 1000, &at_a);
	struct datagram_socket *listening = open_at(scene, server, DATAGRAM_V4, 3478, &at_server);

	CHECK_INT(send_to(client, "198.51.100.1:3478"), 0);
	run_until(scene, START + S);
	CHECK(endpoint_equal(&at_server.from, &outside));
	CHECK_INT(at_server.at_us, START + 10 * MS);
	CHECK_INT(at_a.count, 1);
	CHECK_INT(at_a.at_us, START + 20 * MS);
	gateway_reboot(home, true);
	CHECK_INT(datagram_send(listening, &outside, "late", 4), 0);
	run_until(scene, START + 2 * S);
	CHECK_INT(at_a.count, 1);
	CHECK_INT(internet_counters()->dropped_by_nats, 1);
	struct ip_addr gate = nic_gateway_v4(host_nic(a, 0)), inner = ip("192.168.1.1");
	CHECK(ip_equal(&gate, &inner));
	end(scene);
}

/* a -- [home] -- [carrier] -- internet -- [office] -- b: both send at the same time. */
TEST(a_hole_is_punched_through_stacked_nats)
{
	struct scene *scene = begin();
	struct nat_behaviour strict = {.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT};
	struct gateway *carrier = gateway("carrier", "203.0.113.7", internet_realm(), strict);
	struct gateway *home = gateway("home", "100.64.0.2", gateway_realm(carrier), strict);
	struct gateway *office = gateway("office", "203.0.113.8", internet_realm(), strict);
	struct host *a = host_at(scene, "a", "192.168.1.2", gateway_realm(home));
	struct host *b = host_at(scene, "b", "192.168.1.2", gateway_realm(office));
	struct seen at_a = {0}, at_b = {0};
	struct datagram_socket *sa = open_at(scene, a, DATAGRAM_V4, 1000, &at_a);
	struct datagram_socket *sb = open_at(scene, b, DATAGRAM_V4, 2000, &at_b);

	CHECK_INT(send_to(sa, "203.0.113.8:2000"), 0);
	run_until(scene, START + 29 * MS); /* its packet comes to the office at 30 ms */
	CHECK_INT(send_to(sb, "203.0.113.7:1000"), 0);
	run_until(scene, START + S);
	CHECK_INT(at_b.count, 1);
	CHECK_INT(at_b.at_us, START + 30 * MS);
	CHECK_INT(at_a.count, 1);
	CHECK_INT(at_a.at_us, START + 59 * MS);
	/* Had b spoken 2 ms later, a's first packet would have been refused. */
	CHECK_INT(nat_counters(gateway_nat(office))->in[NAT_NO_MAPPING], 0);
	end(scene);
}

TEST(a_hole_that_is_punched_too_late_is_no_hole)
{
	struct scene *scene = begin();
	struct nat_behaviour strict = {.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT};
	struct gateway *home = gateway("home", "203.0.113.7", internet_realm(), strict);
	struct gateway *office = gateway("office", "203.0.113.8", internet_realm(), strict);
	struct host *a = host_at(scene, "a", "192.168.1.2", gateway_realm(home));
	struct host *b = host_at(scene, "b", "192.168.1.2", gateway_realm(office));
	struct seen at_a = {0}, at_b = {0};
	struct datagram_socket *sa = open_at(scene, a, DATAGRAM_V4, 1000, &at_a);
	struct datagram_socket *sb = open_at(scene, b, DATAGRAM_V4, 2000, &at_b);

	CHECK_INT(send_to(sa, "203.0.113.8:2000"), 0);
	run_until(scene, START + 21 * MS);
	CHECK_INT(send_to(sb, "203.0.113.7:1000"), 0);
	run_until(scene, START + S);
	CHECK_INT(at_b.count, 0);
	CHECK_INT(at_a.count, 1);
	CHECK_INT(nat_counters(gateway_nat(office))->in[NAT_NO_MAPPING], 1);
	end(scene);
}

TEST(two_hosts_behind_one_nat_meet_by_its_outer_address_only_where_it_hairpins)
{
	for (int hairpins = 0; hairpins < 2; hairpins++) {
		struct scene *scene = begin();
		struct gateway *home = gateway("home", "203.0.113.7", internet_realm(),
					       (struct nat_behaviour){.hairpins = hairpins != 0});
		struct host *a = host_at(scene, "a", "192.168.1.2", gateway_realm(home));
		struct host *b = host_at(scene, "b", "192.168.1.3", gateway_realm(home));
		struct seen at_a = {0}, at_b = {0};
		struct datagram_socket *sa = open_at(scene, a, DATAGRAM_V4, 1000, &at_a);
		struct datagram_socket *sb = open_at(scene, b, DATAGRAM_V4, 2000, &at_b);

		CHECK_INT(send_to(sb, "198.51.100.1:1"), 0);
		CHECK_INT(send_to(sa, "203.0.113.7:2000"), 0);
		run_until(scene, START + S);
		CHECK_INT(at_b.count, hairpins);
		CHECK_INT(send_to(sa, "192.168.1.3:2000"), 0);
		run_until(scene, START + 2 * S);
		CHECK_INT(at_b.count, hairpins + 1);
		end(scene);
	}
}

TEST(ipv6_behind_a_gateway_is_reached_as_it_is_through_its_filter)
{
	struct scene *scene = begin();
	struct gateway *home = gateway("home", "203.0.113.7", internet_realm(),
				       (struct nat_behaviour){.ipv6 = NAT_IPV6_FILTERED});
	struct host *a = host_at(scene, "a", "2001:db8:1::2", gateway_realm(home));
	struct host *b = host_at(scene, "b", "2001:db8:2::2", internet_realm());
	struct seen at_a = {0}, at_b = {0};
	struct datagram_socket *sa = open_at(scene, a, DATAGRAM_V6, 1000, &at_a);
	struct datagram_socket *sb = open_at(scene, b, DATAGRAM_V6, 2000, &at_b);
	struct endpoint a_ep = ep("[2001:db8:1::2]:1000");

	CHECK_INT(send_to(sb, "[2001:db8:1::2]:1000"), 0);
	run_until(scene, START + S);
	CHECK_INT(at_a.count, 0);
	CHECK_INT(send_to(sa, "[2001:db8:2::2]:2000"), 0);
	run_until(scene, START + 2 * S);
	CHECK(at_b.count == 1 && endpoint_equal(&at_b.from, &a_ep));
	CHECK_INT(send_to(sb, "[2001:db8:1::2]:1000"), 0);
	run_until(scene, START + 3 * S);
	CHECK_INT(at_a.count, 1);
	end(scene);
}

TEST(a_send_fails_as_a_kernel_would_say_it)
{
	struct scene *scene = begin();
	struct host *a = host_at(scene, "a", "198.51.100.1", internet_realm());
	struct seen none = {0};
	struct datagram_socket *s = open_at(scene, a, DATAGRAM_V4, 1000, &none), *twice;
	struct datagram_socket *v6 = open_at(scene, a, DATAGRAM_V6, 1000, &none);
	struct endpoint to = ep("198.51.100.2:1");
	static const uint8_t big[1473];

	struct world_place was = world_enter(a);
	CHECK_INT(datagram_open(DATAGRAM_V4, 1000, NULL, NULL, &twice), -EADDRINUSE);
	world_leave(was);
	CHECK_INT(send_to(s, "[2001:db8::1]:1"), -EAFNOSUPPORT);
	CHECK_INT(send_to(v6, "[2001:db8::1]:1"), -ENETUNREACH);
	CHECK_INT(datagram_send(s, &to, big, 1472), 0);
	CHECK_INT(datagram_send(s, &to, big, 1473), -EMSGSIZE);
	host_refuse_udp(a, -EPERM);
	CHECK_INT(send_to(s, "198.51.100.2:1"), -EPERM);
	host_refuse_udp(a, 0);
	nic_set_up(host_nic(a, 0), false);
	CHECK_INT(send_to(s, "198.51.100.2:1"), -ENETUNREACH);
	nic_set_up(host_nic(a, 0), true);
	host_crash(a);
	CHECK_INT(send_to(s, "198.51.100.2:1"), -EBADF);
	end(scene);
}

TEST(packets_to_a_sleeping_a_dead_and_a_moved_host_are_lost)
{
	struct scene *scene = begin();
	struct host *a = host_at(scene, "a", "198.51.100.1", internet_realm());
	struct host *b = host_at(scene, "b", "198.51.100.2", internet_realm());
	struct seen seen = {0}, none = {0};
	struct datagram_socket *from = open_at(scene, a, DATAGRAM_V4, 1000, &none);
	struct ip_addr other = ip("198.51.100.3"), no_ip = {0};
	struct link_quality far = {.delay_us = 5 * MS};

	(void)open_at(scene, b, DATAGRAM_V4, 2000, &seen);
	link_set_quality(nic_link(host_nic(a, 0)), LINK_UP, &far);
	host_sleep(b);
	send_to(from, "198.51.100.2:2000");
	run_until(scene, START + 1 * S);
	host_wake(b);
	send_to(from, "198.51.100.2:2000"); /* moves while it is under way */
	run_until(scene, START + 1 * S + MS);
	nic_move(host_nic(b, 0), internet_realm(), &other, &no_ip);
	run_until(scene, START + 2 * S);
	CHECK_INT(seen.count, 0);
	CHECK(host_has_address(b, &other));
	send_to(from, "198.51.100.3:2000");
	run_until(scene, START + 3 * S);
	CHECK_INT(seen.count, 1);
	host_power_off(b);
	CHECK(!host_is_on(b));
	send_to(from, "198.51.100.3:2000");
	run_until(scene, START + 4 * S);
	CHECK_INT(internet_counters()->to_sleeping_or_dead, 2);
	host_power_on(b);
	send_to(from, "198.51.100.3:2000");
	run_until(scene, START + 5 * S);
	CHECK_INT(internet_counters()->no_such_port, 1);
	CHECK_INT(seen.count, 1);
	end(scene);
}

static void count_change(void *arg)
{
	(*(unsigned *)arg)++;
}

TEST(a_host_with_two_interfaces_prefers_one_and_tells_of_changes)
{
	struct scene *scene = begin();
	struct gateway *home =
		gateway("home", "203.0.113.7", internet_realm(), (struct nat_behaviour){0});
	struct host *a = host_at(scene, "a", "192.168.1.2", gateway_realm(home));
	struct nic_config phone = {
		.name = "wwan0", .realm = internet_realm(), .v4 = ip("198.51.100.9")};
	struct ip_addr far = ip("198.51.100.1"), near = ip("192.168.1.1"), source;
	unsigned changes = 0;

	struct world_place was = world_enter(a);
	host_watch_network(a, count_change, &changes);
	world_leave(was);
	struct nic *wwan = host_plug(a, &phone);
	CHECK_INT(changes, 1);
	CHECK(host_source_for(a, &far, &source));
	CHECK(source.b[12] == 192);
	nic_prefer(wwan);
	CHECK(host_source_for(a, &far, &source));
	CHECK(source.b[12] == 198);
	CHECK(host_source_for(a, &near, &source)); /* on its own network */
	CHECK(source.b[12] == 192);
	nic_set_up(wwan, false);
	CHECK_INT(changes, 3);
	CHECK(host_source_for(a, &far, &source));
	CHECK(source.b[12] == 192);
	CHECK_INT(nic_index(wwan), 3);
	CHECK_STR(nic_name(host_nic(a, 0)), "wwan0");
	end(scene);
}

TEST(a_pair_of_addresses_may_have_distance_and_weather_of_its_own)
{
	struct scene *scene = begin();
	struct host *a = host_at(scene, "a", "198.51.100.1", internet_realm());
	struct host *b = host_at(scene, "b", "198.51.100.2", internet_realm());
	struct host *c = host_at(scene, "c", "198.51.100.3", internet_realm());
	struct seen at_a = {0}, at_b = {0}, at_c = {0};
	struct datagram_socket *sa = open_at(scene, a, DATAGRAM_V4, 1, &at_a);
	struct datagram_socket *sb = open_at(scene, b, DATAGRAM_V4, 1, &at_b);
	struct ip_addr ia = ip("198.51.100.1"), ib = ip("198.51.100.2");
	struct link *pair = realm_pair(internet_realm(), &ia, &ib);
	struct link_quality far = {.delay_us = 40 * MS};

	(void)open_at(scene, c, DATAGRAM_V4, 1, &at_c);
	CHECK(realm_pair(internet_realm(), &ia, &ib) == pair);
	link_set_quality(pair, LINK_UP, &far);
	send_to(sa, "198.51.100.2:1");
	send_to(sa, "198.51.100.3:1");
	send_to(sb, "198.51.100.1:1");
	run_until(scene, START + S);
	CHECK_INT(at_b.at_us, START + 40 * MS);
	CHECK_INT(at_c.at_us, START);
	CHECK_INT(at_a.at_us, START);
	link_cut(pair, LINK_DOWN, true);
	send_to(sb, "198.51.100.1:1");
	send_to(sa, "198.51.100.2:1");
	run_until(scene, START + 2 * S);
	CHECK_INT(at_a.count, 1);
	CHECK_INT(at_b.count, 2);
	end(scene);
}

TEST(a_rate_far_away_sends_in_the_order_of_coming_there)
{
	struct scene *scene = begin();
	struct host *near = host_at(scene, "near", "198.51.100.1", internet_realm());
	struct host *far = host_at(scene, "far", "198.51.100.2", internet_realm());
	struct host *slow = host_at(scene, "slow", "198.51.100.3", internet_realm());
	struct seen none = {0}, seen = {0};
	struct datagram_socket *s_near = open_at(scene, near, DATAGRAM_V4, 1, &none);
	struct datagram_socket *s_far = open_at(scene, far, DATAGRAM_V4, 1, &none);
	struct link_quality distance = {.delay_us = 100 * MS};
	struct link_quality rate = {.rate_bytes_per_s = 1000};

	(void)open_at(scene, slow, DATAGRAM_V4, 1, &seen);
	link_set_quality(nic_link(host_nic(far, 0)), LINK_UP, &distance);
	link_set_quality(nic_link(host_nic(slow, 0)), LINK_DOWN, &rate);
	send_to(s_far, "198.51.100.3:1"); /* 32 bytes: 32 ms, from 100 ms on */
	send_to(s_near, "198.51.100.3:1");
	run_until(scene, START + 90 * MS);
	CHECK_INT(seen.at_us, START + 32 * MS);
	run_until(scene, START + S);
	CHECK_INT(seen.at_us, START + 132 * MS);
	end(scene);
}

/* near ---------------- internet -- 1 KB/s -- [nat] -- slow
 * far -- 100 ms --------/ */
TEST(a_slow_uplink_sends_in_the_order_of_coming_there_too)
{
	struct scene *scene = begin();
	struct gateway *home =
		gateway("home", "203.0.113.7", internet_realm(), (struct nat_behaviour){0});
	struct host *near = host_at(scene, "near", "198.51.100.1", internet_realm());
	struct host *far = host_at(scene, "far", "198.51.100.2", internet_realm());
	struct host *slow = host_at(scene, "slow", "192.168.1.2", gateway_realm(home));
	struct seen none = {0}, seen = {0};
	struct datagram_socket *s_near = open_at(scene, near, DATAGRAM_V4, 1, &none);
	struct datagram_socket *s_far = open_at(scene, far, DATAGRAM_V4, 1, &none);
	struct datagram_socket *s_slow = open_at(scene, slow, DATAGRAM_V4, 1, &seen);
	struct link_quality distance = {.delay_us = 100 * MS};
	struct link_quality rate = {.rate_bytes_per_s = 1000};

	link_set_quality(nic_link(host_nic(far, 0)), LINK_UP, &distance);
	link_set_quality(gateway_link(home), LINK_DOWN, &rate);
	send_to(s_slow, "198.51.100.9:1"); /* makes the mapping */
	send_to(s_far, "203.0.113.7:1");
	send_to(s_near, "203.0.113.7:1");
	run_until(scene, START + 90 * MS);
	CHECK_INT(seen.at_us, START + 32 * MS);
	run_until(scene, START + S);
	CHECK_INT(seen.at_us, START + 132 * MS);
	end(scene);
}

TEST(duplicates_arrive_twice_and_a_full_queue_drops)
{
	struct scene *scene = begin();
	struct host *a = host_at(scene, "a", "198.51.100.1", internet_realm());
	struct host *b = host_at(scene, "b", "198.51.100.2", internet_realm());
	struct seen none = {0};
	struct datagram_socket *sa = open_at(scene, a, DATAGRAM_V4, 1, &none), *sb;
	struct link_quality twice = {.duplicate = 1};
	struct endpoint from;
	size_t len, n = 0;

	struct world_place was = world_enter(b);
	CHECK(datagram_open(DATAGRAM_V4, 1, NULL, NULL, &sb) == 0);
	world_leave(was);
	link_set_quality(nic_link(host_nic(a, 0)), LINK_UP, &twice);
	for (int i = 0; i < 300; i++)
		send_to(sa, "198.51.100.2:1");
	run_until(scene, START + S);
	CHECK(datagram_is_waiting(sb));
	while (datagram_take(sb, &len, &from))
		n++;
	CHECK_INT(n, DATAGRAM_QUEUE_MAX);
	CHECK_INT(internet_counters()->receive_queue_full, 600 - DATAGRAM_QUEUE_MAX);
	datagram_close(sb);
	end(scene);
}

static void on_tap(void *arg, const struct wire_packet *p)
{
	struct seen *seen = arg;

	seen->count++;
	seen->len = p->len;
	seen->from = p->from;
	seen->here = p->sender;
	memcpy(seen->bytes, p->data, p->len);
}

TEST(taps_see_what_leaves_a_host_even_if_it_is_lost)
{
	struct scene *scene = begin();
	struct host *a = host_at(scene, "a", "198.51.100.1", internet_realm());
	struct seen none = {0}, tapped = {0};
	struct datagram_socket *s = open_at(scene, a, DATAGRAM_V4, 1, &none);

	internet_add_tap(on_tap, &tapped);
	link_cut_both(nic_link(host_nic(a, 0)), true);
	send_to(s, "198.51.100.2:1");
	CHECK(tapped.count == 1 && tapped.len == 4 && memcmp(tapped.bytes, "ping", 4) == 0);
	CHECK(tapped.here == a && tapped.from.port == 1);
	CHECK_INT(internet_counters()->lost_on_links, 1);
	end(scene);
}

TEST(the_provider_may_give_another_address)
{
	struct scene *scene = begin();
	struct gateway *home =
		gateway("home", "203.0.113.7", internet_realm(), (struct nat_behaviour){0});
	struct host *a = host_at(scene, "a", "192.168.1.2", gateway_realm(home));
	struct host *b = host_at(scene, "b", "198.51.100.2", internet_realm());
	struct seen none = {0}, seen = {0};
	struct datagram_socket *sa = open_at(scene, a, DATAGRAM_V4, 1000, &none);
	struct datagram_socket *sb = open_at(scene, b, DATAGRAM_V4, 1, &seen);
	struct ip_addr other = ip("203.0.113.70");
	struct endpoint outside = ep("203.0.113.70:1000");

	send_to(sb, "203.0.113.7:1000"); /* to no mapping, but the way is asked for */
	run_until(scene, START + S / 2);
	gateway_renumber(home, &other);
	send_to(sb, "203.0.113.7:1000");
	run_until(scene, START + S / 2 + S / 4);
	CHECK_INT(internet_counters()->no_such_address, 1);
	send_to(sa, "198.51.100.2:1");
	run_until(scene, START + S);
	CHECK(endpoint_equal(&seen.from, &outside));
	send_to(sb, "203.0.113.7:1000");
	run_until(scene, START + 2 * S);
	CHECK_INT(internet_counters()->no_such_address, 2);
	end(scene);
}
