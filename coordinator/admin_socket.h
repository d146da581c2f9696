/*
 * admin_socket: the local socket of the admin commands: whoever may open it may do everything, so
 * it is 0600 in the state directory. A socket that nobody listens on any more is replaced, a live
 * one never.
 */
#ifndef WARREN_ADMIN_SOCKET_H
#define WARREN_ADMIN_SOCKET_H

#include <stddef.h>

#include "common/wire.h"

enum { ADMIN_SOCKET_ERROR_LEN = 256 };

struct admin_socket;
struct event_base;

/* accepted owns each descriptor it gets. -EADDRINUSE where another process serves this socket, or
 * another -errno, with one line in error. */
MUST_CHECK int admin_socket_new(struct event_base *base, const char *path,
				void (*accepted)(void *arg, int fd), void *arg,
				struct admin_socket **out,
				char error[static ADMIN_SOCKET_ERROR_LEN]);
/* Removes the socket too. */
void admin_socket_free(struct admin_socket *s);

/* A blocking connection to it, or -errno. */
MUST_CHECK int admin_socket_connect(const char *path, int *fd);

#endif
