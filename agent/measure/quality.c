#include "agent/measure/quality.h"

enum { MILLION = 1000 * 1000 };

static uint32_t clamp32(uint64_t v)
{
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

void quality_on_probe(struct quality *q)
{
	q->probes_sent++;
}

void quality_on_answer(struct quality *q)
{
	q->probes_answered++;
}

void quality_on_rtt(struct quality *q, uint64_t rtt_us)
{
	uint64_t last = q->last_rtt_us;

	histogram_add(&q->rtt, rtt_us);
	quality_on_answer(q);
	if (last != 0) {
		uint64_t diff = rtt_us > last ? rtt_us - last : last - rtt_us;
		/* RFC 3550 A.8, in sixteenths: J += |D| - (J + 8) / 16. */
		q->jitter_16th_us += diff;
		q->jitter_16th_us -= (q->jitter_16th_us - diff + 8) / 16;
	}
	q->last_rtt_us = rtt_us;
}

void quality_on_out(struct quality *q, uint32_t sent, uint32_t lost)
{
	q->out_sent += sent;
	q->out_lost += lost;
}

void quality_on_in(struct quality *q, uint32_t sent, uint32_t lost)
{
	q->in_sent += sent;
	q->in_lost += lost;
}

void quality_merge(struct quality *q, const struct quality *from)
{
	histogram_merge(&q->rtt, &from->rtt);
	q->last_rtt_us = from->last_rtt_us;
	q->jitter_16th_us = from->jitter_16th_us;
	q->probes_sent += from->probes_sent;
	q->probes_answered += from->probes_answered;
	quality_on_out(q, from->out_sent, from->out_lost);
	quality_on_in(q, from->in_sent, from->in_lost);
}

static int32_t share_ppm(uint32_t part, uint32_t whole)
{
	if (whole == 0)
		return -1;
	return part >= whole ? MILLION : (int32_t)((uint64_t)part * MILLION / whole);
}

struct quality_window quality_read(const struct quality *q)
{
	uint32_t unanswered =
		q->probes_sent > q->probes_answered ? q->probes_sent - q->probes_answered : 0;
	struct quality_window w = {
		.rtt_p50_us = clamp32(histogram_percentile(&q->rtt, 500)),
		.rtt_p99_us = clamp32(histogram_percentile(&q->rtt, 990)),
		.jitter_us = clamp32(q->jitter_16th_us / 16),
		.probe_loss_ppm = share_ppm(unanswered, q->probes_sent),
		.out_loss_ppm = share_ppm(q->out_lost, q->out_sent),
		.in_loss_ppm = share_ppm(q->in_lost, q->in_sent),
		.probes_sent = q->probes_sent,
	};

	w.loss_ppm = w.probe_loss_ppm;
	if (w.out_loss_ppm > w.loss_ppm)
		w.loss_ppm = w.out_loss_ppm;
	if (w.in_loss_ppm > w.loss_ppm)
		w.loss_ppm = w.in_loss_ppm;
	return w;
}

void quality_clear(struct quality *q)
{
	*q = (struct quality){.last_rtt_us = q->last_rtt_us, .jitter_16th_us = q->jitter_16th_us};
}
