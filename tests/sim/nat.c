#include "tests/sim/nat.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/sim/table.h"

enum { PORT_FIRST = 1024, PORTS = 65536 - PORT_FIRST, PORT_TRIES = 64, SWEEP_MIN = 512 };

static const uint64_t default_lifetime_us = 120ull * US_PER_S;
static const uint64_t default_tcp_lifetime_us = (2 * 60 + 4) * 60ull * US_PER_S;

struct mapping {
	struct table_key inner_key, outer_key;
	struct endpoint inner, outer;
	uint64_t until_us;  /* 0: not in use */
	uint32_t next_free; /* index + 1 */
};

struct nat {
	struct nat_behaviour behaviour;
	struct ip_addr outer;
	struct random dice;
	struct mapping *mappings;
	size_t n_mappings, cap_mappings;
	uint32_t free_mapping; /* index + 1; 0: none */
	struct table
		by_inner; /* inner endpoint (and destination as far as mapping depends on it) */
	struct table by_outer; /* outer endpoint */
	struct table
		openings; /* outer endpoint, sender as far as filtering depends on it -> until */
	size_t sweep_at;  /* mappings and openings that make a sweep worth its while */
	uint16_t next_port;
	uint16_t port_shift; /* kept ports after a reboot with other ports */
	struct nat_counters counters;
};

struct nat *nat_new(const struct nat_behaviour *behaviour, const struct ip_addr *outer,
		    const struct random *dice)
{
	struct nat *n = calloc(1, sizeof(*n));

	if (!n)
		abort();
	n->behaviour = *behaviour;
	n->outer = *outer;
	n->dice = *dice;
	n->next_port = PORT_FIRST;
	n->sweep_at = SWEEP_MIN;
	return n;
}

static void forget_all(struct nat *n)
{
	table_wipe(&n->by_inner);
	table_wipe(&n->by_outer);
	table_wipe(&n->openings);
	n->n_mappings = 0;
	n->free_mapping = 0;
	n->sweep_at = SWEEP_MIN;
}

void nat_free(struct nat *n)
{
	if (!n)
		return;
	forget_all(n);
	free(n->mappings);
	free(n);
}

/* ---- mappings ---- */

static uint64_t lifetime_of(const struct nat *n, enum nat_protocol protocol)
{
	if (protocol == NAT_TCP)
		return n->behaviour.tcp_lifetime_us ? n->behaviour.tcp_lifetime_us
						    : default_tcp_lifetime_us;
	return n->behaviour.lifetime_us ? n->behaviour.lifetime_us : default_lifetime_us;
}

/* The part of an endpoint that a behaviour looks at. */
static struct endpoint seen_by(enum nat_dependence dependence, const struct endpoint *ep)
{
	struct endpoint seen = {0};

	if (dependence != NAT_ENDPOINT_INDEPENDENT)
		seen.ip = ep->ip;
	if (dependence == NAT_ADDRESS_AND_PORT_DEPENDENT)
		seen.port = ep->port;
	return seen;
}

static uint16_t kind_of(enum nat_protocol protocol)
{
	return (uint16_t)(protocol + 1);
}

static void drop_mapping(struct nat *n, size_t i)
{
	struct mapping *m = &n->mappings[i];

	table_remove(&n->by_inner, &m->inner_key);
	table_remove(&n->by_outer, &m->outer_key);
	*m = (struct mapping){.next_free = n->free_mapping};
	n->free_mapping = (uint32_t)i + 1;
	n->counters.mappings_expired++;
}

/* The live mapping in a table, an expired one is dropped on sight. */
static struct mapping *find_mapping(struct nat *n, const struct table *table,
				    const struct table_key *key, uint64_t now_us)
{
	struct table_entry *e = table_find(table, key);

	if (!e)
		return NULL;
	struct mapping *m = &n->mappings[e->value.number];
	if (now_us < m->until_us)
		return m;
	drop_mapping(n, (size_t)e->value.number);
	return NULL;
}

