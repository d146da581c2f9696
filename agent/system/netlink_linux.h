/*
 * netlink_linux: what interface_linux and network_linux share of libnl. No other file meets libnl's
 * sockets and error numbers.
 */
#ifndef WARREN_NETLINK_LINUX_H
#define WARREN_NETLINK_LINUX_H

#include <netlink/addr.h>
#include <netlink/netlink.h>

#include "common/endpoint.h"

/* A connected route socket, to be freed by nl_socket_free; NULL and *err = -errno. */
struct nl_sock *netlink_connect(int *err);

/* libnl's error number as -errno; 0 and above stay. */
int netlink_errno(int nl_error);

/* To be freed by nl_addr_put; NULL where memory is short. */
struct nl_addr *netlink_addr(const struct prefix *p);
/* False where a is no IP address. */
bool netlink_prefix(const struct nl_addr *a, struct prefix *out);

#endif
