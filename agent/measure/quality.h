/*
 * quality: what one way to a peer was like over a window: RTT, jitter, loss per direction.
 *
 * Filled from pongs, from lost probes and from the packet counts that both ends exchange; read and
 * emptied when the window ends. Jitter goes on over windows (RFC 3550 section 6.4.1).
 */
#ifndef WARREN_QUALITY_H
#define WARREN_QUALITY_H

#include <stdint.h>

#include "agent/measure/histogram.h"

struct quality { /* all zero: empty */
	struct histogram rtt;
	uint64_t last_rtt_us, jitter_16th_us; /* jitter in sixteenths, as the RFC computes it */
	uint32_t probes_sent, probes_answered;
	uint32_t out_sent, out_lost; /* our data packets, and those the peer did not hear */
	uint32_t in_sent, in_lost;   /* the peer's, and those we did not hear */
};

/* A window read. Rates in parts per million; -1 where nothing was sent. */
struct quality_window {
	uint32_t rtt_p50_us, rtt_p99_us, jitter_us; /* 0: nothing measured */
	int32_t loss_ppm;			    /* the worst of the three below */
	int32_t probe_loss_ppm, out_loss_ppm, in_loss_ppm;
	uint32_t probes_sent;
};

void quality_on_probe(struct quality *q);
/* A probe was answered; how long that took says nothing of the way. */
void quality_on_answer(struct quality *q);
/* A probe was answered within rtt_us. */
void quality_on_rtt(struct quality *q, uint64_t rtt_us);
void quality_on_out(struct quality *q, uint32_t sent, uint32_t lost);
void quality_on_in(struct quality *q, uint32_t sent, uint32_t lost);
/* Adds what the narrower window saw. */
void quality_merge(struct quality *q, const struct quality *from);
struct quality_window quality_read(const struct quality *q);
/* Begins the next window. Open probes stay out of it: call at a distance from probes, or take their
 * answers as the next window's. */
void quality_clear(struct quality *q);

#endif
