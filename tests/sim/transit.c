/*
 * transit: the pool of packets under way, and their walk through links, realms and gateways.
 *
 * Each step below takes a packet at its stage and leaves it at the next, GONE where it was dropped.
 * Steps with state (a NAT, a link with a rate, the arrival) happen at their time; the others at
 * once, the packet's due time running ahead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/inside.h"
#include "tests/sim/trace.h"

enum { TRANSITS_A_SLAB = 32 };

struct slab {
	struct slab *next;
	_Alignas(16) uint8_t bytes[];
};

/* ---- pool ---- */

static void add_slab(struct internet *net, size_t cap)
{
	size_t size = (sizeof(struct transit) + cap + 15) & ~(size_t)15;
	struct slab *slab = malloc(sizeof(*slab) + TRANSITS_A_SLAB * size);
	struct transit **list = cap == TRANSIT_SMALL_BYTES ? &net->free_small : &net->free_large;

	if (!slab)
		abort();
	slab->next = net->slabs;
	net->slabs = slab;
	for (size_t i = 0; i < TRANSITS_A_SLAB; i++) {
		void *at = slab->bytes + i * size;
		struct transit *p = at;
		memset(p, 0, sizeof(*p));
		p->cap = (uint16_t)cap;
		p->next = *list;
		*list = p;
	}
}

void transit_free_slabs(struct internet *net)
{
	while (net->slabs) {
		struct slab *slab = net->slabs;
		net->slabs = slab->next;
		free(slab);
	}
}

struct transit *transit_new(enum wire_kind kind, size_t len)
{
	struct internet *net = internet_of_world();
	bool is_small = len <= TRANSIT_SMALL_BYTES;
	struct transit **list = is_small ? &net->free_small : &net->free_large;

	if (len > TRANSIT_DATA_MAX)
		abort();
	if (!*list)
		add_slab(net, is_small ? TRANSIT_SMALL_BYTES : TRANSIT_DATA_MAX);
	struct transit *p = *list;
	*list = p->next;
	p->next = NULL;
	p->stage = TRANSIT_IN_REALM;
	p->kind = kind;
	p->len = (uint16_t)len;
	p->hops = 0;
	p->gateway = NULL;
	return p;
}

void transit_free(struct transit *p)
{
	struct internet *net = internet_of_world();
	struct transit **list = p->cap == TRANSIT_SMALL_BYTES ? &net->free_small : &net->free_large;

	if (p->stage == TRANSIT_FREE)
		abort();
	p->stage = TRANSIT_FREE;
	p->next = *list;
	*list = p;
}

size_t transit_wire_len(const struct transit *p)
{
	size_t ip = ip_is_v4(&p->to.ip) ? IPV4_HEADER : IPV6_HEADER;

	return p->len + ip + (p->kind == WIRE_UDP ? UDP_HEADER : TCP_HEADER);
}

/* ---- steps ---- */

static void drop(struct transit *p, uint64_t *counter, const char *why, const char *where)
{
	(*counter)++;
	if (trace_is_on()) {
		char from[ENDPOINT_TEXT_LEN], to[ENDPOINT_TEXT_LEN];
		endpoint_str(&p->from, from);
		endpoint_str(&p->to, to);
		trace_line("drop", "%s %s -> %s %u bytes: %s at %s",
			   p->kind == WIRE_UDP ? "udp" : "tcp", from, to, p->len, why, where);
	}
	p->stage = TRANSIT_GONE;
}

static void walk(struct transit *p);

static void send_copy(const struct transit *p, uint64_t due_us)
{
	struct transit *copy = transit_new(p->kind, p->len);
	uint16_t cap = copy->cap;

	memcpy(copy, p, sizeof(*p) + p->len);
	copy->cap = cap;
	world_event_init(&copy->event, NULL, NULL);
	copy->due_us = due_us;
	walk(copy);
}

/* On to `next`, where the link lets it pass. */
static void cross(struct transit *p, struct link *link, enum link_side side, const char *where,
		  enum transit_stage next)
{
	struct link_passage passage;
	enum link_verdict verdict = link_pass(link, side, transit_wire_len(p), p->due_us, &passage);

