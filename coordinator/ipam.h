/*
 * ipam: the mesh's two prefixes, and one IPv4 and one IPv6 address for each node.
 *
 * A /16 of 10.0.0.0/8 and a /48 of fd00::/8 are drawn once, when a store is made, away from the
 * networks the server itself is in. A node's two addresses share one host number, and a number that
 * was given back is used again only after all others: peers remember who had an address. A pure
 * core; the store keeps prefixes and addresses.
 */
#ifndef WARREN_IPAM_H
#define WARREN_IPAM_H

#include "common/endpoint.h"

enum { IPAM_HOSTS = 65536, IPAM_RANDOM_LEN = 8 };

struct ipam {
	struct prefix v4, v6;
	uint64_t used[IPAM_HOSTS / 64];
	uint32_t last; /* host number given last */
};

/* Draws from random, stepping on while the draw overlaps one of avoid[n]. -EADDRNOTAVAIL where
 * every /16 of 10.0.0.0/8 does. */
MUST_CHECK int ipam_draw_v4(const uint8_t random[static IPAM_RANDOM_LEN],
			    const struct prefix *avoid, size_t n, struct prefix *out);
MUST_CHECK int ipam_draw_v6(const uint8_t random[static IPAM_RANDOM_LEN],
			    const struct prefix *avoid, size_t n, struct prefix *out);

/* A prefix that may be chosen by flag: a /16 inside 10.0.0.0/8, a /48 inside fd00::/8. */
bool ipam_v4_valid(const struct prefix *p);
bool ipam_v6_valid(const struct prefix *p);

void ipam_init(struct ipam *ipam, const struct prefix *v4, const struct prefix *v6);

/* The next free pair. -ENOSPC where all are given. */
MUST_CHECK int ipam_take(struct ipam *ipam, struct ip_addr *v4, struct ip_addr *v6);
/* Marks an address of the store as given, and writes the IPv6 address that goes with it. -ERANGE
 * outside the prefix, -EEXIST where it is given already. */
MUST_CHECK int ipam_claim(struct ipam *ipam, const struct ip_addr *v4, struct ip_addr *v6);
void ipam_release(struct ipam *ipam, const struct ip_addr *v4);

#endif
