/*
 * kernel_socket: socket.h over the world's streams: descriptors for tcp.c, which is the real one.
 */
#ifndef WARREN_SIM_KERNEL_SOCKET_H
#define WARREN_SIM_KERNEL_SOCKET_H

struct stream;

/* Takes the stream out of its descriptor, which is closed: for kernel_tls, which owns it from here
 * on. NULL where fd names no connection. */
struct stream *kernel_socket_take(int fd);

#endif
