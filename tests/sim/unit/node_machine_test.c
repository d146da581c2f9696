/* Whole nodes with a whole coordinator and two relays, through their lives. */
#include "tests/sim/node_machine.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/coordinator_machine.h"
#include "tests/sim/host.h"
#include "tests/sim/internet.h"
#include "tests/sim/kernel_random.h"
#include "tests/sim/relay_machine.h"
#include "tests/sim/trace.h"
#include "tests/sim/world.h"
#include "tests/unit/test.h"

enum { NODES = 2, RELAYS = 2, PACKET_LEN = 84 };

/* laptop -(home NAT)- internet -(office NAT)- dev; coordinator and two relays in the internet. */
struct mesh {
	struct world *world;
	struct host *hosts[NODES + RELAYS + 1];
	size_t n_hosts;
	struct coordinator_machine *coordinator;
	struct relay_machine *relays[RELAYS];
	struct node_machine *nodes[NODES];
	struct gateway *gateways[NODES];
	unsigned heard[NODES]; /* inner packets */
	unsigned moves, events;
};

static const char *const node_names[NODES] = {"laptop", "dev"};

static struct ip_addr ip(const char *text)
{
	struct ip_addr out;

	CHECK_INT(ip_parse(text, &out), 0);
	return out;
}

static struct host *plug(struct mesh *m, const char *name, struct realm *realm, const char *v4)
{
	struct host *host = host_new(name);

	host_plug(host, &(struct nic_config){.name = "eth0",
					     .realm = realm,
					     .v4 = ip(v4),
					     .quality = {.delay_us = 5000}});
	m->hosts[m->n_hosts++] = host;
	return host;
}

static void on_inner(void *arg, struct node_machine *machine, const uint8_t *packet, size_t len)
{
	struct mesh *m = arg;

	(void)packet;
	CHECK_INT(len, PACKET_LEN);
	for (size_t i = 0; i < NODES; i++)
		m->heard[i] += m->nodes[i] == machine;
}

static void on_choice(void *arg, struct node_machine *machine, const char *peer,
		      const struct path_choice *choice)
{
	struct mesh *m = arg;

	(void)machine, (void)peer, (void)choice;
	m->moves++;
}

static void on_event(void *arg, struct node_machine *machine, const struct event *event)
{
	struct mesh *m = arg;

	(void)machine, (void)event;
	m->events++;
}

static const struct node_taps taps = {
	.on_inner = on_inner, .on_choice = on_choice, .on_event = on_event};

static void run_ms(struct mesh *m, uint64_t ms)
{
	world_run_until(m->world, world_now_us() + ms * US_PER_MS);
}

static void start_servers(struct mesh *m)
{
	static const char *const addresses[RELAYS] = {"203.0.113.101", "203.0.113.102"};
	static const char *const names[RELAYS] = {"relay1", "relay2"};
	char error[COORDINATOR_MACHINE_ERROR_LEN];

	m->coordinator = coordinator_machine_new(
		m->world, &(struct coordinator_machine_config){
				  .host = plug(m, "coord", internet_realm(), "203.0.113.100"),
				  .name = "203.0.113.100"});
	CHECK_INT(coordinator_machine_start(m->coordinator), 0);
	for (uint32_t i = 0; i < RELAYS; i++) {
		struct host *host = plug(m, names[i], internet_realm(), addresses[i]);

		m->relays[i] = relay_machine_new(
			m->world, &(struct relay_machine_config){.host = host,
								 .hostname = addresses[i],
								 .region_id = i + 1,
								 .region_code = names[i]});
		CHECK_INT(relay_machine_start(m->relays[i], error), 0);
		CHECK_INT(coordinator_machine_add_relay(m->coordinator, m->relays[i], error), 0);
	}
}

static void start_node(struct mesh *m, size_t i)
{
	char error[NODE_MACHINE_ERROR_LEN];
	int err = node_machine_start(m->nodes[i], error);

	CHECK_STR(err ? error : "", "");
}

static void join(struct mesh *m, size_t i)
{
	char invitation[INVITATION_TEXT_LEN], error[COORDINATOR_MACHINE_ERROR_LEN], name[64];

	snprintf(name, sizeof(name), "%s.me", node_names[i]);
	CHECK_INT(coordinator_machine_invite(m->coordinator, name, NULL, invitation, error), 0);
	uint64_t ask = node_machine_join(m->nodes[i], invitation);

	for (unsigned s = 0; s < 10 && node_machine_exit_of(m->nodes[i], ask) < 0; s++)
		run_ms(m, 1000);
	CHECK_INT(node_machine_exit_of(m->nodes[i], ask), 0);
}

