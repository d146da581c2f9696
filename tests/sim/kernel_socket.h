/*
 * kernel_socket: socket.h over the world's streams: descriptors for tcp.c, which is the real one.
 */
#ifndef WARREN_SIM_KERNEL_SOCKET_H
#define WARREN_SIM_KERNEL_SOCKET_H

struct stream;

/* The stream of a descriptor, which keeps it: for kernel_tls_stream. NULL where fd names no
 * connection. */
struct stream *kernel_socket_stream(int fd);
/* The stream was read from or written to: sets what its descriptor is ready for. */
void kernel_socket_look(int fd);

#endif
