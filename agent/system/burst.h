/*
 * burst: turns a burst of events into two calls, one with the first event and one behind the last.
 *
 *	CALM --event: call--> BUSY --quiet for a while, or too long: call if more came--> CALM
 *
 * A pure core for network_watch; time is passed in. All zero is the valid start: CALM.
 */
#ifndef WARREN_BURST_H
#define WARREN_BURST_H

#include <stdbool.h>
#include <stdint.h>

struct burst {
	bool busy;
	bool more;	   /* events came after the first */
	uint64_t since_us; /* of the first event */
	uint64_t last_us;  /* of the last one */
};

/* True: call now. */
bool burst_on_event(struct burst *b, uint64_t now_us);
bool burst_on_deadline(struct burst *b, uint64_t now_us);
/* US_NEVER while CALM. */
uint64_t burst_deadline(const struct burst *b);

#endif
