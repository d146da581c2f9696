/*
 * network: what this machine is attached to: its own addresses and its default gateways.
 *
 * network_read takes a picture; network_watch says when it may have changed (links, addresses,
 * routes), once at the start of a burst of events and once behind it, so that a new address is
 * acted on at once and a flapping link floods nobody. Pictures that are equal need no action.
 * Events of our own TUN do not count. A shell, one file per platform; the main thread calls it.
 */
#ifndef WARREN_NETWORK_H
#define WARREN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

enum { NETWORK_ADDRESSES_MAX = 32, NETWORK_NAME_LEN = 16 };

struct network_gateway {
	struct ip_addr ip; /* none: no default route, or one without a next hop */
	uint32_t ifindex;  /* 0: no default route */
};

struct network {
	/* Addresses that a peer may reach us by, in the kernel's order: no loopback, no link-local,
	 * none of our TUN, of containers' bridges or of other meshes. */
	struct ip_addr addresses[NETWORK_ADDRESSES_MAX];
	size_t n_addresses;
	struct network_gateway gateway_v4, gateway_v6;
};

/* tun_name (may be NULL) is ours and left out. -errno where the kernel would not answer. */
MUST_CHECK int network_read(const char *tun_name, struct network *out);
bool network_equal(const struct network *a, const struct network *b);

/* Does an interface of this name carry addresses that a peer could use? False for lo, containers'
 * bridges and ends (docker0, br-…, veth…, virbr0, cni0, …) and other meshes (wg0, tailscale0, …).
 */
bool network_name_counts(const char *name);

struct network_watch;

/* The events of tun_name (borrowed for the watch's life, may be NULL) are left out. */
MUST_CHECK int network_watch_open(const char *tun_name, struct network_watch **out);
void network_watch_close(struct network_watch *w);
int network_watch_fd(const struct network_watch *w);

/* To be called when the descriptor is readable, and when the deadline has passed. True: now is the
 * time to look (network_read). */
bool network_watch_on_readable(struct network_watch *w, uint64_t now_us);
bool network_watch_on_deadline(struct network_watch *w, uint64_t now_us);
/* US_NEVER while nothing is pending. */
uint64_t network_watch_deadline(const struct network_watch *w);

#endif
