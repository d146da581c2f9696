/* A mesh from nothing: coordinator, two relays, STUN, and nodes that join by invitation. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/coordinator.h"
#include "tests/sim/coordinator_machine.h"
#include "tests/sim/host.h"
#include "tests/sim/internet.h"
#include "tests/sim/kernel_random.h"
#include "tests/sim/node_machine.h"
#include "tests/sim/relay_machine.h"
#include "tests/sim/trace.h"
#include "tests/sim/world.h"
#include "tests/unit/test.h"

enum { NODES = 4, RELAYS = 2 };

struct mesh {
	struct world *world;
	struct host *hosts[NODES], *relay_hosts[RELAYS], *server;
	struct coordinator_machine *coordinator;
	struct relay_machine *relays[RELAYS];
	struct node_machine *nodes[NODES];
	char relay_ips[RELAYS][16]; /* borrowed by the machines */
	char error[NODE_MACHINE_ERROR_LEN];
};

static void print_line(void *arg, const char *line)
{
	(void)arg;
	puts(line);
}

static struct host *plug(const char *name, const char *v4, uint64_t delay_us)
{
	struct host *h = host_new(name);
	struct nic_config cfg = {
		.name = "eth0", .realm = internet_realm(), .quality = {.delay_us = delay_us}};

	CHECK(ip_parse(v4, &cfg.v4) == 0);
	host_plug(h, &cfg);
	return h;
}

static void run_ms(uint64_t ms)
{
	world_run_until(world_running(), world_now_us() + ms * US_PER_MS);
}

static void start_servers(struct mesh *m)
{
	struct coordinator_machine_config coordinator = {.name = "203.0.113.100"};

	m->server = plug("server", "203.0.113.100", 5000);
	coordinator.host = m->server;
	m->coordinator = coordinator_machine_new(m->world, &coordinator);
	CHECK(coordinator_machine_start(m->coordinator) == 0);
	for (uint32_t i = 0; i < RELAYS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "relay%u", i + 1);
		snprintf(m->relay_ips[i], sizeof(m->relay_ips[i]), "203.0.113.%u", 101 + i);
		m->relay_hosts[i] = plug(name, m->relay_ips[i], 5000 + 10000 * i);
		struct relay_machine_config cfg = {.host = m->relay_hosts[i],
						   .hostname = m->relay_ips[i],
						   .region_id = i + 1,
						   .region_code = "r"};
		m->relays[i] = relay_machine_new(m->world, &cfg);
		CHECK(relay_machine_start(m->relays[i], m->error) == 0);
		CHECK(coordinator_machine_add_relay(m->coordinator, m->relays[i], m->error) == 0);
	}
}

static struct mesh *begin_with(uint64_t seed, trace_sink_fn *sink, void *arg)
{
	struct mesh *m = calloc(1, sizeof(*m));

	CHECK(m && kernel_random_install());
	m->world = world_new(seed);
	trace_set_sink(m->world, sink, arg);
	start_servers(m);
	for (unsigned i = 0; i < NODES; i++) {
		static const char *const names[NODES] = {"laptop", "dev", "build", "home"};
		char ip[32], who[64], invitation[INVITATION_TEXT_LEN];

		snprintf(ip, sizeof(ip), "198.51.100.%u", 10 + i);
		m->hosts[i] = plug(names[i], ip, 10000);
		m->nodes[i] = node_machine_new(
			m->world,
			&(struct node_machine_config){.host = m->hosts[i],
						      .name = names[i],
						      .role = i == 0 ? "client" : "agent"});
		CHECK(node_machine_start(m->nodes[i], m->error) == 0);
		snprintf(who, sizeof(who), "%s.alice", names[i]);
		CHECK(coordinator_machine_invite(m->coordinator, who, NULL, invitation, m->error) ==
		      0);
		CHECK(node_machine_join(m->nodes[i], invitation) != 0);
	}
	return m;
}

static struct mesh *begin(uint64_t seed)
{
	return begin_with(seed, getenv("TRACE") ? print_line : NULL, NULL);
}

