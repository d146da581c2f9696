/*
 * interface: the kernel's side of our TUN: up, MTU, addresses, and routes for the mesh prefixes.
 *
 * Makes the interface what the config says, whatever it was before: a TUN outlives its daemon, so
 * addresses and routes of an earlier life are corrected, never the TUN remade. Needs CAP_NET_ADMIN.
 * The TUN device itself is tunnel's. A shell, one file per platform; the main thread calls it.
 */
#ifndef WARREN_INTERFACE_H
#define WARREN_INTERFACE_H

#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

enum { INTERFACE_PREFIXES_MAX = 4 };

struct interface_config {
	const char *name; /* borrowed during the call */
	unsigned mtu_bytes;
	struct prefix addresses[INTERFACE_PREFIXES_MAX]; /* our own, usually /32 and /128 */
	size_t n_addresses;
	struct prefix routes[INTERFACE_PREFIXES_MAX]; /* to the interface: the mesh prefixes */
	size_t n_routes;
};

enum interface_step {
	INTERFACE_FIND,
	INTERFACE_UP,
	INTERFACE_ADDRESS,
	INTERFACE_ROUTE,
	INTERFACE_DONE
};

/* Addresses and routes of a family that the kernel has switched off are left out. *step says how
 * far it came: -ENODEV: no such interface; -EPERM: not allowed; -EEXIST: another interface has a
 * route to the very same prefix. What was done before the failure stays. */
MUST_CHECK int interface_configure(const struct interface_config *config,
				   enum interface_step *step);

/* The daemon ends and another is to follow: our routes lead nowhere from here on, until the next
 * interface_configure. The kernel then refuses a packet for the mesh where it is made, so that TCP
 * keeps it and sends it a moment later; what goes into a TUN that nobody reads is lost, and costs
 * TCP a round trip more. Either way nothing leaves in the clear. */
MUST_CHECK int interface_hold(const struct interface_config *config);

/* Removes our addresses and routes and sets it down; the TUN stays. */
MUST_CHECK int interface_clear(const char *name);

#endif
