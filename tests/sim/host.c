#include "tests/sim/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/inside.h"
#include "tests/sim/trace.h"

enum { FIRST_NIC_INDEX = 2, PORT_FIRST = 32768, PORT_LAST = 60999 };

/* ---- its life ---- */

struct host *host_new(const char *name)
{
	struct internet *net = internet_of_world();
	struct host *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	strncpy(h->name, name, sizeof(h->name) - 1);
	h->dice = world_dice_for(WORLD_DICE_KEYS, net->n_hosts++);
	h->next_port = (uint16_t)random_between(&h->dice, PORT_FIRST, PORT_LAST);
	return h;
}

static void forget_addresses(struct nic *n)
{
	if (!n->realm)
		return;
	realm_remove_address(n->realm, &n->v4, &n->attachment);
	realm_remove_address(n->realm, &n->v6, &n->attachment);
}

void host_free(struct host *h)
{
	if (!h)
		return;
	stream_free_stack(h);
	datagram_on_death(h);
	for (size_t i = 0; i < h->n_nics; i++) {
		forget_addresses(h->nics[i]);
		free(h->nics[i]);
	}
	table_wipe(&h->datagram_ports);
	free(h);
}

const char *host_name(const struct host *h)
{
	return h->name;
}

struct random *host_dice(struct host *h)
{
	return &h->dice;
}

/* The process ends: whatever it did is a ghost's doing from here on. */
static void end_process(struct host *h, bool has_power)
{
	h->incarnation++;
	h->network_changed = NULL;
	datagram_on_death(h);
	stream_on_death(h, has_power);
}

void host_crash(struct host *h)
{
	TRACE("host", "%s: its process dies", h->name);
	end_process(h, true);
}

void host_power_off(struct host *h)
{
	TRACE("host", "%s loses power", h->name);
	host_wake(h);
	h->is_off = true;
	end_process(h, false);
}

void host_power_on(struct host *h)
{
	TRACE("host", "%s has power", h->name);
	h->is_off = false;
}

void host_sleep(struct host *h)
{
	if (h->is_asleep || h->is_off)
		return;
	TRACE("host", "%s falls asleep", h->name);
	h->is_asleep = true;
	h->asleep_since_us = world_now_us();
}

void host_wake(struct host *h)
{
	if (!h->is_asleep)
		return;
	h->is_asleep = false;
	h->slept_us += world_now_us() - h->asleep_since_us;
	TRACE("host", "%s wakes", h->name);
	world_unpark(h);
}

bool host_is_on(const struct host *h)
{
	return !h->is_off;
}

bool host_is_asleep(const struct host *h)
{
	return h->is_asleep;
}

uint32_t host_incarnation(const struct host *h)
{
	return h->incarnation;
}

/* ---- clocks ---- */

uint64_t host_slept_us(const struct host *h)
{
	return h->slept_us + (h->is_asleep ? world_now_us() - h->asleep_since_us : 0);
}

uint64_t host_awake_us(const struct host *h)
{
	return world_now_us() - host_slept_us(h);
}

void host_step_wall(struct host *h, int64_t by_us)
{
	TRACE("host", "%s: its wall clock jumps by %lld ms", h->name, (long long)by_us / US_PER_MS);
	h->wall_offset_us += by_us;
}

int64_t host_wall_offset_us(const struct host *h)
{
	return h->wall_offset_us;
}

/* ---- interfaces ---- */

/* Told from an event of the host's, as the kernel's message would be. */
static void tell_network_changed(struct host *h)
{
	if (!h->network_changed || world_place_is_ghost(h->network_place))
		return;
	struct world_place previous = world_enter_place(h->network_place);
	h->network_changed(h->network_arg);
	world_leave(previous);
}

static void trace_nic(const struct nic *n)
{
	char v4[IP_TEXT_LEN], v6[IP_TEXT_LEN];

	if (!trace_is_on())
		return;
	ip_str(&n->v4, v4);
	ip_str(&n->v6, v6);
	trace_line("host", "%s %s %s in %s: %s %s", n->host->name, n->name,
		   n->is_up ? "up" : "down", n->realm ? n->realm->name : "nothing", v4, v6);
}

static void attach(struct nic *n, struct realm *realm, const struct ip_addr *v4,
		   const struct ip_addr *v6)
{
	forget_addresses(n);
	n->realm = realm;
	n->v4 = *v4;
	n->v6 = *v6;
	if (realm) {
		realm_add_address(realm, v4, &n->attachment);
		realm_add_address(realm, v6, &n->attachment);
	}
}

