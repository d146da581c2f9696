/*
 * watch_delivery: what comes out of a TUN was sent to just there, once, by somebody who may.
 */
#ifndef WARREN_SIM_WATCH_DELIVERY_H
#define WARREN_SIM_WATCH_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/day.h"
#include "tests/sim/expect.h"
#include "tests/sim/traffic.h"
#include "tests/sim/verdict.h"

enum { WATCH_DELIVERY_SEQS = 16384 }; /* of one flow; later ones are not told apart */

struct watch_delivery {
	const struct day *day; /* borrowed */
	/* Since when a node is no member any more; 0: it is, or never was. */
	uint64_t revoked_us[DAY_NODES];
	/* From when on nothing that the first started to the second may pass; 0: it may. */
	uint64_t forbidden_us[DAY_NODES][DAY_NODES];
	uint64_t grace_us;     /* until everybody has heard of a removal */
	uint64_t reachable_us; /* since when everybody has found the coordinator again */
	uint8_t *seen[TRAFFIC_FLOWS_MAX][2]; /* bits by seq: keys and the like, echoes */
	uint32_t sent[TRAFFIC_FLOWS_MAX][2]; /* seqs below were sent */
	uint64_t delivered[TRAFFIC_KINDS];
};

void watch_delivery_init(struct watch_delivery *w, const struct day *day, uint64_t grace_us);
void watch_delivery_wipe(struct watch_delivery *w);
void watch_delivery_on_join(struct watch_delivery *w, unsigned node);
void watch_delivery_on_revoke(struct watch_delivery *w, unsigned node, uint64_t now_us);
/* The admin takes away what the first may start to the second, and gives it back. */
void watch_delivery_on_forbid(struct watch_delivery *w, unsigned from, unsigned to,
			      const struct expect *expect, uint64_t now_us);
void watch_delivery_on_allow(struct watch_delivery *w, unsigned from, unsigned to);
/* The coordinator was gone: from since_us on everybody has found it again. */
void watch_delivery_on_outage(struct watch_delivery *w, uint64_t since_us);
void watch_delivery_on_sent(struct watch_delivery *w, const struct traffic_packet *p);
void watch_delivery_on_delivered(struct watch_delivery *w, unsigned at_node,
				 const struct traffic_packet *p, uint64_t now_us,
				 struct verdict *v);

#endif
