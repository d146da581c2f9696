/*
 * path_report: what the peer says it heard of us, and what follows from it.
 *
 * Part of path_peer, for its files only. Proves or doubts our direction of the way a report came
 * by, and counts the data packets that did not arrive. Reports that are not news are dropped.
 */
#ifndef WARREN_PATH_REPORT_H
#define WARREN_PATH_REPORT_H

#include "agent/path/path_peer.h"

/* r, which may be NULL, came by the way of that slot. False where there is nothing new in it. */
bool path_report_accept(struct path_peer *p, int slot, const struct path_report *r,
			uint64_t now_us);

/* The pong to probe says how many data packets the peer has heard: what is missing goes into the
 * way's score, and into pong once a second. */
void path_report_count_packets(struct path_peer *p, int slot, const struct probe *probe,
			       uint32_t data_heard, uint64_t now_us, struct path_pong *pong);

#endif
