/*
 * timeline: one peer's samples over time: each second while active, and each minute in which
 * anything was measured.
 *
 * A pure core that keeps the open second and the open minute only; what it emits is the recorder's
 * to keep. A sample names the way that was in use at its end.
 */
#ifndef WARREN_TIMELINE_H
#define WARREN_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/measure/quality.h"
#include "common/way.h"

enum sample_span { SAMPLE_SECOND, SAMPLE_MINUTE };

struct sample {
	uint64_t unix_us; /* end of the window, wall time */
	uint32_t peer_id;
	enum sample_span span;
	struct way way;
	uint32_t rtt_p50_us, rtt_p99_us, jitter_us; /* 0: nothing measured */
	int32_t loss_ppm;			    /* -1: nothing sent */
	uint32_t data_sent, data_heard;		    /* packets in the window */
	uint32_t late_us; /* our own worst scheduling delay in the window */
};

struct timeline { /* all zero but peer_id: a valid start */
	uint32_t peer_id;
	struct quality second, minute;
	struct way way;
	uint64_t second_us, minute_us;	/* when the open windows began, 0: none is open */
	uint32_t data_sent, data_heard; /* totals at the last step */
	uint32_t second_sent, second_heard, minute_sent, minute_heard;
	uint32_t second_late_us, minute_late_us;
};

enum { TIMELINE_SAMPLES_MAX = 2 };

/* Measurements go to timeline->second; this moves time on. Call at least once a second while the
 * peer is active, and once more after. data_sent and data_heard are running totals. Returns how
 * many samples it put into out. */
unsigned timeline_step(struct timeline *t, bool active, const struct way *way, uint32_t data_sent,
		       uint32_t data_heard, uint64_t now_us, uint64_t unix_us,
		       struct sample out[static TIMELINE_SAMPLES_MAX]);
/* A timer of ours fired this late. */
void timeline_on_late(struct timeline *t, uint64_t late_us);
/* When the next window ends that may become a sample, or US_NEVER. */
uint64_t timeline_deadline_us(const struct timeline *t, bool active);

#endif
