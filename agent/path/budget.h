/*
 * budget: how many probes a peer's word may make us send to addresses that never answered.
 *
 * At most 32 at once, 64 in any second and 1,000 in any hour, so that no peer can aim us at a
 * stranger. Probes to endpoints that answered before cost nothing here. One per peer.
 *
 * A twentieth of the hour's is kept for addresses that were named just now, and one more for those
 * that are news: named for the first time, or the peer was heard from there just now, or we have
 * just come into another network ourselves, or UDP gets out again. Those named before that never
 * answered would else spend what the one needs that works after a move. While UDP does not get out
 * of our network, only the peer heard from there is news.
 */
#ifndef WARREN_BUDGET_H
#define WARREN_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

enum { BUDGET_AT_ONCE = 32, BUDGET_PER_SECOND = 64, BUDGET_PER_HOUR = 1000 };

enum budget_claim { BUDGET_OLD, BUDGET_NAMED, BUDGET_NEWS };

struct budget {		      /* all zero: nothing spent */
	uint32_t spent_milli; /* thousandths of a probe, flows off at BUDGET_AT_ONCE a second */
	uint64_t spent_us;    /* as of then */
	uint64_t hour_spent_milli;
	uint64_t hour_us;
};

/* Takes one probe from the budget, or says that there is none now. claim: as above, of the address
 * that is to be probed. */
bool budget_take(struct budget *b, enum budget_claim claim, uint64_t now_us);

#endif
