/*
 * watch_budget: what a node may cost: probes a second, bytes while nobody types, timers, memory.
 */
#ifndef WARREN_SIM_WATCH_BUDGET_H
#define WARREN_SIM_WATCH_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/verdict.h"

enum {
	/* DESIGN, "How a peer is reached" 3: 64 a second to strangers, bursts of 32; and what asks
	 * living ways: four a second on the one in use, one on each standby, answers to as many. */
	WATCH_BUDGET_PROBES = 160,
	/* A second, after half a minute without traffic: keep-alives of three peers, what STUN and
	 * two streams need come to some 30, to 70 in a minute with a netcheck. And one search:
	 * where a keep-alive and the question after it are lost, a second of probes by every way to
	 * a peer. */
	WATCH_BUDGET_IDLE_BYTES = 100,
	WATCH_BUDGET_SEARCH_BYTES = 6000,
	WATCH_BUDGET_TIMERS = 40, /* 14 were the most in use */
	/* Four nodes, two relays, the coordinator and the world that they live in: some 30 MB. */
	WATCH_BUDGET_HEAP = 64 << 20
};

struct watch_budget {
	const char *node; /* name; borrowed */
	uint64_t second;  /* of the day, that probes are counted in */
	unsigned probes, most_probes;
	uint64_t idle_since_us; /* nobody types and nothing happens since; 0: not idle */
	uint64_t idle_bytes;
	uint64_t most_idle; /* bytes a second */
	size_t most_timers;
};

void watch_budget_init(struct watch_budget *w, const char *node);
/* The node sends a datagram; is it disco's? */
void watch_budget_on_packet(struct watch_budget *w, const uint8_t *data, size_t len, bool is_udp,
			    uint64_t now_us, struct verdict *v);
/* Traffic or trouble anywhere. */
void watch_budget_on_busy(struct watch_budget *w, uint64_t now_us, struct verdict *v);
void watch_budget_on_calm(struct watch_budget *w, uint64_t now_us);
/* Looked at now and then. */
void watch_budget_on_timers(struct watch_budget *w, size_t timers, uint64_t now_us,
			    struct verdict *v);
/* bytes: of the heap that all of them share. */
void watch_budget_on_heap(size_t bytes, uint64_t now_us, struct verdict *v);

#endif
