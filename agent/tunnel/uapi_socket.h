/*
 * uapi_socket: the Unix socket /var/run/wireguard/NAME.sock on which wg(8) finds an engine.
 *
 * 0600, so root only. A socket with no process behind it is replaced, one with a live process
 * never. A shell on the main thread; a few connections at a time, each of bounded size.
 */
#ifndef WARREN_UAPI_SOCKET_H
#define WARREN_UAPI_SOCKET_H

#include <stdbool.h>

#include "common/wire.h"

struct engine;
struct event_base;
struct uapi_socket;

/* Binds the socket, making its folder if absent; nothing is answered before uapi_socket_serve.
 * -EADDRINUSE: a live process has it. */
MUST_CHECK int uapi_socket_open(const char *interface, struct uapi_socket **out);
/* gone: called once when someone removed the socket's file, may be NULL. may_change: false makes it
 * read-only. engine is borrowed until uapi_socket_close. */
MUST_CHECK int uapi_socket_serve(struct uapi_socket *s, struct event_base *base,
				 struct engine *engine, bool may_change, void (*gone)(void *arg),
				 void *arg);
/* Removes the file, if it is still ours. NULL is fine. */
void uapi_socket_close(struct uapi_socket *s);

#endif