struct nic *host_plug(struct host *h, const struct nic_config *config)
{
	struct nic *n = calloc(1, sizeof(*n));

	if (!n || h->n_nics == HOST_NICS_MAX)
		abort();
	n->host = h;
	strncpy(n->name, config->name, sizeof(n->name) - 1);
	n->index = (uint32_t)h->n_nics + FIRST_NIC_INDEX;
	n->attachment = (struct attachment){.kind = ATTACHED_NIC, .nic = n};
	struct random seeds = h->dice; /* a copy: the host's own dice stay as they are */
	struct random dice;
	random_init(&dice, random_u64(&seeds), n->index);
	link_init(&n->link, &config->quality, &dice);
	n->is_up = true;
	h->nics[h->n_nics++] = n;
	attach(n, config->realm, &config->v4, &config->v6);
	trace_nic(n);
	tell_network_changed(h);
	return n;
}

void nic_move(struct nic *n, struct realm *realm, const struct ip_addr *v4,
	      const struct ip_addr *v6)
{
	attach(n, realm, v4, v6);
	trace_nic(n);
	tell_network_changed(n->host);
}

void nic_set_up(struct nic *n, bool is_up)
{
	if (n->is_up == is_up)
		return;
	n->is_up = is_up;
	trace_nic(n);
	tell_network_changed(n->host);
}

void nic_prefer(struct nic *n)
{
	struct host *h = n->host;
	size_t i = 0;

	while (h->nics[i] != n)
		i++;
	memmove(&h->nics[1], &h->nics[0], i * sizeof(h->nics[0]));
	h->nics[0] = n;
	tell_network_changed(h);
}

bool nic_is_up(const struct nic *n)
{
	return n->is_up;
}

const char *nic_name(const struct nic *n)
{
	return n->name;
}

uint32_t nic_index(const struct nic *n)
{
	return n->index;
}

struct ip_addr nic_v4(const struct nic *n)
{
	return n->v4;
}

struct ip_addr nic_v6(const struct nic *n)
{
	return n->v6;
}

struct ip_addr nic_gateway_v4(const struct nic *n)
{
	const struct gateway *g = n->realm ? n->realm->gateway : NULL;

	return g ? g->inner : (struct ip_addr){0};
}

struct link *nic_link(struct nic *n)
{
	return &n->link;
}

struct realm *nic_realm(const struct nic *n)
{
	return n->realm;
}

struct host *nic_host(const struct nic *n)
{
	return n->host;
}

size_t host_nics(const struct host *h)
{
	return h->n_nics;
}

struct nic *host_nic(const struct host *h, size_t i)
{
	return h->nics[i];
}

/* ---- routes ---- */

struct ip_addr nic_address(const struct nic *n, const struct ip_addr *of_family_of)
{
	return ip_is_v4(of_family_of) ? n->v4 : n->v6;
}

static bool can_carry(const struct nic *n, const struct ip_addr *to)
{
	struct ip_addr own = nic_address(n, to);

	return n->is_up && n->realm && !ip_is_none(&own);
}

struct nic *host_route(const struct host *h, const struct ip_addr *to)
{
	struct nic *first = NULL;

	for (size_t i = 0; i < h->n_nics; i++) {
		struct nic *n = h->nics[i];
		if (!can_carry(n, to))
			continue;
		if (h->n_nics == 1)
			return n;
		/* An address on the interface's own network is more specific than any default. */
		if (n->realm->gateway && realm_find(n->realm, to))
			return n;
		if (!first)
			first = n;
	}
	return first;
}

bool host_has_address(const struct host *h, const struct ip_addr *ip)
{
	for (size_t i = 0; i < h->n_nics; i++) {
		const struct nic *n = h->nics[i];
		if (n->is_up && n->realm && (ip_equal(&n->v4, ip) || ip_equal(&n->v6, ip)))
			return true;
	}
	return false;
}

bool host_source_for(const struct host *h, const struct ip_addr *to, struct ip_addr *out)
{
	const struct nic *n = host_route(h, to);

	if (!n)
		return false;
	*out = nic_address(n, to);
	return true;
}

void host_watch_network(struct host *h, void (*changed)(void *arg), void *arg)
{
	h->network_changed = changed;
	h->network_arg = arg;
	h->network_place = world_place();
}

void host_refuse_udp(struct host *h, int err)
{
	h->refuse_udp = err;
}

void host_on_packet(struct host *h, struct transit *p)
{
	if (p->kind == WIRE_UDP)
		datagram_on_packet(h, p);
	else
		stream_on_packet(h, p);
}
