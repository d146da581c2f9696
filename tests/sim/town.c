#include "tests/sim/town.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/sim/coordinator_machine.h"
#include "tests/sim/host.h"
#include "tests/sim/internet.h"
#include "tests/sim/relay_machine.h"
#include "tests/sim/world.h"

static const char coordinator_name[] = "203.0.113.100";
static const char *const relay_names[DAY_RELAYS] = {"203.0.113.101", "203.0.113.102"};
static const char *const relay_codes[DAY_RELAYS] = {"east", "west"};
static const char relay_host_names[DAY_RELAYS][8] = {"relay1", "relay2"};

/* ---- networks ---- */

static struct ip_addr address(unsigned a, unsigned b, unsigned c, unsigned d)
{
	const uint8_t v4[4] = {(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d};

	return ip_from_v4(v4);
}

static struct link_quality quality_of(const struct day_network *n, unsigned worse_ms,
				      unsigned lossy_permille)
{
	struct link_quality q = {
		.delay_us = (uint64_t)(n->delay_ms + worse_ms) * US_PER_MS,
		.jitter_us = (uint64_t)n->jitter_ms * US_PER_MS,
		.loss = (n->loss_permille + lossy_permille) / 1000.0,
		.reorder = n->reorder_permille / 1000.0,
		.reorder_us = n->reorder_permille ? 3 * US_PER_MS : 0,
		.duplicate = n->duplicate_permille / 1000.0,
		.mtu_bytes = n->mtu_bytes,
	};

	if (n->burst_every_s) {
		q.burst_loss = 0.5;
		q.burst_every_us = n->burst_every_s * US_PER_S;
		q.burst_len_us = 250 * US_PER_MS;
	}
	return q;
}

static struct nat_behaviour behaviour_of(const struct day_network *n)
{
	return (struct nat_behaviour){
		.mapping = (enum nat_dependence)n->mapping,
		.filtering = (enum nat_dependence)n->filtering,
		.ports = (enum nat_ports)n->ports,
		.lifetime_us = n->lifetime_s * US_PER_S,
		.blocks_udp = n->blocks_udp != 0,
	};
}

static struct gateway *new_gateway(const char *name, struct realm *outside, struct ip_addr outer,
				   struct ip_addr inner, const struct day_network *n)
{
	return gateway_new(&(struct gateway_config){.name = name,
						    .outer_realm = outside,
						    .outer = outer,
						    .inner = inner,
						    .behaviour = behaviour_of(n)});
}

/* number: another for each network of the day, 0 and on. */
static struct town_place build_place(const struct day_network *n, const char *name, unsigned number)
{
	struct town_place p = {0};
	struct realm *outside = internet_realm();
	struct ip_addr outer = address(203, 0, 113, 10 + number);

	if (n->is_public) {
		p.address = outer;
		return p;
	}
	if (n->is_stacked) {
		p.provider = new_gateway(name, outside, outer, address(100, 64, number, 1), n);
		outside = gateway_realm(p.provider);
		outer = address(100, 64, number, 2);
	}
	p.gateway = new_gateway(name, outside, outer, address(192, 168, number, 1), n);
	p.address = address(192, 168, number, 10);
	p.blocks_udp = n->blocks_udp != 0;
	return p;
}

/* In the same house; hosts have .10. */
static struct town_place place_beside(const struct town_place *host)
{
	struct town_place p = *host;

	p.address.b[15] = 11;
	return p;
}

static struct realm *realm_of(const struct town_place *p)
{
	return p->gateway ? gateway_realm(p->gateway) : internet_realm();
}

static const struct town_place *place_of(const struct town_node *n)
{
	return n->is_away ? &n->away : &n->home;
}

static const struct day_network *network_of(const struct town *t, unsigned node)
{
	const struct day_node *n = &t->day->nodes[node];

	return t->nodes[node].is_away ? &n->away : &n->home;
}

static struct ip_addr public_address(const struct town_place *p)
{
	if (p->provider)
		return gateway_outer(p->provider);
	return p->gateway ? gateway_outer(p->gateway) : p->address;
}

/* ---- building ---- */

static struct host *build_server(const char *name, const char *ip, unsigned delay_ms)
{
	struct host *h = host_new(name);
	struct nic_config config = {.name = "eth0",
				    .realm = internet_realm(),
				    .quality.delay_us = delay_ms * US_PER_MS};