static void sweep_openings(struct nat *n, uint64_t now_us)
{
	struct table kept = {0};
	struct table_entry *e;

	for (size_t at = 0; (e = table_next(&n->openings, &at));)
		if (now_us < e->value.number)
			table_add(&kept, &e->key)->value = e->value;
	table_wipe(&n->openings);
	n->openings = kept;
}

/* Drops what has expired, once there is as much again as the last sweep left, or no room. */
static void sweep(struct nat *n, uint64_t now_us)
{
	bool has_room =
		n->by_outer.count < NAT_MAPPINGS_MAX && n->openings.count < NAT_OPENINGS_MAX;

	if (has_room && n->by_outer.count + n->openings.count < n->sweep_at)
		return;
	for (size_t i = 0; i < n->n_mappings; i++)
		if (n->mappings[i].until_us != 0 && now_us >= n->mappings[i].until_us)
			drop_mapping(n, i);
	sweep_openings(n, now_us);
	n->sweep_at = SWEEP_MIN + 2 * (n->by_outer.count + n->openings.count);
}

static bool is_port_free(struct nat *n, enum nat_protocol protocol, uint16_t port, uint64_t now_us)
{
	struct endpoint outer = {.ip = n->outer, .port = port};
	struct table_key key = table_key_of(kind_of(protocol), &outer, NULL);

	return !find_mapping(n, &n->by_outer, &key, now_us);
}

static uint16_t following(uint16_t port)
{
	return port < PORT_FIRST || port == UINT16_MAX ? (uint16_t)PORT_FIRST
						       : (uint16_t)(port + 1);
}

static uint16_t any_port(struct nat *n)
{
	return (uint16_t)(PORT_FIRST + random_below(&n->dice, PORTS));
}

/* The port to try first, then one behind the other. */
static uint16_t first_port(struct nat *n, uint16_t inner_port)
{
	switch (n->behaviour.ports) {
	case NAT_PORTS_SEQUENTIAL:
		return n->next_port;
	case NAT_PORTS_RANDOM:
		return any_port(n);
	case NAT_PORTS_KEPT:
	case NAT_PORTS_KINDS:
		break;
	}
	return (uint16_t)(inner_port + n->port_shift);
}

static bool allocate_port(struct nat *n, enum nat_protocol protocol, uint16_t inner_port,
			  uint64_t now_us, uint16_t *out)
{
	uint16_t port = first_port(n, inner_port);

	for (unsigned tries = 0; tries < PORT_TRIES; tries++) {
		if (port != 0 && is_port_free(n, protocol, port, now_us)) {
			n->next_port = following(port);
			*out = port;
			return true;
		}
		port = n->behaviour.ports == NAT_PORTS_SEQUENTIAL ? following(port) : any_port(n);
	}
	return false;
}

static size_t new_mapping_index(struct nat *n)
{
	size_t i = n->n_mappings;

	if (n->free_mapping != 0) {
		i = n->free_mapping - 1;
		n->free_mapping = n->mappings[i].next_free;
		return i;
	}
	if (i == n->cap_mappings) {
		n->cap_mappings = n->cap_mappings ? n->cap_mappings * 2 : 16;
		n->mappings = realloc(n->mappings, n->cap_mappings * sizeof(*n->mappings));
		if (!n->mappings)
			abort();
	}
	n->n_mappings++;
	return i;
}

