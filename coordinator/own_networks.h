/*
 * own_networks: the networks this machine is in, for the mesh to stay clear of, and the address it
 * is best reached at, for invitations.
 */
#ifndef WARREN_OWN_NETWORKS_H
#define WARREN_OWN_NETWORKS_H

#include "common/endpoint.h"

enum { OWN_NETWORKS_MAX = 64 };

struct own_networks {
	struct prefix list[OWN_NETWORKS_MAX];
	size_t count;
	struct ip_addr best; /* a public address rather than a private one, IPv4 rather than IPv6 */
};

/* Leaves loopback out. An unreadable list is an empty one. */
void own_networks_read(struct own_networks *out);

#endif