	if (ip_parse(ip, &config.v4) != 0)
		abort();
	host_plug(h, &config);
	return h;
}

static void build_node(struct town *t, unsigned i, const struct node_taps *taps, void *arg)
{
	const struct day_node *d = &t->day->nodes[i];
	struct town_node *n = &t->nodes[i];

	n->host = host_new(d->name);
	n->home = d->lives_with ? place_beside(&t->nodes[d->lives_with - 1].home)
				: build_place(&d->home, d->name, 2 * i);
	n->away = build_place(&d->away, d->name, 2 * i + 1);
	n->nic = host_plug(n->host, &(struct nic_config){.name = "wlan0",
							 .realm = realm_of(&n->home),
							 .v4 = n->home.address,
							 .quality = quality_of(&d->home, 0, 0)});
	n->machine = node_machine_new(
		t->world, &(struct node_machine_config){.host = n->host,
							.name = d->name,
							.role = d->is_client ? "client" : "agent",
							.taps = taps,
							.arg = arg});
}

static int start_relay(struct town *t, unsigned i, char error[static TOWN_ERROR_LEN])
{
	t->relay_hosts[i] = build_server(relay_host_names[i], relay_names[i], t->day->delay_ms[i]);
	t->relays[i] = relay_machine_new(
		t->world, &(struct relay_machine_config){.host = t->relay_hosts[i],
							 .hostname = relay_names[i],
							 .region_id = i + 1,
							 .region_code = relay_codes[i],
							 .is_plain = t->day->is_plain[i] != 0});
	int err = relay_machine_start(t->relays[i], error);

	return err ? err : coordinator_machine_add_relay(t->coordinator, t->relays[i], error);
}

int town_build(struct town *t, const struct day *day, struct world *world,
	       const struct node_taps *taps, void *arg, char error[static TOWN_ERROR_LEN])
{
	*t = (struct town){.day = day, .world = world};
	t->coordinator_host =
		build_server("coordinator", coordinator_name, day->coordinator_delay_ms);
	t->coordinator = coordinator_machine_new(
		world, &(struct coordinator_machine_config){.host = t->coordinator_host,
							    .name = coordinator_name});
	int err = coordinator_machine_start(t->coordinator);

	if (err)
		snprintf(error, TOWN_ERROR_LEN, "coordinator: %s", strerror(-err));
	for (unsigned i = 0; i < DAY_RELAYS && !err; i++)
		err = start_relay(t, i, error);
	for (unsigned i = 0; i < DAY_NODES; i++)
		build_node(t, i, taps, arg);
	return err;
}

void town_raze(struct town *t)
{
	for (unsigned i = 0; i < DAY_NODES; i++)
		node_machine_free(t->nodes[i].machine);
	for (unsigned i = 0; i < DAY_RELAYS; i++)
		relay_machine_free(t->relays[i]);
	coordinator_machine_free(t->coordinator);
	for (unsigned i = 0; i < DAY_NODES; i++)
		host_free(t->nodes[i].host);
	for (unsigned i = 0; i < DAY_RELAYS; i++)
		host_free(t->relay_hosts[i]);
	host_free(t->coordinator_host);
}

/* ---- members ---- */

static void full_name(const struct town *t, unsigned node, char out[static 2 * DAY_NAME_LEN])
{
	const struct day_node *n = &t->day->nodes[node];

	snprintf(out, 2 * DAY_NAME_LEN, "%s.%s", n->name, n->owner);
}

int town_join(struct town *t, unsigned node, char error[static TOWN_ERROR_LEN])
{
	struct town_node *n = &t->nodes[node];
	char name[2 * DAY_NAME_LEN];

	full_name(t, node, name);
	int err = coordinator_machine_invite(t->coordinator, name,
					     t->day->nodes[node].is_client ? "client" : "agent",
					     n->invitation, error);
	if (!err && !node_machine_runs(n->machine))
		err = node_machine_start(n->machine, error);
	if (err)
		return err;
	n->was_started = true;
	n->is_removed = false;
	n->member_before = node_machine_member_id(n->machine);
	node_machine_join(n->machine, n->invitation);
	return 0;
}

int town_revoke(struct town *t, unsigned node, char error[static TOWN_ERROR_LEN])
{
	char name[2 * DAY_NAME_LEN];

	full_name(t, node, name);
	int err = coordinator_machine_remove_node(t->coordinator, name, error);

	if (err == 0)
		t->nodes[node].is_removed = true;
	return err;
}

const char *town_spent_invitation(const struct town *t, unsigned node)
{
	const struct town_node *n = &t->nodes[node];
	uint32_t id = node_machine_member_id(n->machine);

	return id != 0 && id != n->member_before ? n->invitation : NULL;
}

unsigned town_index(const struct town *t, const struct node_machine *m)
{
	unsigned i = 0;

	while (i < DAY_NODES - 1 && t->nodes[i].machine != m)
		i++;
	return i;
}

/* ---- trouble ---- */

static void set_quality(struct town *t, unsigned node)
{
	struct town_node *n = &t->nodes[node];
	struct link_quality q = quality_of(network_of(t, node), n->worse_ms, n->lossy_permille);

	link_set_quality(nic_link(n->nic), LINK_UP, &q);
	link_set_quality(nic_link(n->nic), LINK_DOWN, &q);
}

void town_move(struct town *t, unsigned node)
{
	struct town_node *n = &t->nodes[node];

	n->is_away = !n->is_away;
	const struct town_place *p = place_of(n);
	struct ip_addr none = {0};

	nic_move(n->nic, realm_of(p), &p->address, &none);
	set_quality(t, node);
}

void town_block(struct town *t, unsigned node, bool blocks_udp)
{
	const struct town_node *n = &t->nodes[node];
	const struct town_place *p[2] = {&n->home, &n->away};

	for (unsigned i = 0; i < 2; i++) {
		if (!p[i]->gateway)
			continue;
		struct nat *nat = gateway_nat(p[i]->gateway);
		struct nat_behaviour b = *nat_behaviour(nat);

		b.blocks_udp = blocks_udp || p[i]->blocks_udp;
		nat_set_behaviour(nat, &b);
	}
}

void town_rebind(struct town *t, unsigned node)
{
	const struct town_place *p = place_of(&t->nodes[node]);

	if (p->provider)
		gateway_reboot(p->provider, true);
	if (p->gateway)
		gateway_reboot(p->gateway, true);
}

void town_dark(struct town *t, unsigned node, bool is_dark)
{
	link_cut_both(nic_link(t->nodes[node].nic), is_dark);
}

void town_spoil(struct town *t, unsigned node, unsigned worse_ms, unsigned lossy_permille)
{
	t->nodes[node].worse_ms = worse_ms;
	t->nodes[node].lossy_permille = lossy_permille;
	set_quality(t, node);
}

static void cut_places(const struct town_place *a, const struct town_place *b, bool there,
		       bool back, bool is_cut)
{
	struct ip_addr from = public_address(a), to = public_address(b);
	struct link *l = realm_pair(internet_realm(), &from, &to);

	if (there)
		link_cut(l, LINK_UP, is_cut);
	if (back)
		link_cut(l, LINK_DOWN, is_cut);
}

void town_cut(struct town *t, unsigned a, unsigned b, bool there, bool back, bool is_cut)
{
	const struct town_place *pa[2] = {&t->nodes[a].home, &t->nodes[a].away};
	const struct town_place *pb[2] = {&t->nodes[b].home, &t->nodes[b].away};

	for (unsigned i = 0; i < 4; i++)
		cut_places(pa[i & 1], pb[i >> 1], there, back, is_cut);
}