	if (verdict != LINK_PASSED && verdict != LINK_PASSED_TWICE) {
		drop(p, &internet_of_world()->counters.lost_on_links, link_verdict_str(verdict),
		     where);
		return;
	}
	p->stage = next;
	if (verdict == LINK_PASSED_TWICE)
		send_copy(p, passage.again_us);
	p->due_us = passage.arrive_us;
}

/* Distance and weather between the two addresses, where somebody made some: that of (from, to) and
 * that of (to, from). */
static void find_pairs(const struct transit *p, struct link *links[static 2])
{
	struct endpoint from = {.ip = p->from.ip}, to = {.ip = p->to.ip};
	struct table_key keys[2] = {table_key_of(1, &from, &to), table_key_of(1, &to, &from)};

	for (size_t i = 0; i < 2; i++) {
		const struct table_entry *e = table_find(&p->realm->pairs, &keys[i]);
		links[i] = e ? e->value.ptr : NULL;
	}
}

static void step_in_realm(struct transit *p)
{
	struct link *links[2] = {0};

	if (++p->hops > TRANSIT_HOPS_MAX) {
		drop(p, &internet_of_world()->counters.looping, "looping", p->realm->name);
		return;
	}
	if (p->realm->pairs.count != 0)
		find_pairs(p, links);
	p->stage = TRANSIT_ROUTED;
	if (links[0])
		cross(p, links[0], LINK_UP, "pair", TRANSIT_ROUTED);
	if (links[1] && p->stage != TRANSIT_GONE)
		cross(p, links[1], LINK_DOWN, "pair", TRANSIT_ROUTED);
}

static bool pairs_need_order(const struct transit *p)
{
	struct link *links[2];

	if (p->realm->pairs.count == 0)
		return false;
	find_pairs(p, links);
	return (links[0] && link_needs_order(links[0], LINK_UP)) ||
	       (links[1] && link_needs_order(links[1], LINK_DOWN));
}

static void step_routed(struct transit *p)
{
	struct internet *net = internet_of_world();
	const struct attachment *at = realm_find(p->realm, &p->to.ip);

	if (at && at->kind == ATTACHED_NIC) {
		p->stage = TRANSIT_NIC_DOWN;
	} else if (at && at->kind == ATTACHED_UPLINK) {
		p->gateway = at->gateway;
		p->stage = TRANSIT_UPLINK_DOWN;
	} else if (at) {
		drop(p, &net->counters.no_such_port, "no such port", p->realm->name);
	} else if (p->realm->gateway) {
		p->gateway = p->realm->gateway;
		p->stage = TRANSIT_GATEWAY_OUT;
	} else {
		drop(p, &net->counters.no_such_address, "no such address", p->realm->name);
	}
}

static enum nat_protocol protocol_of(const struct transit *p)
{
	return p->kind == WIRE_UDP ? NAT_UDP : NAT_TCP;
}

static void drop_at_nat(struct transit *p, enum nat_verdict verdict)
{
	drop(p, &internet_of_world()->counters.dropped_by_nats, nat_verdict_str(verdict),
	     p->gateway->name);
}

static void step_gateway_out(struct transit *p)
{
	struct gateway *g = p->gateway;
	uint64_t now_us = world_now_us();

	if (ip_equal(&p->to.ip, &g->outer)) {
		enum nat_verdict verdict =
			nat_on_hairpin(g->nat, protocol_of(p), &p->from, &p->to, now_us);
		p->stage = TRANSIT_IN_REALM;
		if (verdict != NAT_PASSED)
			drop_at_nat(p, verdict);
		return;
	}
	enum nat_verdict verdict =
		nat_on_outbound(g->nat, protocol_of(p), &p->from, &p->to, now_us);
	if (verdict != NAT_PASSED) {
		drop_at_nat(p, verdict);
		return;
	}
	p->realm = g->outer_realm;
	cross(p, &g->uplink, LINK_UP, g->name, TRANSIT_IN_REALM);
}

static void step_gateway_in(struct transit *p)
{
	struct gateway *g = p->gateway;
	enum nat_verdict verdict =
		nat_on_inbound(g->nat, protocol_of(p), &p->from, &p->to, world_now_us());

	if (verdict != NAT_PASSED) {
		drop_at_nat(p, verdict);
		return;
	}
	p->realm = &g->inner_realm;
	p->stage = TRANSIT_IN_REALM;
}

