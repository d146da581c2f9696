/*
 * stun_udp: the sockets of a STUN server: worker threads, each with its own SO_REUSEPORT sockets
 * and its own stun_server. Used by warren-stun, and by warren-relay beside the relay.
 */
#ifndef WARREN_STUN_UDP_H
#define WARREN_STUN_UDP_H

#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "stun/stun_server.h"

struct metric_page;
struct stun_udp;

enum { STUN_LISTEN_MAX = 8, STUN_UDP_ERROR_LEN = 160, STUN_THREADS_MAX = 64 };

struct stun_udp_config {
	struct endpoint listen[STUN_LISTEN_MAX]; /* none address: all, both families */
	size_t n_listen;
	struct endpoint alternate; /* RFC 5780 beside listen[0]; none address = without */
	unsigned threads;	   /* 0 = one per processor, 4 at most */
};

struct stun_udp_counts {
	uint64_t verdicts[STUN_VERDICTS];
	uint64_t send_errors;
};

/* Opens all sockets, then starts the threads. -errno with one line in error. */
MUST_CHECK int stun_udp_start(const struct stun_udp_config *cfg, struct stun_udp **out,
			      char error[static STUN_UDP_ERROR_LEN]);
/* Ends the threads and closes the sockets. NULL is fine. */
void stun_udp_stop(struct stun_udp *u);

/* Sums over the threads; any thread may ask. */
void stun_udp_counts(const struct stun_udp *u, struct stun_udp_counts *out);
/* warren_stun_packets_total{verdict} and warren_stun_send_errors_total. */
void stun_udp_metrics(const struct stun_udp *u, struct metric_page *page);
/* The port of listen[0], for a configured port 0. */
uint16_t stun_udp_port(const struct stun_udp *u);

#endif
