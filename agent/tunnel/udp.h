/*
 * udp: the lane's outer sockets, one for each family, on the same port, and batches through them.
 *
 * Sends runs of equal-length datagrams as one GSO message, falling back for good when the interface
 * refuses (EIO, EINVAL: no checksum offload on the way out); receives with GRO and cuts what came
 * back into the single datagrams. A host without IPv6 has fd6 -1, and the other way round.
 * Any thread may call udp_send; batches are the lane's.
 */
#ifndef WARREN_UDP_H
#define WARREN_UDP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/endpoint.h"
#include "common/wire.h"

enum { UDP_BUFFER_BYTES = 7 << 20, UDP_PORT_TRIES = 16 };
/* The kernel's ceilings for one GSO message. */
enum { UDP_GSO_SEGMENTS_MAX = 64, UDP_GSO_BYTES_MAX = 65000 };

struct udp {
	int fd4, fd6; /* -1: the host has not got the family */
	uint16_t port;
	bool gso4, gso6;
};

/* port 0: any that is free for both families. fwmark 0: none. -EADDRINUSE where a given port is
 * taken, -EACCES where it may not be bound, -EAFNOSUPPORT where there is no family at all. */
MUST_CHECK int udp_open(uint16_t port, uint32_t fwmark, struct udp *out);
void udp_close(struct udp *udp);
MUST_CHECK int udp_set_fwmark(const struct udp *udp, uint32_t fwmark);

/* One datagram now. -EHOSTUNREACH, -ENETUNREACH, -ECONNREFUSED and the like say what the network
 * answered; -EAFNOSUPPORT: no socket of that family. */
int udp_send(const struct udp *udp, const struct endpoint *to, const void *buf, size_t len);

/* count datagrams that lie one behind the other in buf, each segment_len long but for the last,
 * which may be shorter. Returns 0 or -errno; a partial failure of the fallback is reported too. */
int udp_send_run(struct udp *udp, const struct endpoint *to, const uint8_t *buf, size_t len,
		 size_t segment_len);

/* One received message: several datagrams of segment_len (the last may be shorter) from one sender.
 */
struct udp_received {
	uint8_t *buf;
	size_t len, segment_len;
	struct endpoint from;
};

/* Reads once into buf. -EAGAIN: nothing there. */
MUST_CHECK int udp_receive(int fd, uint8_t *buf, size_t cap, struct udp_received *out);

#endif
