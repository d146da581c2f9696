/*
 * datagram: UDP sockets of simulated hosts.
 *
 * As a kernel gives them: a port of one family, a bounded receive queue, errors at the send where
 * the host itself knows (no route, refused, too big for its interface) and silence for whatever
 * happens further on. Opened at world_here(); a ghost's socket neither sends nor receives and is
 * still to be closed.
 */
#ifndef WARREN_SIM_DATAGRAM_H
#define WARREN_SIM_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

struct datagram_socket;

enum { DATAGRAM_LEN_MAX = 2000, DATAGRAM_QUEUE_MAX = 512 };

enum datagram_family { DATAGRAM_V4, DATAGRAM_V6 };

/* on_arrival (may be NULL) is called at the socket's host after each datagram was queued; it may
 * receive, send and close. port 0: any that is free (32768-60999). -EADDRINUSE; -EAFNOSUPPORT
 * never: a host without the family says so at each send. */
int datagram_open(enum datagram_family family, uint16_t port,
		  void (*on_arrival)(void *arg, struct datagram_socket *s), void *arg,
		  struct datagram_socket **out);
/* NULL is fine. What is queued is lost. */
void datagram_close(struct datagram_socket *s);
uint16_t datagram_port(const struct datagram_socket *s);

/* 0 says only that it left. -ENETUNREACH: no interface with this family is up; -EMSGSIZE: longer
 * than the interface's MTU or DATAGRAM_LEN_MAX; -EAFNOSUPPORT: to is of the other family; what
 * host_refuse_udp set; -EBADF: the socket is a ghost's. */
int datagram_send(struct datagram_socket *s, const struct endpoint *to, const void *data,
		  size_t len);
/* The oldest in the queue, cut to cap. -EAGAIN: none. */
int datagram_receive(struct datagram_socket *s, void *data, size_t cap, size_t *len,
		     struct endpoint *from);
/* The same without copying: valid until the next call for this socket. NULL: none. */
const uint8_t *datagram_take(struct datagram_socket *s, size_t *len, struct endpoint *from);
bool datagram_is_waiting(const struct datagram_socket *s);

#endif
