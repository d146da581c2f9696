#include "agent/local/ping_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/local/view_field.h"
#include "common/clock.h"

void ping_stats_on_answer(struct ping_stats *s, uint64_t rtt_us, bool direct, uint64_t after_us)
{
	uint64_t step_us = rtt_us > s->last_us ? rtt_us - s->last_us : s->last_us - rtt_us;

	/* RFC 3550 section 6.4.1, in sixteenths so that integers keep the fraction. */
	if (s->answered > 0)
		s->jitter_16th_us += step_us - s->jitter_16th_us / 16;
	s->last_us = rtt_us;
	s->min_us = s->answered == 0 || rtt_us < s->min_us ? rtt_us : s->min_us;
	s->max_us = rtt_us > s->max_us ? rtt_us : s->max_us;
	s->sum_us += rtt_us;
	s->kept_us[s->answered % PING_STATS_KEPT] =
		rtt_us < UINT32_MAX ? (uint32_t)rtt_us : UINT32_MAX;
	s->answered++;
	if (direct && !s->went_direct) {
		s->went_direct = true;
		s->direct_after_us = after_us;
	}
}

void ping_stats_on_loss(struct ping_stats *s)
{
	s->lost++;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

uint64_t ping_stats_percentile(const struct ping_stats *s, unsigned permille)
{
	size_t n = s->answered < PING_STATS_KEPT ? s->answered : PING_STATS_KEPT;
	uint32_t sorted[PING_STATS_KEPT];

	if (n == 0)
		return 0;
	memcpy(sorted, s->kept_us, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), by_value);
	size_t rank = (n * permille + 999) / 1000;
	return sorted[rank > 0 ? rank - 1 : 0];
}

/* Null where nothing was received: a figure needs an answer behind it. */
static void add_figure(struct json *obj, const char *key, const struct ping_stats *s, uint64_t us)
{
	json_add_f64(obj, key, s->answered ? (double)us / US_PER_MS : NAN);
}

struct json *ping_stats_json(const struct ping_stats *s)
{
	struct json *tree = json_object_new();
	struct json *summary = json_add_object(tree, "summary");
	uint64_t sent = (uint64_t)s->answered + s->lost;

	json_add_u64(summary, "sent", sent);
	json_add_u64(summary, "received", s->answered);
	json_add_f64(summary, "loss_pct", sent ? 100.0 * (double)s->lost / (double)sent : NAN);
	add_figure(summary, "min_ms", s, s->min_us);
	add_figure(summary, "avg_ms", s, s->answered ? s->sum_us / s->answered : 0);
	add_figure(summary, "p50_ms", s, ping_stats_percentile(s, 500));
	add_figure(summary, "p95_ms", s, ping_stats_percentile(s, 950));
	add_figure(summary, "p99_ms", s, ping_stats_percentile(s, 990));
	add_figure(summary, "max_ms", s, s->max_us);
	add_figure(summary, "jitter_ms", s, s->jitter_16th_us / 16);
	json_add_f64(summary, "time_to_direct_ms",
		     s->went_direct ? (double)s->direct_after_us / US_PER_MS : NAN);
	return tree;
}

struct json *ping_answer_json(uint32_t seq, const struct way *way, uint64_t rtt_us)
{
	struct json *tree = json_object_new();

	json_add_u64(tree, "seq", seq);
	json_add_str(tree, "path", view_way_kind(way));
	view_add_way_place(tree, way);
	json_add_f64(tree, "rtt_ms", (double)rtt_us / US_PER_MS);
	return tree;
}

struct json *ping_timeout_json(uint32_t seq)
{
	struct json *tree = json_object_new();

	json_add_u64(tree, "seq", seq);
	json_add_bool(tree, "timeout", true);
	return tree;
}
