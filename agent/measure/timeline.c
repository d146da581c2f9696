#include "agent/measure/timeline.h"

#include "common/clock.h"

static const uint64_t second_us = 1 * US_PER_S, minute_us = 60 * US_PER_S;

static uint32_t clamp32(uint64_t v)
{
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static bool has_content(const struct quality *q, uint32_t sent, uint32_t heard)
{
	return q->probes_sent > 0 || q->rtt.total > 0 || sent > 0 || heard > 0;
}

static struct sample make_sample(const struct timeline *t, enum sample_span span,
				 const struct quality *q, uint64_t unix_us)
{
	struct quality_window w = quality_read(q);
	bool is_second = span == SAMPLE_SECOND;

	return (struct sample){
		.unix_us = unix_us,
		.peer_id = t->peer_id,
		.span = span,
		.way = t->way,
		.rtt_p50_us = w.rtt_p50_us,
		.rtt_p99_us = w.rtt_p99_us,
		.jitter_us = w.jitter_us,
		.loss_ppm = w.loss_ppm,
		.data_sent = is_second ? t->second_sent : t->minute_sent,
		.data_heard = is_second ? t->second_heard : t->minute_heard,
		.late_us = is_second ? t->second_late_us : t->minute_late_us,
	};
}

/* The second goes into the minute, whether it becomes a sample or not. */
static void close_second(struct timeline *t, uint64_t now_us)
{
	quality_merge(&t->minute, &t->second);
	t->minute_sent += t->second_sent;
	t->minute_heard += t->second_heard;
	if (t->second_late_us > t->minute_late_us)
		t->minute_late_us = t->second_late_us;
	quality_clear(&t->second);
	t->second_sent = t->second_heard = t->second_late_us = 0;
	t->second_us = now_us;
}

static void close_minute(struct timeline *t, uint64_t now_us)
{
	quality_clear(&t->minute);
	t->minute_sent = t->minute_heard = t->minute_late_us = 0;
	t->minute_us = now_us;
}

unsigned timeline_step(struct timeline *t, bool active, const struct way *way, uint32_t data_sent,
		       uint32_t data_heard, uint64_t now_us, uint64_t unix_us,
		       struct sample out[static TIMELINE_SAMPLES_MAX])
{
	unsigned n = 0;

	if (t->minute_us == 0) {
		t->second_us = t->minute_us = now_us;
		t->data_sent = data_sent;
		t->data_heard = data_heard;
	}
	t->way = *way;
	t->second_sent += data_sent - t->data_sent;
	t->second_heard += data_heard - t->data_heard;
	t->data_sent = data_sent;
	t->data_heard = data_heard;
	if (now_us - t->second_us >= second_us) {
		if (active)
			out[n++] = make_sample(t, SAMPLE_SECOND, &t->second, unix_us);
		close_second(t, now_us);
	}
	if (now_us - t->minute_us >= minute_us) {
		if (has_content(&t->minute, t->minute_sent, t->minute_heard))
			out[n++] = make_sample(t, SAMPLE_MINUTE, &t->minute, unix_us);
		close_minute(t, now_us);
	}
	return n;
}

void timeline_on_late(struct timeline *t, uint64_t late_us)
{
	if (clamp32(late_us) > t->second_late_us)
		t->second_late_us = clamp32(late_us);
}

uint64_t timeline_deadline_us(const struct timeline *t, bool active)
{
	if (t->minute_us == 0)
		return US_NEVER;
	if (active)
		return t->second_us + second_us;
	bool has_open = has_content(&t->second, t->second_sent, t->second_heard) ||
			has_content(&t->minute, t->minute_sent, t->minute_heard);
	return has_open ? t->minute_us + minute_us : US_NEVER;
}
