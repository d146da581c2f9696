/*
 * link: what one stretch of network does to a packet: delay, jitter, loss, bursts, reordering,
 * duplication, a rate with a bounded queue, an MTU, a cut.
 *
 * A core: no world, no allocation. It has two sides that share nothing: LINK_UP leaves the machine
 * that owns the link, LINK_DOWN comes to it. Every field may be changed while it runs; packets
 * under way are as they were.
 *
 * Jitter wanders (a straight line between random points), so that it keeps the order of packets:
 * order is lost by `reorder` alone. Bursts are a Gilbert-Elliott chain in time, not in packets, so
 * that a burst takes as long for keystrokes as for a bulk copy.
 */
#ifndef WARREN_SIM_LINK_H
#define WARREN_SIM_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/random.h"

struct link_quality { /* all zero: nothing happens to a packet */
	uint64_t delay_us;
	uint64_t jitter_us;		       /* 0 … this is added */
	double loss;			       /* of single packets, 0 … 1 */
	double burst_loss;		       /* inside a burst; 0: no bursts */
	uint64_t burst_every_us, burst_len_us; /* means of the time between two, and of one */
	double reorder;			       /* this part comes reorder_us later than the rest */
	uint64_t reorder_us;
	double duplicate;
	uint64_t rate_bytes_per_s; /* 0: without limit */
	size_t queue_bytes;	   /* waiting for the rate; what doesn't fit is dropped. 0: 64 KB */
	size_t mtu_bytes;	   /* of whole IP packets; 0: 1500 */
};

enum link_side { LINK_UP, LINK_DOWN, LINK_SIDES };

enum link_verdict {
	LINK_PASSED,
	LINK_PASSED_TWICE,
	LINK_LOST,
	LINK_LOST_IN_BURST,
	LINK_CUT,
	LINK_QUEUE_FULL,
	LINK_TOO_BIG,
	LINK_VERDICTS
};

struct link_way { /* one side's state */
	struct link_quality quality;
	bool is_cut;
	struct random dice;
	uint64_t noise_seed;	 /* of the jitter's points in time */
	uint64_t free_us;	 /* when the rate has sent what it holds */
	bool in_burst;		 /* as of burst_until_us */
	uint64_t burst_until_us; /* when the chain changes next; 0: not yet started */
	uint64_t counts[LINK_VERDICTS], bytes;
};

struct link {
	struct link_way ways[LINK_SIDES];
};

/* Both sides alike. Dice: any number that no other link of the day has. */
void link_init(struct link *l, const struct link_quality *both, const struct random *dice);
void link_set_quality(struct link *l, enum link_side side, const struct link_quality *q);
void link_cut(struct link *l, enum link_side side, bool is_cut);
void link_cut_both(struct link *l, bool is_cut);

struct link_passage {
	uint64_t arrive_us, again_us; /* again_us: of the copy, LINK_PASSED_TWICE only */
};

/* A packet of len bytes (with its IP header) enters at now_us. With a rate, calls of one side must
 * come in the order of now_us; without, they may come in any. */
enum link_verdict link_pass(struct link *l, enum link_side side, size_t len, uint64_t now_us,
			    struct link_passage *out);
/* Must packets be shown to this side in the order of their times? */
bool link_needs_order(const struct link *l, enum link_side side);

const char *link_verdict_str(enum link_verdict v);

#endif