static void end(struct mesh *m)
{
	for (size_t i = 0; i < NODES; i++) {
		node_machine_free(m->nodes[i]);
		host_free(m->hosts[i]);
	}
	coordinator_machine_free(m->coordinator);
	for (size_t i = 0; i < RELAYS; i++) {
		relay_machine_free(m->relays[i]);
		host_free(m->relay_hosts[i]);
	}
	host_free(m->server);
	world_free(m->world);
	free(m);
}

/* Nodes that have a session at the coordinator. */
static size_t sessions(const struct mesh *m)
{
	const struct coordinator *core = coordinator_machine_core(m->coordinator);

	return core ? core->n_sessions : 0;
}

static uint64_t clients_of(const struct mesh *m, size_t relay)
{
	struct relay_machine_counters n;

	relay_machine_counters(m->relays[relay], &n);
	return n.connections;
}

TEST(four_nodes_join_and_those_see_each_other_who_may)
{
	struct mesh *m = begin(1);
	struct node_machine_peer peers[NODES];

	run_ms(1000);
	CHECK_INT(sessions(m), NODES);
	/* An owner's laptop reaches his workspaces; they start nothing among themselves. */
	CHECK_INT(node_machine_peers(m->nodes[0], peers, NODES), NODES - 1);
	for (size_t i = 1; i < NODES; i++) {
		CHECK_INT(node_machine_peers(m->nodes[i], peers, NODES), 1);
		CHECK_STR(peers[0].name, "laptop.alice");
	}
	CHECK_INT(clients_of(m, 0), NODES);
	end(m);
}

TEST(idle_nodes_and_servers_leave_the_world_alone)
{
	struct mesh *m = begin(1);

	run_ms(10000);
	uint64_t before = world_events_fired(m->world);
	run_ms(600000);
	/* Ten minutes: each relay looks after its clients four times a second. */
	CHECK(world_events_fired(m->world) - before < 20000);
	end(m);
}

TEST(nodes_come_back_to_a_coordinator_that_was_killed)
{
	struct mesh *m = begin(2);

	run_ms(5000);
	coordinator_machine_crash(m->coordinator);
	run_ms(10000);
	CHECK(coordinator_machine_start(m->coordinator) == 0);
	run_ms(60000);
	CHECK_INT(sessions(m), NODES);
	end(m);
}

TEST(nodes_move_when_their_relay_drains_and_when_it_loses_power)
{
	struct mesh *m = begin(3);

	run_ms(5000);
	CHECK_INT(clients_of(m, 0), NODES);
	relay_machine_drain(m->relays[0]);
	run_ms(3000);
	CHECK(!relay_machine_runs(m->relays[0]));
	CHECK_INT(clients_of(m, 1), NODES);
	CHECK(relay_machine_start(m->relays[0], m->error) == 0);
	run_ms(600000);
	relay_machine_power_cut(m->relays[1]);
	run_ms(60000);
	CHECK_INT(clients_of(m, 0), NODES);
	end(m);
}

TEST(a_removed_node_is_shut_out_of_coordinator_and_relays)
{
	struct mesh *m = begin(4);
	struct node_machine_peer peers[NODES];

	run_ms(5000);
	CHECK(coordinator_machine_remove_node(m->coordinator, "dev.alice", m->error) == 0);
	run_ms(1000);
	CHECK_INT(node_machine_peers(m->nodes[0], peers, NODES), NODES - 2);
	CHECK_INT(sessions(m), NODES - 1);
	run_ms(70000); /* a relay asks about its clients each minute */
	CHECK_INT(clients_of(m, 0), NODES - 1);
	CHECK(coordinator_machine_remove_node(m->coordinator, "dev.alice", m->error) == -EIO);
	end(m);
}

TEST(a_removed_node_that_joins_anew_has_its_relays_at_once)
{
	struct mesh *m = begin(8);
	char invitation[INVITATION_TEXT_LEN];

	run_ms(5000);
	CHECK(coordinator_machine_remove_node(m->coordinator, "dev.alice", m->error) == 0);
	run_ms(300000);
	CHECK_INT(clients_of(m, 0), NODES - 1);
	CHECK(coordinator_machine_invite(m->coordinator, "dev.alice", NULL, invitation, m->error) ==
	      0);
	CHECK(node_machine_join(m->nodes[1], invitation) != 0);
	run_ms(1000);
	CHECK_INT(sessions(m), NODES);
	CHECK_INT(clients_of(m, 0), NODES);
	end(m);
}

