/*
 * gap: when one peer could not be reached by any way, from the last proof to the next.
 *
 * A gap belongs to a peer that has answered before: data was sent, and for more than max(250 ms,
 * 5 RTT) nothing authenticated came back by any way, or the peer's reports leave our data out. What
 * another way covered is no gap. One incident is one event, with start, end, lost packets and the
 * weightiest cause that was named while it lasted or just before. Pure; times are of both clocks,
 * since the event is for people.
 *
 *	CLOSED --data sent, nothing back too long--> OPEN --both directions proved--> CLOSED, event
 */
#ifndef WARREN_GAP_H
#define WARREN_GAP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/measure/event.h"

/* What is known of the peer now, over all ways. Times 0: never. */
struct gap_view {
	uint64_t heard_us;  /* anything authenticated came */
	uint64_t proved_us; /* an answer or a report proved that the peer hears us */
	uint64_t last_data_sent_us;
	uint32_t data_sent; /* packets, copies counted once; may wrap */
	uint64_t rtt_us;    /* of the way in use */
	struct way way;	    /* in use */
};

struct gap { /* all zero: CLOSED, the peer never answered */
	bool open;
	uint64_t heard_us, proved_us;
	uint64_t unheard_us;  /* first data sent since anything was heard; 0: none */
	uint64_t unproved_us; /* first data sent since anything was proved; 0: none */
	uint64_t start_us;
	uint64_t rtt_us;			/* when last heard, or of a quicker way since */
	uint32_t sent_at_heard, sent_at_proved; /* data_sent at the last sign of each direction */
	uint32_t sent_at_start, sent_now;	/* of the open gap */
	struct way from;
	enum code cause;
	uint64_t cause_us;
	bool peer_saw; /* the peer told us that it did not hear us */
};

/* Something happened that would explain a gap. Heavier causes beat lighter ones; old ones fade. */
void gap_on_cause(struct gap *g, enum code code, uint64_t now_us);
/* The peer says that it does not hear us. */
void gap_on_peer_saw(struct gap *g);
/* This process was away or asleep for so long: no gap of the network's. */
void gap_forgive(struct gap *g, uint64_t late_us);

/* Moves on; call it each time the peer is looked at (each 20 to 250 ms while active). True: a gap
 * ended just now and *out is its event (peer and id are the caller's to fill in). */
bool gap_step(struct gap *g, const struct gap_view *view, uint64_t now_us, uint64_t unix_us,
	      struct event *out);
/* Nobody looks at the peer any more. True: a gap was open, and is told as far as it was seen. */
bool gap_end(struct gap *g, uint64_t now_us, uint64_t unix_us, struct event *out);

#endif