static void step_nic_down(struct transit *p)
{
	const struct attachment *at = realm_find(p->realm, &p->to.ip);

	if (!at || at->kind != ATTACHED_NIC) {
		p->stage = TRANSIT_IN_REALM;
		return;
	}
	cross(p, &at->nic->link, LINK_DOWN, at->nic->host->name, TRANSIT_ARRIVED);
}

/* The receiver takes it over: afterwards it may be freed, and already be another packet. */
static void step_arrived(struct transit *p)
{
	const struct attachment *at = realm_find(p->realm, &p->to.ip);
	struct internet_counters *counters = &internet_of_world()->counters;

	if (!at || at->kind != ATTACHED_NIC || !at->nic->is_up) {
		drop(p, &counters->no_such_address, "nobody has the address now", p->realm->name);
		transit_free(p);
		return;
	}
	struct host *host = at->nic->host;
	if (host->is_off || host->is_asleep) {
		drop(p, &counters->to_sleeping_or_dead, host->is_off ? "host off" : "host asleep",
		     host->name);
		transit_free(p);
		return;
	}
	host_on_packet(host, p);
}

/* ---- the walk ---- */

/* Must this stage happen at its time? An arrival always comes by an event, so that no receiver is
 * called from within a send. */
static bool has_to_wait(const struct transit *p)
{
	const struct attachment *at;

	switch (p->stage) {
	case TRANSIT_IN_REALM:
		return pairs_need_order(p);
	case TRANSIT_GATEWAY_OUT:
	case TRANSIT_GATEWAY_IN:
		return true;
	case TRANSIT_UPLINK_DOWN:
		return link_needs_order(&p->gateway->uplink, LINK_DOWN);
	case TRANSIT_NIC_DOWN:
		at = realm_find(p->realm, &p->to.ip);
		return at && at->kind == ATTACHED_NIC &&
		       link_needs_order(&at->nic->link, LINK_DOWN);
	case TRANSIT_ROUTED:
	case TRANSIT_ARRIVED:
	case TRANSIT_GONE:
	case TRANSIT_FREE:
		break;
	}
	return false;
}

static void step(struct transit *p)
{
	switch (p->stage) {
	case TRANSIT_IN_REALM:
		step_in_realm(p);
		break;
	case TRANSIT_ROUTED:
		step_routed(p);
		break;
	case TRANSIT_GATEWAY_OUT:
		step_gateway_out(p);
		break;
	case TRANSIT_UPLINK_DOWN:
		cross(p, &p->gateway->uplink, LINK_DOWN, p->gateway->name, TRANSIT_GATEWAY_IN);
		break;
	case TRANSIT_GATEWAY_IN:
		step_gateway_in(p);
		break;
	case TRANSIT_NIC_DOWN:
		step_nic_down(p);
		break;
	case TRANSIT_ARRIVED:
	case TRANSIT_GONE:
	case TRANSIT_FREE:
		break;
	}
}

static void on_due(void *arg)
{
	struct transit *p = arg;

	if (p->stage == TRANSIT_ARRIVED)
		step_arrived(p);
	else
		walk(p);
}

static void wait_until_due(struct transit *p)
{
	p->event.fire = on_due;
	p->event.arg = p;
	world_event_set_at_place(&p->event, p->due_us, (struct world_place){0});
}

static void walk(struct transit *p)
{
	while (p->stage != TRANSIT_ARRIVED && p->stage != TRANSIT_GONE) {
		if (p->due_us > world_now_us() && has_to_wait(p)) {
			wait_until_due(p);
			return;
		}
		step(p);
	}
	if (p->stage == TRANSIT_GONE)
		transit_free(p);
	else
		wait_until_due(p);
}

void transit_send(struct transit *p, struct nic *nic)
{
	p->due_us = world_now_us();
	p->realm = nic->realm;
	if (ip_equal(&p->to.ip, &nic->v4) || ip_equal(&p->to.ip, &nic->v6))
		p->stage = TRANSIT_ARRIVED;
	else
		cross(p, &nic->link, LINK_UP, nic->host->name, TRANSIT_IN_REALM);
	walk(p);
}
