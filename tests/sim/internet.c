#include "tests/sim/internet.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/inside.h"
#include "tests/sim/trace.h"

/* Which link's dice: a gateway's number, or a pair's addresses; nics count from 0 (host.c). */
enum { LINK_IDS_OF_GATEWAYS = 1 << 20 };

static void wipe_realm(struct realm *r)
{
	struct table_entry *e;

	for (size_t at = 0; (e = table_next(&r->pairs, &at));)
		free(e->value.ptr);
	table_wipe(&r->pairs);
	table_wipe(&r->addresses);
}

static void free_internet(void *part)
{
	struct internet *net = part;

	while (net->gateways) {
		struct gateway *g = net->gateways;
		net->gateways = g->next;
		wipe_realm(&g->inner_realm);
		nat_free(g->nat);
		free(g);
	}
	wipe_realm(&net->root);
	transit_free_slabs(net);
	free(net);
}

struct internet *internet_of_world(void)
{
	struct internet *net = world_part(world_running(), WORLD_INTERNET);

	if (net)
		return net;
	net = calloc(1, sizeof(*net));
	if (!net)
		abort();
	net->root.name = "internet";
	world_set_part(world_running(), WORLD_INTERNET, net, free_internet);
	return net;
}

/* ---- realms ---- */

struct realm *internet_realm(void)
{
	return &internet_of_world()->root;
}

struct gateway *realm_gateway(struct realm *r)
{
	return r->gateway;
}

const char *realm_name(const struct realm *r)
{
	return r->name;
}

/* A packet asks for its goal several times in a row. */
const struct attachment *realm_find(struct realm *r, const struct ip_addr *ip)
{
	if (r->last && ip_equal(&r->last_ip, ip))
		return r->last;
	struct table_key key = table_key_of_ip(ip);
	const struct table_entry *e = table_find(&r->addresses, &key);
	r->last_ip = *ip;
	r->last = e ? e->value.ptr : NULL;
	return r->last;
}

void realm_add_address(struct realm *r, const struct ip_addr *ip, const struct attachment *at)
{
	struct table_key key = table_key_of_ip(ip);
	struct attachment *stored;

	if (ip_is_none(ip))
		return;
	struct table_entry *e = table_add(&r->addresses, &key);
	if (e->value.ptr)
		return;
	/* The table holds what it may not change. */
	memcpy(&stored, &at, sizeof(stored));
	e->value.ptr = stored;
	/* What lies behind a gateway with IPv6 is reached from outside as it is. */
	if (!ip_is_v4(ip) && r->gateway)
		realm_add_address(r->gateway->outer_realm, ip, &r->gateway->outside);
}

void realm_remove_address(struct realm *r, const struct ip_addr *ip, const struct attachment *at)
{
	struct table_key key = table_key_of_ip(ip);

	if (realm_find(r, ip) != at)
		return;
	table_remove(&r->addresses, &key);
	r->last = NULL;
	if (!ip_is_v4(ip) && r->gateway)
		realm_remove_address(r->gateway->outer_realm, ip, &r->gateway->outside);
}

struct link *realm_pair(struct realm *r, const struct ip_addr *a, const struct ip_addr *b)
{
	struct endpoint ends[2] = {{.ip = *a}, {.ip = *b}};
	struct table_key key = table_key_of(1, &ends[0], &ends[1]);
	struct table_entry *e = table_add(&r->pairs, &key);

	if (e->value.ptr)
		return e->value.ptr;
	struct link *link = malloc(sizeof(*link));
	if (!link)
		abort();
	uint64_t id = key.w[0] ^ random_mix(key.w[1] ^ random_mix(key.w[2] ^ random_mix(key.w[3])));
	struct random dice = world_dice_for(WORLD_DICE_LINKS, id);
	link_init(link, &(struct link_quality){0}, &dice);
	e->value.ptr = link;
	return link;
}

/* ---- gateways ---- */

struct gateway *gateway_new(const struct gateway_config *config)
{
	struct internet *net = internet_of_world();
	struct gateway *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	strncpy(g->name, config->name, sizeof(g->name) - 1);
	g->outer_realm = config->outer_realm;
	g->outer = config->outer;
	g->inner = config->inner;
	g->inner_realm.name = g->name;
	g->inner_realm.gateway = g;
	struct random dice = world_dice_for(WORLD_DICE_NATS, net->n_gateways);
	g->nat = nat_new(&config->behaviour, &config->outer, &dice);
	dice = world_dice_for(WORLD_DICE_LINKS, LINK_IDS_OF_GATEWAYS + net->n_gateways++);
	link_init(&g->uplink, &config->uplink, &dice);
	g->outside = (struct attachment){.kind = ATTACHED_UPLINK, .gateway = g};
	g->inside = (struct attachment){.kind = ATTACHED_GATEWAY, .gateway = g};
	realm_add_address(g->outer_realm, &g->outer, &g->outside);
	realm_add_address(&g->inner_realm, &g->inner, &g->inside);
	g->next = net->gateways;
	net->gateways = g;
	return g;
}

struct realm *gateway_realm(struct gateway *g)
{
	return &g->inner_realm;
}

struct nat *gateway_nat(struct gateway *g)
{
	return g->nat;
}

struct link *gateway_link(struct gateway *g)
{
	return &g->uplink;
}

struct ip_addr gateway_outer(const struct gateway *g)
{
	return g->outer;
}

struct ip_addr gateway_inner(const struct gateway *g)
{
	return g->inner;
}

const char *gateway_name(const struct gateway *g)
{
	return g->name;
}

void gateway_reboot(struct gateway *g, bool other_ports)
{
	TRACE("nat", "%s reboots%s", g->name, other_ports ? " with other ports" : "");
	nat_reboot(g->nat, other_ports);
}

void gateway_renumber(struct gateway *g, const struct ip_addr *outer)
{
	char text[IP_TEXT_LEN];

	ip_str(outer, text);
	TRACE("nat", "%s gets the address %s", g->name, text);
	realm_remove_address(g->outer_realm, &g->outer, &g->outside);
	g->outer = *outer;
	nat_set_outer(g->nat, outer);
	realm_add_address(g->outer_realm, outer, &g->outside);
}

/* ---- taps ---- */

void internet_add_tap(internet_tap_fn *tap, void *arg)
{
	struct internet *net = internet_of_world();

	if (net->n_taps == INTERNET_TAPS_MAX)
		abort();
	net->taps[net->n_taps++] = (struct tap){.fn = tap, .arg = arg};
}

void internet_show_taps(const struct transit *p, struct host *sender, bool is_sealed)
{
	const struct internet *net = internet_of_world();
	struct wire_packet shown = {
		.kind = p->kind,
		.sender = sender,
		.from = p->from,
		.to = p->to,
		.data = p->data,
		.len = p->len,
		.is_sealed = is_sealed,
		.is_again = p->kind == WIRE_TCP && p->segment.is_again,
	};

	for (size_t i = 0; i < net->n_taps; i++)
		net->taps[i].fn(net->taps[i].arg, &shown);
}

const struct internet_counters *internet_counters(void)
{
	return &internet_of_world()->counters;
}
