/*
 * nat: a translator as RFC 4787 (UDP) and RFC 5382 (TCP) describe them: mapping x filtering x port
 * allocation x lifetime, hairpinning, UDP blocked, a reboot.
 *
 * A core: it is shown a packet's endpoints and the time, and says what they become. It knows no
 * world and no links; internet carries packets to it. IPv6 is not translated: it passes as it is,
 * or through a stateful filter (RFC 6092), as home routers do.
 *
 * A mapping lives for lifetime_us after the last packet outwards (RFC 4787 REQ-6), and after one
 * inwards too where inbound_refreshes.
 */
#ifndef WARREN_SIM_NAT_H
#define WARREN_SIM_NAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "tests/sim/random.h"

/* RFC 4787 sections 4.1 and 5, for mapping and for filtering. */
enum nat_dependence {
	NAT_ENDPOINT_INDEPENDENT,
	NAT_ADDRESS_DEPENDENT,
	NAT_ADDRESS_AND_PORT_DEPENDENT,
	NAT_DEPENDENCES
};

enum nat_ports {
	NAT_PORTS_KEPT,	      /* the inner port while it is free, else any */
	NAT_PORTS_SEQUENTIAL, /* the next one, from 1024 on */
	NAT_PORTS_RANDOM,     /* any from 1024 on */
	NAT_PORTS_KINDS
};

enum nat_ipv6 { NAT_IPV6_NONE, NAT_IPV6_FILTERED, NAT_IPV6_OPEN };

enum nat_protocol { NAT_UDP, NAT_TCP };

struct nat_behaviour { /* all zero: endpoint-independent, ports kept, 2 min, no IPv6 */
	enum nat_dependence mapping, filtering;
	enum nat_ports ports;
	uint64_t lifetime_us;	  /* UDP; 0: 120 s (RFC 4787 REQ-5) */
	uint64_t tcp_lifetime_us; /* 0: 2 h 4 min (RFC 5382 REQ-5) */
	bool inbound_refreshes;
	bool hairpins;
	bool blocks_udp; /* no UDP in either direction; TCP passes */
	enum nat_ipv6 ipv6;
};

enum { NAT_MAPPINGS_MAX = 8192, NAT_OPENINGS_MAX = 32768 };

enum nat_verdict {
	NAT_PASSED,
	NAT_UDP_BLOCKED,
	NAT_NO_MAPPING, /* inwards: nothing is mapped there, or no longer */
	NAT_FILTERED,	/* inwards: mapped, but not for this sender */
	NAT_NO_HAIRPIN,
	NAT_FULL, /* outwards: no port or no memory left */
	NAT_NO_IPV6,
	NAT_VERDICTS
};

struct nat_counters {
	uint64_t out[NAT_VERDICTS], in[NAT_VERDICTS];
	uint64_t mappings_made, mappings_expired, reboots;
};

struct nat;

struct nat *nat_new(const struct nat_behaviour *behaviour, const struct ip_addr *outer,
		    const struct random *dice);
void nat_free(struct nat *n);

/* A packet goes out: *from (inner) becomes what the outside sees. */
enum nat_verdict nat_on_outbound(struct nat *n, enum nat_protocol protocol, struct endpoint *from,
				 const struct endpoint *to, uint64_t now_us);
/* A packet comes in from outside: *to (outer) becomes the inner endpoint. */
enum nat_verdict nat_on_inbound(struct nat *n, enum nat_protocol protocol,
				const struct endpoint *from, struct endpoint *to, uint64_t now_us);
/* From inside to its own outer address: both at once. */
enum nat_verdict nat_on_hairpin(struct nat *n, enum nat_protocol protocol, struct endpoint *from,
				struct endpoint *to, uint64_t now_us);

/* Everything is forgotten. With other_ports no inner endpoint gets the outer port it had, even
 * where ports are kept. */
void nat_reboot(struct nat *n, bool other_ports);
/* Another outer address: the provider gave a new one. Everything is forgotten. */
void nat_set_outer(struct nat *n, const struct ip_addr *outer);
/* From now on; mappings stay. */
void nat_set_behaviour(struct nat *n, const struct nat_behaviour *behaviour);
const struct nat_behaviour *nat_behaviour(const struct nat *n);
const struct ip_addr *nat_outer(const struct nat *n);
const struct nat_counters *nat_counters(const struct nat *n);
/* That are alive at now_us. */
size_t nat_mappings(struct nat *n, uint64_t now_us);

const char *nat_verdict_str(enum nat_verdict v);
const char *nat_dependence_str(enum nat_dependence d); /* "endpoint", "address", "port" */
const char *nat_ports_str(enum nat_ports p);

#endif