static void make_nodes(struct mesh *m)
{
	static const char *const outer[NODES] = {"203.0.113.7", "203.0.113.8"};
	static const char *const inner[NODES] = {"192.168.1.1", "10.2.0.1"};
	static const char *const own[NODES] = {"192.168.1.10", "10.2.0.10"};

	for (size_t i = 0; i < NODES; i++) {
		m->gateways[i] = gateway_new(&(struct gateway_config){
			.name = outer[i],
			.outer_realm = internet_realm(),
			.outer = ip(outer[i]),
			.inner = ip(inner[i]),
			.behaviour.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT});
		m->nodes[i] = node_machine_new(
			m->world, &(struct node_machine_config){
					  .host = plug(m, node_names[i],
						       gateway_realm(m->gateways[i]), own[i]),
					  .name = node_names[i],
					  .role = i == 0 ? "client" : "agent",
					  .taps = &taps,
					  .arg = m});
		start_node(m, i);
		join(m, i);
	}
}

static void begin(struct mesh *m, uint64_t seed)
{
	CHECK(kernel_random_install());
	*m = (struct mesh){.world = world_new(seed)};
	start_servers(m);
	make_nodes(m);
	run_ms(m, 1000);
}

static void end(struct mesh *m)
{
	for (size_t i = 0; i < NODES; i++)
		node_machine_free(m->nodes[i]);
	coordinator_machine_free(m->coordinator);
	for (size_t i = 0; i < RELAYS; i++)
		relay_machine_free(m->relays[i]);
	while (m->n_hosts > 0)
		host_free(m->hosts[--m->n_hosts]);
	world_free(m->world);
}

/* A UDP packet from node 0 to node 1 (RFC 791, RFC 768). */
static void type(struct mesh *m)
{
	uint8_t p[PACKET_LEN] = {0x45, [3] = PACKET_LEN, [8] = 64, [9] = 17};
	struct ip_addr from = node_machine_v4(m->nodes[0]), to = node_machine_v4(m->nodes[1]);

	memcpy(p + 12, from.b + 12, 4);
	memcpy(p + 16, to.b + 12, 4);
	p[20] = p[22] = 0x30;
	p[25] = PACKET_LEN - 20;
	(void)node_machine_send_inner(m->nodes[0], p, sizeof(p));
}

/* Ten keystrokes a second. Returns how many arrived. */
static unsigned type_for_ms(struct mesh *m, uint64_t ms)
{
	unsigned before = m->heard[1];

	for (uint64_t at = 0; at < ms; at += 100) {
		type(m);
		run_ms(m, 100);
	}
	return m->heard[1] - before;
}

static enum way_kind way_of(struct mesh *m, size_t i)
{
	struct node_machine_peer peer;

	CHECK_INT(node_machine_peers(m->nodes[i], &peer, 1), 1);
	return peer.first.kind;
}

TEST(two_nodes_join_by_invitation_and_go_direct)
{
	struct mesh m;

	begin(&m, 1);
	CHECK_STR(node_machine_state(m.nodes[0]), "online");
	CHECK_INT(type_for_ms(&m, 2000), 20);
	CHECK_INT(way_of(&m, 0), WAY_DIRECT);
	CHECK_INT(way_of(&m, 1), WAY_DIRECT);
	CHECK(m.moves >= 2 && m.events >= 2);
	end(&m);
}

TEST(blocked_udp_leaves_the_relay_and_both_go_on)
{
	struct mesh m;

	begin(&m, 2);
	nat_set_behaviour(gateway_nat(m.gateways[0]), &(struct nat_behaviour){.blocks_udp = true});
	CHECK_INT(type_for_ms(&m, 3000), 30);
	CHECK_INT(way_of(&m, 0), WAY_RELAY);
	end(&m);
}

TEST(a_restarted_a_killed_and_a_powerless_node_come_back_with_what_they_know)
{
	struct mesh m;

	begin(&m, 3);
	CHECK_INT(type_for_ms(&m, 1000), 10);
	struct ip_addr was = node_machine_v4(m.nodes[1]);

	node_machine_term(m.nodes[1]);
	CHECK_STR(node_machine_state(m.nodes[1]), "off");
	CHECK_INT(type_for_ms(&m, 1000), 0);
	start_node(&m, 1);
	CHECK(type_for_ms(&m, 1000) >= 8);
	node_machine_crash(m.nodes[1]);
	start_node(&m, 1);
	CHECK(type_for_ms(&m, 2000) >= 8);
	node_machine_power_cut(m.nodes[1]);
	CHECK_INT(type_for_ms(&m, 1000), 0);
	start_node(&m, 1);
	CHECK(type_for_ms(&m, 20000) >= 30);
	struct ip_addr is = node_machine_v4(m.nodes[1]);

	CHECK(ip_equal(&was, &is));
	end(&m);
}