/* IPv6 keeps its address and port: a mapping then is only the filter's memory of it. */
static struct mapping *make_mapping(struct nat *n, enum nat_protocol protocol,
				    const struct endpoint *inner, const struct table_key *inner_key,
				    uint64_t now_us)
{
	struct endpoint outer = *inner;

	sweep(n, now_us);
	if (n->by_outer.count >= NAT_MAPPINGS_MAX)
		return NULL;
	if (ip_is_v4(&inner->ip)) {
		outer.ip = n->outer;
		if (!allocate_port(n, protocol, inner->port, now_us, &outer.port))
			return NULL;
	}
	size_t i = new_mapping_index(n);
	n->mappings[i] = (struct mapping){
		.inner_key = *inner_key,
		.outer_key = table_key_of(kind_of(protocol), &outer, NULL),
		.inner = *inner,
		.outer = outer,
	};
	table_add(&n->by_inner, inner_key)->value.number = i;
	table_add(&n->by_outer, &n->mappings[i].outer_key)->value.number = i;
	n->counters.mappings_made++;
	return &n->mappings[i];
}

/* ---- filtering ---- */

static enum nat_dependence filtering_of(const struct nat *n, const struct mapping *m)
{
	return ip_is_v4(&m->inner.ip) ? n->behaviour.filtering : NAT_ADDRESS_AND_PORT_DEPENDENT;
}

static struct table_key opening_key(const struct nat *n, enum nat_protocol protocol,
				    const struct mapping *m, const struct endpoint *remote)
{
	struct endpoint seen = seen_by(filtering_of(n, m), remote);

	return table_key_of(kind_of(protocol), &m->outer, &seen);
}

static enum nat_verdict open_for(struct nat *n, enum nat_protocol protocol, struct mapping *m,
				 const struct endpoint *remote, uint64_t until_us)
{
	m->until_us = until_us;
	if (filtering_of(n, m) == NAT_ENDPOINT_INDEPENDENT)
		return NAT_PASSED;
	if (n->openings.count >= NAT_OPENINGS_MAX)
		return NAT_FULL;
	struct table_key key = opening_key(n, protocol, m, remote);
	table_add(&n->openings, &key)->value.number = until_us;
	return NAT_PASSED;
}

static bool is_open_for(const struct nat *n, enum nat_protocol protocol, const struct mapping *m,
			const struct endpoint *remote, uint64_t now_us)
{
	if (filtering_of(n, m) == NAT_ENDPOINT_INDEPENDENT)
		return true;
	struct table_key key = opening_key(n, protocol, m, remote);
	const struct table_entry *e = table_find(&n->openings, &key);
	return e && now_us < e->value.number;
}

/* ---- packets ---- */

/* Whether the packet is let by without being looked at closer, or not at all. */
static bool is_settled(const struct nat *n, enum nat_protocol protocol, const struct ip_addr *ip,
		       enum nat_verdict *verdict)
{
	*verdict = NAT_PASSED;
	if (protocol == NAT_UDP && n->behaviour.blocks_udp)
		*verdict = NAT_UDP_BLOCKED;
	else if (!ip_is_v4(ip) && n->behaviour.ipv6 == NAT_IPV6_NONE)
		*verdict = NAT_NO_IPV6;
	return *verdict != NAT_PASSED || (!ip_is_v4(ip) && n->behaviour.ipv6 == NAT_IPV6_OPEN);
}

static enum nat_verdict outbound(struct nat *n, enum nat_protocol protocol, struct endpoint *from,
				 const struct endpoint *to, uint64_t now_us)
{
	enum nat_verdict verdict;

	if (is_settled(n, protocol, &from->ip, &verdict))
		return verdict;
	enum nat_dependence dependence =
		ip_is_v4(&from->ip) ? n->behaviour.mapping : NAT_ENDPOINT_INDEPENDENT;
	struct endpoint seen = seen_by(dependence, to);
	struct table_key key = table_key_of(kind_of(protocol), from, &seen);
	struct mapping *m = find_mapping(n, &n->by_inner, &key, now_us);
	if (!m)
		m = make_mapping(n, protocol, from, &key, now_us);
	if (!m)
		return NAT_FULL;
	*from = m->outer;
	return open_for(n, protocol, m, to, now_us + lifetime_of(n, protocol));
}

