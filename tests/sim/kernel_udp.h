/*
 * kernel_udp: what a simulated host's lane has sent by UDP, for bounds on traffic.
 */
#ifndef WARREN_SIM_KERNEL_UDP_H
#define WARREN_SIM_KERNEL_UDP_H

#include <stdint.h>

struct host;

struct kernel_udp_counters {
	uint64_t datagrams, bytes; /* payload; those that left, whatever became of them */
};

/* Since the host was made. */
const struct kernel_udp_counters *kernel_udp_counters(struct host *host);

#endif
