/*
 * tcp: outgoing connections raced over several addresses, and listening sockets.
 *
 * What a descriptor is like says socket.h, which this drives.
 */
#ifndef WARREN_TCP_H
#define WARREN_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

struct event_base;
struct tcp_dial;
struct tcp_listener;

enum { TCP_DIAL_ADDRS_MAX = 8, TCP_ERROR_LEN = 160 };

struct tcp_dial_config {
	struct endpoint addrs[TCP_DIAL_ADDRS_MAX]; /* in order of preference */
	size_t n_addrs;
	uint64_t stagger_us; /* between starting two addresses (RFC 8305); 0 = 200 ms */
	uint64_t timeout_us; /* for the whole; 0 = 10 s */
	uint32_t mark;	     /* SO_MARK, 0 = none: keeps our own traffic out of the tunnel */
};

/* The first address to answer wins. done is called once, never before this returns: fd (the
 * caller's now) and the address it reached, or fd -1 with err as -errno of the last failure. */
struct tcp_dial *tcp_dial_new(struct event_base *base, const struct tcp_dial_config *cfg,
			      void (*done)(void *arg, int err, int fd, const struct endpoint *to),
			      void *arg);
/* Cancels without calling done; needed after done too (also from within it). */
void tcp_dial_free(struct tcp_dial *d);

/* A non-blocking listening socket on "ADDR:PORT" or ":PORT" (both families). error gets one line
 * such as "cannot listen on :443: Address already in use". */
MUST_CHECK int tcp_listen(const char *addr, int *fd, char error[static TCP_ERROR_LEN]);

/* Calls accepted for each connection (its fd is the callee's), at most 64 a round, and pauses for
 * 100 ms where descriptors run out. */
MUST_CHECK int tcp_listener_new(struct event_base *base, const char *addr,
				void (*accepted)(void *arg, int fd, const struct endpoint *from),
				void *arg, struct tcp_listener **out,
				char error[static TCP_ERROR_LEN]);
/* Takes over an already listening fd; for one socket handed to several threads. */
struct tcp_listener *
tcp_listener_from_fd(struct event_base *base, int fd,
		     void (*accepted)(void *arg, int fd, const struct endpoint *from), void *arg);
/* Not from within accepted. */
void tcp_listener_free(struct tcp_listener *l);
/* The port it got, where 0 was asked for. */
uint16_t tcp_listener_port(const struct tcp_listener *l);

#endif
