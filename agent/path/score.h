/*
 * score: how good a way is, in microseconds of delay that a user would feel; less is better.
 *
 * Smoothed RTT + jitter + a price for loss; a direct way gets a discount, since relays cost money
 * and share their fate with others. Says nothing of whether the way works now: that is liveness.
 */
#ifndef WARREN_SCORE_H
#define WARREN_SCORE_H

#include <stdbool.h>
#include <stdint.h>

struct score {			      /* all zero: nothing measured */
	uint64_t srtt_us;	      /* RFC 6298's smoothing, 1/8, more after a longer wait */
	uint64_t last_us, last_at_us; /* the last sample */
	uint64_t min_us;    /* the least of the last 10 to 20 s: what is left without queues */
	uint64_t jitter_us; /* RFC 3550 6.4.1's smoothing of differences of RTT, 1/16 and more */
	uint64_t min_new_us, min_since_us;
	uint64_t fate;		  /* bit 0: the newest of the settled probes; 1 = lost */
	unsigned fates;		  /* how many bits are valid, at most 64 */
	uint32_t packets;	  /* seen for the next, up to what it takes to judge */
	uint32_t packets_whole;	  /* since one was lost last */
	uint32_t packet_loss_ppm; /* of our data packets, as the peer's reports show; smoothed */
};

void score_on_rtt(struct score *s, uint64_t rtt_us, uint64_t now_us);
/* A probe went without an answer for good; later: how many were sent after it and have been
 * answered. In the order of their sending it shows which were lost in a row. */
void score_on_lost_probe(struct score *s, unsigned later);
/* Of sent data packets, lost did not reach the peer. */
void score_on_packets(struct score *s, uint32_t sent, uint32_t lost);
/* No data goes by the way any more: its probes alone tell. */
void score_forget_packets(struct score *s);
/* What was lost while the way did not work is told by its state, not by its score. */
void score_forget_losses(struct score *s);
/* Old measurements say nothing of the network after a move. */
void score_forget(struct score *s);

bool score_is_known(const struct score *s);
/* 0..1 of our packets where enough went by this way, else of our probes. */
double score_loss(const struct score *s);
/* RTT to set timers by: smoothed plus twice the jitter, 2 ms at least. 0: nothing was measured. */
uint64_t score_rtt_bound_us(const struct score *s);
/* The price of sending by this way. Unmeasured ways are worse than any measured one. */
uint64_t score_price_us(const struct score *s, bool is_direct);
/* Whether a is better than b by more than noise: hysteresis of a move between working ways. */
bool score_is_clearly_better(uint64_t price_a_us, uint64_t price_b_us);

#endif