TEST(a_node_that_was_removed_while_away_joins_anew_at_once)
{
	struct mesh *m = begin(9);
	char invitation[INVITATION_TEXT_LEN];

	run_ms(5000);
	uint32_t before = node_machine_member_id(m->nodes[1]);

	coordinator_machine_crash(m->coordinator);
	run_ms(60000);
	CHECK(coordinator_machine_start(m->coordinator) == 0);
	CHECK(coordinator_machine_remove_node(m->coordinator, "dev.alice", m->error) == 0);
	run_ms(1000); /* a token of the same second is not honoured */
	CHECK(coordinator_machine_invite(m->coordinator, "dev.alice", NULL, invitation, m->error) ==
	      0);
	CHECK(node_machine_join(m->nodes[1], invitation) != 0);
	run_ms(1000);
	CHECK_STR(node_machine_state(m->nodes[1]), "online");
	CHECK(node_machine_member_id(m->nodes[1]) != before);
	end(m);
}

TEST(a_relay_that_starts_without_its_coordinator_lets_known_keys_in)
{
	struct mesh *m = begin(5);

	run_ms(70000);
	coordinator_machine_power_cut(m->coordinator);
	relay_machine_crash(m->relays[0]);
	CHECK(relay_machine_start(m->relays[0], m->error) == 0);
	run_ms(600000);
	CHECK_INT(clients_of(m, 0), NODES);
	end(m);
}

struct lost {
	const char *words;
	unsigned n;
};

static void count_lost(void *arg, const char *line)
{
	struct lost *lost = arg;

	lost->n += strstr(line, lost->words) != NULL;
}

TEST(who_loses_the_coordinator_asks_the_relays_at_once)
{
	struct lost lost = {.words = "event=down region=1 "};
	struct mesh *m = begin_with(10, count_lost, &lost);

	run_ms(5000);
	relay_machine_power_cut(m->relays[0]); /* of which nobody is told */
	run_ms(1000);
	CHECK_INT(lost.n, 0);
	coordinator_machine_crash(m->coordinator);
	run_ms(2000);
	CHECK_INT(lost.n, NODES);
	end(m);
}

TEST(who_loses_a_relay_asks_the_others_and_the_coordinator_at_once)
{
	struct lost relay = {.words = "event=down region=2 "},
		    server = {.words = "event=unreachable"};
	struct mesh *m = begin_with(11, count_lost, &relay);

	run_ms(5000);
	relay_machine_power_cut(m->relays[1]);
	relay_machine_crash(m->relays[0]);
	run_ms(2000);
	CHECK_INT(relay.n, NODES);
	end(m);
	m = begin_with(12, count_lost, &server);
	run_ms(5000);
	coordinator_machine_power_cut(m->coordinator);
	relay_machine_crash(m->relays[0]);
	run_ms(11000); /* it has ten seconds to answer */
	CHECK_INT(server.n, NODES);
	end(m);
}

static void hash_line(void *arg, const char *line)
{
	uint64_t *hash = arg;

	while (*line)
		*hash = (*hash ^ (uint8_t)*line++) * 0x100000001b3;
}

static uint64_t hash_of(uint64_t seed)
{
	uint64_t hash = 0xcbf29ce484222325;
	struct mesh *m = begin_with(seed, hash_line, &hash);

	run_ms(10000);
	coordinator_machine_crash(m->coordinator);
	relay_machine_drain(m->relays[0]);
	run_ms(20000);
	CHECK(coordinator_machine_start(m->coordinator) == 0);
	run_ms(60000);
	end(m);
	return hash;
}

TEST(the_same_seed_is_the_same_mesh_to_the_last_line)
{
	uint64_t first = hash_of(6);

	CHECK(hash_of(6) == first);
	CHECK(hash_of(7) != first);
}
