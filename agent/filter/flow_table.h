/*
 * flow_table: the flows that live, a fixed number of them, found by peer and five-tuple.
 *
 *	ONE_WAY --the other side sends--> BOTH_WAYS --RST, or FIN of both--> CLOSING
 *	   ^                                                                   |
 *	   +--------------------- its starter sends a SYN --------------------+
 *
 * Each state has its own patience. When the table is full the flow that is longest silent makes
 * room: of those that are not BOTH_WAYS first, so that a scan of ports drives out no session. No
 * policy here and no packets: the filter knows both.
 */
#ifndef WARREN_FLOW_TABLE_H
#define WARREN_FLOW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/filter/filter_rules.h"
#include "common/endpoint.h"

enum flow_state { FLOW_ONE_WAY, FLOW_BOTH_WAYS, FLOW_CLOSING, FLOW_STATES };

struct flow_key {
	struct ip_addr local, remote; /* ours and the peer's, whoever started */
	uint32_t peer_id;
	uint16_t local_port, remote_port;
	uint8_t proto; /* IP protocol number */
};

struct flow {
	struct flow_key key;
	uint64_t deadline_us; /* dead from then on */
	uint64_t generation;  /* of the rules that last allowed it; 0: none yet */
	enum flow_state state;
	enum filter_direction started;
	uint8_t fins; /* bit 1 << direction: that side has sent its FIN */

	bool used;	       /* the rest is the table's own */
	uint16_t chain;	       /* next of the same hash */
	uint16_t older, newer; /* in the list of its kind, by last use */
};

struct flow_table;

enum { FLOW_TABLE_MAX = 65534, FLOW_SEED_LEN = 16 };

/* capacity: 1 to FLOW_TABLE_MAX, brought into that range. seed keys the hash, so that no peer can
 * choose addresses and ports that collide. NULL where memory is short. */
struct flow_table *flow_table_new(size_t capacity, const uint8_t seed[static FLOW_SEED_LEN]);
void flow_table_free(struct flow_table *t);

size_t flow_table_count(const struct flow_table *t);
size_t flow_table_capacity(const struct flow_table *t);

/* How long a flow in this state may be silent. */
uint64_t flow_patience_us(uint8_t proto, enum flow_state state);

/* The flow, expired or not, or NULL. */
struct flow *flow_table_find(struct flow_table *t, const struct flow_key *key);

/* Adds a flow, ONE_WAY, which is not there yet. *evicted: another one had to go. */
struct flow *flow_table_add(struct flow_table *t, const struct flow_key *key,
			    enum filter_direction started, uint64_t now_us, bool *evicted);

/* The flow was used now: it becomes the newest of its kind and may be silent anew. */
void flow_table_touch(struct flow_table *t, struct flow *flow, enum flow_state state,
		      uint64_t now_us);

void flow_table_remove(struct flow_table *t, struct flow *flow);

/* All flows lie in slots below this: as many as there ever were at a time. */
size_t flow_table_reach(const struct flow_table *t);
/* The flow in slot i of 0 … reach - 1, or NULL where that is free. */
struct flow *flow_table_at(struct flow_table *t, size_t i);

/* Walks all flows, those that would be evicted first in front: give NULL first, then the last. */
const struct flow *flow_table_next(const struct flow_table *t, const struct flow *after);

#endif
