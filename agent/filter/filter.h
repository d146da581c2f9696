/*
 * filter: judges every packet between the TUN and the peers, stateful, both families.
 *
 * A flow belongs to a peer and is started by one side; the rules say who may start it, the flow
 * table lets the other side answer. Without a flow, a TCP segment in the direction that policy
 * allows makes one, SYN or not, so that a restart cuts nothing; in the other direction only a known
 * flow lets it in. After a change of rules each flow is judged anew at its next packet, and
 * filter_tick removes those that nobody touches.
 *
 * One filter belongs to one lane thread, which alone calls filter_in, filter_out, filter_tick and
 * filter_save. Any thread may call filter_publish and filter_read_counters. Nothing is allocated
 * after filter_new, and time is passed in.
 */
#ifndef WARREN_FILTER_H
#define WARREN_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "agent/filter/filter_rules.h"
#include "common/wire.h"

enum filter_verdict {
	FILTER_PASS,
	FILTER_DROP_MALFORMED, /* not an IP packet, cut short, or lying about its length */
	FILTER_DROP_EXTENSION, /* IPv6: too many extension headers, or a routing header */
	FILTER_DROP_FRAGMENT,  /* a later fragment whose first one did not pass just before */
	FILTER_DROP_POLICY,    /* would start a flow that the rules do not allow */
	FILTER_DROP_NO_FLOW,   /* an answer to no known flow */
	FILTER_DROP_UNRELATED, /* an ICMP error about no known flow */
	FILTER_DROP_REVOKED,   /* a flow that the rules no longer allow */
	FILTER_DROP_PEER,      /* the rules do not know this peer */
	FILTER_VERDICTS
};

/* "pass", "malformed", …: one word for counters and metrics. */
const char *filter_verdict_str(enum filter_verdict verdict);

struct filter_counters {
	uint64_t in[FILTER_VERDICTS];
	uint64_t out[FILTER_VERDICTS];
	uint64_t flows;	  /* in the table now */
	uint64_t made;	  /* flows ever made */
	uint64_t expired; /* removed for silence */
	uint64_t evicted; /* removed to make room */
	uint64_t revoked; /* removed since the rules changed */
};

enum { FILTER_FLOWS_DEFAULT = 4096, FILTER_SEED_LEN = 16 };

struct filter;

/* seed: random bytes that key the flow table's hash. flows: capacity, at most 65,534. NULL where
 * memory is short. */
struct filter *filter_new(size_t flows, const uint8_t seed[static FILTER_SEED_LEN]);
void filter_free(struct filter *f);

/* Makes rules the ones in force and returns those that were (NULL at first): the caller frees them
 * once the lane has passed a quiet point. Before the first call every packet is dropped. */
const struct filter_rules *filter_publish(struct filter *f, const struct filter_rules *rules);

/* Judges an inner packet from the peer, and to the peer. peer_id is the node's id in the map. pkt
 * may be a GSO super-packet: only its headers are read. */
enum filter_verdict filter_in(struct filter *f, uint32_t peer_id, const uint8_t *pkt, size_t len,
			      uint64_t now_us);
enum filter_verdict filter_out(struct filter *f, uint32_t peer_id, const uint8_t *pkt, size_t len,
			       uint64_t now_us);

/* Removes flows that expired or are no longer allowed; looks at a bounded part of the table, all of
 * it within eight calls. To be called some ten times a second, or before each sleep. */
void filter_tick(struct filter *f, uint64_t now_us);

/* Rises with every flow made or removed and every change of a flow's state: a table whose number
 * has not moved need not be saved again. */
uint64_t filter_changes(const struct filter *f);

/* Bytes that filter_save needs at most. */
size_t filter_save_max(const struct filter *f);
/* The flow table as bytes, in *len. -ENOBUFS where cap is too small. */
MUST_CHECK int filter_save(const struct filter *f, uint8_t *buf, size_t cap, size_t *len,
			   uint64_t now_us);
/* Fills an empty filter's table from such bytes, before the lane starts. -EBADMSG and an empty
 * table where they are not exactly that; flows beyond the capacity are left out. */
MUST_CHECK int filter_load(struct filter *f, const uint8_t *buf, size_t len, uint64_t now_us);

void filter_read_counters(const struct filter *f, struct filter_counters *out);

#endif
