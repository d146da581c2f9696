/*
 * kernel_tun: a simulated host's TUN, as tun.h and interface.h make it and as applications see it.
 *
 * Like a persistent one it outlives its process: addresses stay, and what is sent into it while
 * nobody reads is lost. Gone after a power cut. One a host.
 */
#ifndef WARREN_SIM_KERNEL_TUN_H
#define WARREN_SIM_KERNEL_TUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

struct host;

/* Where packets that the process writes go. Called at the host. */
void kernel_tun_watch(struct host *host,
		      void (*on_packet)(void *arg, const uint8_t *packet, size_t len), void *arg);

/* An application sends. -ENETDOWN: no TUN, or it is down; -ENETUNREACH: no route by it, or a
 * process that left holds the routes; -ENOBUFS: nobody reads, or the queue is full; -EMSGSIZE. */
int kernel_tun_send(struct host *host, const uint8_t *packet, size_t len);

/* What interface_configure set; none: nothing. */
struct ip_addr kernel_tun_v4(struct host *host);
struct ip_addr kernel_tun_v6(struct host *host);

/* The host lost power. */
void kernel_tun_remove(struct host *host);

#endif
