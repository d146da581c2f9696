/*
 * socket: the TCP calls of the kernel that tcp and tls make, and nothing that decides.
 *
 * Descriptors are non-blocking and close-on-exec, with TCP_NODELAY and a TCP_USER_TIMEOUT of 15 s,
 * so that a dead peer is noticed by data that nobody acknowledges. One file per platform; a
 * simulation has its own.
 */
#ifndef WARREN_SOCKET_H
#define WARREN_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/wire.h"

/* Begins to connect: writable once it is decided, see socket_connected. mark: SO_MARK, 0 = none.
 * -errno: *fd is -1 then. */
MUST_CHECK int socket_connect(const struct endpoint *to, uint32_t mark, int *fd);
/* 0, or the -errno that ended the attempt. */
MUST_CHECK int socket_connected(int fd);

/* Listens there; no address: on all, of both families. -errno: *fd is -1 then. */
MUST_CHECK int socket_listen(const struct endpoint *at, int *fd);
/* -EAGAIN: nobody waits; or another -errno. */
MUST_CHECK int socket_accept(int listening, int *fd, struct endpoint *from);

void socket_close(int fd);

/* The two ends, none where they are not known. */
struct endpoint socket_local(int fd);
struct endpoint socket_remote(int fd);

/* Whether this machine (still) has the address: a connection from another one is dead. */
bool socket_address_is_ours(const struct ip_addr *ip);

#endif
