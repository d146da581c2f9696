/*
 * observer: what is measured of one peer: its samples and its gaps.
 *
 * Joins measure's timeline and gap for peer.c, which tells it what passed and asks it to step while
 * the peer is active. What comes out is the recorder's. Holds no rule and no clock.
 */
#ifndef WARREN_OBSERVER_H
#define WARREN_OBSERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/measure/event.h"
#include "agent/measure/gap.h"
#include "agent/measure/timeline.h"
#include "agent/path/path_peer.h"

enum { OBSERVER_WAYS = 2 };

struct observer {
	struct timeline timeline;
	struct gap gap;
	uint64_t shook_us; /* the last handshake completed: each side heard the other */
	/* Of the peer's reports: how much of our data came to it by each kind of way. */
	uint64_t report_serial, reported_us;
	uint32_t reported[OBSERVER_WAYS];
};

struct observer_times {
	uint64_t now_us;
	uint64_t unix_us;
};

/* How the peer stands now. */
struct observer_view {
	const struct path_traffic *traffic;
	const struct path_proof *proof;
	const struct path_view *in_use;
	bool active;
};

struct observer_output {
	struct sample samples[TIMELINE_SAMPLES_MAX];
	unsigned n_samples;
	bool has_event;
	struct event event; /* a gap that ended; peer and id are the caller's to fill in */
};

void observer_init(struct observer *o, uint32_t peer_id);

void observer_on_probe(struct observer *o);
void observer_on_pong(struct observer *o, const struct path_pong *pong);
/* A handshake was completed: each side heard the other. */
void observer_on_proof(struct observer *o, uint64_t now_us);
/* The peer reports what it heard of our data, whichever way the report came by: more than before is
 * a proof. A count of 0 may be left out by the sender. Older reports than the last say nothing. */
void observer_on_report(struct observer *o, uint64_t serial,
			const uint32_t data_heard[static OBSERVER_WAYS], uint64_t now_us);
void observer_on_cause(struct observer *o, enum code code, uint64_t now_us);
void observer_on_peer_saw(struct observer *o);
/* Our own timer fired late: no fault of the network. */
void observer_on_late(struct observer *o, uint64_t late_us);

void observer_step(struct observer *o, const struct observer_view *view, struct observer_times at,
		   struct observer_output *out);
/* The last step: this process ends, or the peer is no member any more. What was going on is told as
 * far as it was seen. */
void observer_end(struct observer *o, struct observer_times at, struct observer_output *out);

#endif
