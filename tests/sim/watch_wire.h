/*
 * watch_wire: nothing of what applications say, and no mesh address, is ever seen on the wire, TLS
 * or not.
 */
#ifndef WARREN_SIM_WATCH_WIRE_H
#define WARREN_SIM_WATCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "tests/sim/day.h"
#include "tests/sim/traffic.h"
#include "tests/sim/verdict.h"

struct watch_wire {
	const uint8_t *marker;		   /* TRAFFIC_MARKER_LEN bytes; borrowed */
	struct ip_addr mesh[2][DAY_NODES]; /* IPv4, IPv6; none: not known yet */
	uint64_t packets;
};

void watch_wire_init(struct watch_wire *w, const uint8_t *marker);
void watch_wire_on_address(struct watch_wire *w, unsigned node, const struct ip_addr *mesh);
/* A packet leaves a host. */
void watch_wire_on_packet(struct watch_wire *w, const char *sender, const struct endpoint *from,
			  const struct endpoint *to, const uint8_t *data, size_t len,
			  uint64_t now_us, struct verdict *v);

#endif
