/*
 * internet: address realms (RFC 2663) joined by NATs, and packets carried through them.
 *
 * A realm is a set of addresses that reach each other: the internet, a home's network, a
 * provider's behind its carrier-grade NAT. Hosts plug into a realm; a gateway (a NAT with its
 * uplink) joins an inner realm to an outer one, so NATs stack.
 *
 *	host --nic's link up--> realm --gateway: NAT out, uplink up--> outer realm
 *	outer realm --gateway: uplink down, NAT in--> realm --nic's link down--> host
 *
 * In a realm a packet takes no time, except between two addresses that were given a pair link of
 * their own: distance, weather or a cut between just these two. Everything hangs on the running
 * world and is freed with it.
 */
#ifndef WARREN_SIM_INTERNET_H
#define WARREN_SIM_INTERNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "tests/sim/link.h"
#include "tests/sim/nat.h"

struct gateway;
struct host;
struct realm;
struct world;

/* The outermost realm of the running world, made at its first use. */
struct realm *internet_realm(void);

/* An inner realm behind a NAT whose outer side has the address outer in the outer realm. inner is
 * the gateway's own address inside (192.168.1.1). IPv6 addresses inside are reached from outside
 * as they are where the behaviour lets IPv6 pass. */
struct gateway_config {
	const char *name; /* copied; for traces */
	struct realm *outer_realm;
	struct ip_addr outer, inner;
	struct nat_behaviour behaviour;
	struct link_quality uplink; /* both sides; change it by gateway_link */
};

struct gateway *gateway_new(const struct gateway_config *config);
struct realm *gateway_realm(struct gateway *g); /* the inner one */
struct nat *gateway_nat(struct gateway *g);
struct link *gateway_link(struct gateway *g); /* the uplink, seen from the gateway */
struct ip_addr gateway_outer(const struct gateway *g);
struct ip_addr gateway_inner(const struct gateway *g);
const char *gateway_name(const struct gateway *g);
/* Mappings gone; see nat_reboot. Packets under way to it are lost or not as its state then says. */
void gateway_reboot(struct gateway *g, bool other_ports);
/* The provider gives another outer address. */
void gateway_renumber(struct gateway *g, const struct ip_addr *outer);

/* The gateway out of a realm, NULL for the internet. */
struct gateway *realm_gateway(struct realm *r);
const char *realm_name(const struct realm *r);
/* The link between two addresses of a realm: LINK_UP is from a to b. Made at its first use, doing
 * nothing; asked with the addresses the other way round it is another link. Both apply. */
struct link *realm_pair(struct realm *r, const struct ip_addr *a, const struct ip_addr *b);

/* ---- taps: whatever leaves a host ---- */

enum wire_kind { WIRE_UDP, WIRE_TCP };

struct wire_packet {
	enum wire_kind kind;
	struct host *sender;
	struct endpoint from, to; /* as the sender's host wrote them, before any NAT */
	const uint8_t *data;	  /* the payload; valid during the call */
	size_t len;
	bool is_sealed; /* WIRE_TCP: stands for bytes inside TLS (stream_set_sealed) */
	bool is_again;	/* WIRE_TCP: the kernel sends once more what may be lost */
};

typedef void internet_tap_fn(void *arg, const struct wire_packet *packet);

/* Called for each packet as it leaves its host, also when the network then loses it, and for TCP's
 * acknowledgements, with len 0. At most INTERNET_TAPS_MAX. */
enum { INTERNET_TAPS_MAX = 8 };
void internet_add_tap(internet_tap_fn *tap, void *arg);

struct internet_counters {
	uint64_t udp_sent, udp_delivered, tcp_sent, tcp_delivered;
	uint64_t lost_on_links, dropped_by_nats, no_such_address, to_sleeping_or_dead, no_such_port,
		receive_queue_full, looping;
};
const struct internet_counters *internet_counters(void);

#endif