TEST(power_may_go_between_any_two_changes_of_the_disk)
{
	struct mesh m;

	begin(&m, 6);
	struct ip_addr was = node_machine_v4(m.nodes[1]);

	for (unsigned n = 1; n < 60; n++) {
		node_machine_plan_power_cut(m.nodes[1], n % 20 + 1, world_now_us() + 2 * US_PER_S);
		type_for_ms(&m, 2000);
		start_node(&m, 1);
		type_for_ms(&m, n * 10);
	}
	run_ms(&m, 1000);
	struct ip_addr is = node_machine_v4(m.nodes[1]);

	CHECK(ip_equal(&was, &is));
	CHECK(type_for_ms(&m, 20000) >= 30);
	end(&m);
}

TEST(power_lost_after_an_orderly_end_keeps_no_node_from_starting)
{
	struct mesh m;

	begin(&m, 7);
	for (unsigned n = 0; n < 40; n++) {
		type_for_ms(&m, 300 + n * 10);
		node_machine_term(m.nodes[1]);
		node_machine_power_cut(m.nodes[1]);
		start_node(&m, 1);
	}
	end(&m);
}

TEST(a_lost_packet_of_the_first_handshake_costs_no_five_seconds)
{
	static const struct link_quality lossy = {.delay_us = 5000, .loss = 0.3};
	struct mesh m;

	begin(&m, 8);
	struct link *link = nic_link(host_nic(node_machine_host(m.nodes[1]), 0));

	for (unsigned n = 0; n < 20; n++) {
		type_for_ms(&m, 2000);
		link_set_quality(link, LINK_UP, &lossy);
		node_machine_term(m.nodes[1]);
		start_node(&m, 1);
		CHECK(type_for_ms(&m, 4000) > 0);
		link_set_quality(link, LINK_UP, &(struct link_quality){.delay_us = 5000});
	}
	end(&m);
}

TEST(who_restarts_after_a_pause_is_heard_from_the_first_keystroke)
{
	struct mesh m;

	begin(&m, 9);
	type_for_ms(&m, 1000);
	run_ms(&m, 60000);
	node_machine_crash(m.nodes[1]);
	start_node(&m, 1);
	run_ms(&m, 5000);
	CHECK_INT(type_for_ms(&m, 1000), 10);
	end(&m);
}

/* Its memory of who it talked with included. 100 ms of round trip: the first of them finds out,
 * the second waits for new keys. */
TEST(keys_lost_with_the_power_cost_one_keystroke)
{
	static const struct link_quality slow = {.delay_us = 45000};
	struct mesh m;

	begin(&m, 10);
	struct link *link = nic_link(host_nic(node_machine_host(m.nodes[1]), 0));

	link_set_quality(link, LINK_UP, &slow);
	link_set_quality(link, LINK_DOWN, &slow);
	type_for_ms(&m, 500);
	run_ms(&m, 60000);
	node_machine_power_cut(m.nodes[1]);
	run_ms(&m, 10000);
	start_node(&m, 1);
	run_ms(&m, 5000);
	CHECK_INT(type_for_ms(&m, 1000), 9);
	end(&m);
}

TEST(a_sleeping_node_hears_nothing_and_wakes_to_what_it_had)
{
	struct mesh m;

	begin(&m, 4);
	CHECK_INT(type_for_ms(&m, 1000), 10);
	node_machine_sleep(m.nodes[1]);
	CHECK(node_machine_is_asleep(m.nodes[1]));
	CHECK_INT(type_for_ms(&m, 60000), 0);
	node_machine_wake(m.nodes[1]);
	CHECK(type_for_ms(&m, 3000) >= 15);
	end(&m);
}

TEST(a_full_disk_stops_nobody)
{
	struct mesh m;

	begin(&m, 5);
	node_machine_set_disk_full(m.nodes[1], true);
	CHECK_INT(type_for_ms(&m, 5000), 50);
	node_machine_term(m.nodes[1]);
	start_node(&m, 1);
	CHECK(type_for_ms(&m, 20000) >= 30);
	end(&m);
}

TEST(what_is_off_plans_no_power_cut)
{
	struct mesh m;

	begin(&m, 7);
	node_machine_power_cut(m.nodes[1]);
	node_machine_plan_power_cut(m.nodes[1], 3, world_now_us() + US_PER_S);
	run_ms(&m, 2000);
	start_node(&m, 1);
	CHECK(type_for_ms(&m, 20000) >= 30);
	end(&m);
}