static enum nat_verdict inbound(struct nat *n, enum nat_protocol protocol,
				const struct endpoint *from, struct endpoint *to, uint64_t now_us)
{
	enum nat_verdict verdict;

	if (is_settled(n, protocol, &to->ip, &verdict))
		return verdict;
	struct table_key key = table_key_of(kind_of(protocol), to, NULL);
	struct mapping *m = find_mapping(n, &n->by_outer, &key, now_us);
	if (!m)
		return NAT_NO_MAPPING;
	if (!is_open_for(n, protocol, m, from, now_us))
		return NAT_FILTERED;
	*to = m->inner;
	if (!n->behaviour.inbound_refreshes)
		return NAT_PASSED;
	return open_for(n, protocol, m, from, now_us + lifetime_of(n, protocol));
}

enum nat_verdict nat_on_outbound(struct nat *n, enum nat_protocol protocol, struct endpoint *from,
				 const struct endpoint *to, uint64_t now_us)
{
	enum nat_verdict verdict = outbound(n, protocol, from, to, now_us);

	n->counters.out[verdict]++;
	return verdict;
}

enum nat_verdict nat_on_inbound(struct nat *n, enum nat_protocol protocol,
				const struct endpoint *from, struct endpoint *to, uint64_t now_us)
{
	enum nat_verdict verdict = inbound(n, protocol, from, to, now_us);

	n->counters.in[verdict]++;
	return verdict;
}

enum nat_verdict nat_on_hairpin(struct nat *n, enum nat_protocol protocol, struct endpoint *from,
				struct endpoint *to, uint64_t now_us)
{
	if (!n->behaviour.hairpins) {
		n->counters.out[NAT_NO_HAIRPIN]++;
		return NAT_NO_HAIRPIN;
	}
	enum nat_verdict verdict = nat_on_outbound(n, protocol, from, to, now_us);
	return verdict == NAT_PASSED ? nat_on_inbound(n, protocol, from, to, now_us) : verdict;
}

/* ---- its life ---- */

void nat_reboot(struct nat *n, bool other_ports)
{
	forget_all(n);
	n->counters.reboots++;
	if (!other_ports)
		return;
	n->next_port = any_port(n);
	n->port_shift = (uint16_t)(n->port_shift + random_between(&n->dice, 1, 4096));
}

void nat_set_outer(struct nat *n, const struct ip_addr *outer)
{
	forget_all(n);
	n->outer = *outer;
}

void nat_set_behaviour(struct nat *n, const struct nat_behaviour *behaviour)
{
	n->behaviour = *behaviour;
}

const struct nat_behaviour *nat_behaviour(const struct nat *n)
{
	return &n->behaviour;
}

const struct ip_addr *nat_outer(const struct nat *n)
{
	return &n->outer;
}

const struct nat_counters *nat_counters(const struct nat *n)
{
	return &n->counters;
}

size_t nat_mappings(struct nat *n, uint64_t now_us)
{
	size_t alive = 0;

	for (size_t i = 0; i < n->n_mappings; i++)
		alive += now_us < n->mappings[i].until_us;
	return alive;
}

/* ---- words ---- */

const char *nat_verdict_str(enum nat_verdict v)
{
	static const char *const names[NAT_VERDICTS] = {
		[NAT_PASSED] = "passed",	 [NAT_UDP_BLOCKED] = "udp blocked",
		[NAT_NO_MAPPING] = "no mapping", [NAT_FILTERED] = "filtered",
		[NAT_NO_HAIRPIN] = "no hairpin", [NAT_FULL] = "full",
		[NAT_NO_IPV6] = "no ipv6",
	};
	return names[v];
}

const char *nat_dependence_str(enum nat_dependence d)
{
	static const char *const names[NAT_DEPENDENCES] = {"endpoint", "address", "port"};

	return names[d];
}

const char *nat_ports_str(enum nat_ports p)
{
	static const char *const names[NAT_PORTS_KINDS] = {"kept", "sequential", "random"};

	return names[p];
}
