/*
 * ping_stats: what the probes of one `warren ping` add up to, and the lines of `ping --json`
 * (INTERFACES.md). Pure; no allocation but the JSON's.
 *
 * Percentiles are nearest-rank over the latest PING_STATS_KEPT answers; all else is over all.
 * Jitter as in RFC 3550 section 6.4.1.
 */
#ifndef WARREN_PING_STATS_H
#define WARREN_PING_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/way.h"

enum { PING_STATS_KEPT = 4096 };

struct ping_stats { /* all zero: nothing sent */
	uint32_t answered, lost;
	uint64_t min_us, max_us, sum_us;
	uint64_t last_us, jitter_16th_us; /* jitter in sixteenths, as the RFC computes it */
	bool went_direct;
	uint64_t direct_after_us;
	uint32_t kept_us[PING_STATS_KEPT]; /* a ring; longer round trips stick at 2^32 - 1 us */
};

/* A probe was answered, so long after the start of the series, by a direct way or a relay's. The
 * first direct answer is the time to direct. */
void ping_stats_on_answer(struct ping_stats *s, uint64_t rtt_us, bool direct, uint64_t after_us);
/* A probe is given up. */
void ping_stats_on_loss(struct ping_stats *s);

/* The value that permille of the kept answers do not exceed; 0 where none came. */
uint64_t ping_stats_percentile(const struct ping_stats *s, unsigned permille);

/* {"summary": {"sent", "received", …}}; figures without an answer behind them are null. */
struct json *ping_stats_json(const struct ping_stats *s);
/* One probe's line: {"seq", "path", "addr", "region", "rtt_ms"}; {"seq", "timeout": true}. */
struct json *ping_answer_json(uint32_t seq, const struct way *way, uint64_t rtt_us);
struct json *ping_timeout_json(uint32_t seq);

#endif
