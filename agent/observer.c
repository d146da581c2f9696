#include "agent/observer.h"

static const uint64_t late_us = 50 * 1000; /* below this a timer is as punctual as timers are */

void observer_init(struct observer *o, uint32_t peer_id)
{
	*o = (struct observer){.timeline.peer_id = peer_id};
}

void observer_on_probe(struct observer *o)
{
	quality_on_probe(&o->timeline.second);
}

void observer_on_pong(struct observer *o, const struct path_pong *pong)
{
	if (pong->rtt_us != 0)
		quality_on_rtt(&o->timeline.second, pong->rtt_us);
	else
		quality_on_answer(&o->timeline.second);
	quality_on_out(&o->timeline.second, pong->out_sent, pong->out_lost);
}

void observer_on_proof(struct observer *o, uint64_t now_us)
{
	o->shook_us = now_us;
}

void observer_on_report(struct observer *o, uint64_t serial,
			const uint32_t data_heard[static OBSERVER_WAYS], uint64_t now_us)
{
	bool hears_more = false, is_first = o->report_serial == 0;

	if (serial <= o->report_serial)
		return;
	for (unsigned i = 0; i < OBSERVER_WAYS; i++) {
		if (data_heard[i] == 0)
			continue;
		hears_more = hears_more || (int32_t)(data_heard[i] - o->reported[i]) > 0;
		o->reported[i] = data_heard[i]; /* fewer: its process began anew */
	}
	o->report_serial = serial;
	if (hears_more && !is_first)
		o->reported_us = now_us;
}

void observer_on_cause(struct observer *o, enum code code, uint64_t now_us)
{
	gap_on_cause(&o->gap, code, now_us);
}

void observer_on_peer_saw(struct observer *o)
{
	gap_on_peer_saw(&o->gap);
}

void observer_on_late(struct observer *o, uint64_t by_us)
{
	if (by_us < late_us)
		return;
	timeline_on_late(&o->timeline, by_us);
	gap_forgive(&o->gap, by_us);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void observer_step(struct observer *o, const struct observer_view *v, struct observer_times at,
		   struct observer_output *out)
{
	const struct path_traffic_kind *direct = &v->traffic->kind[WAY_DIRECT];
	const struct path_traffic_kind *relay = &v->traffic->kind[WAY_RELAY];
	const struct path_traffic_kind *waiting = &v->traffic->kind[WAY_NONE];
	uint64_t proved_us = later(v->proof->proved_us, later(o->shook_us, o->reported_us));
	uint64_t data_heard_us = later(direct->last_heard_us, relay->last_heard_us);
	uint32_t sent = direct->data_sent + relay->data_sent;
	uint32_t heard = direct->data_heard + relay->data_heard;
	struct gap_view view = {
		.heard_us = later(later(data_heard_us, v->proof->heard_us), proved_us),
		.proved_us = proved_us,
		.last_data_sent_us =
			later(later(direct->last_data_sent_us, relay->last_data_sent_us),
			      waiting->last_data_sent_us),
		.data_sent = sent + waiting->data_sent,
		.rtt_us = v->in_use->rtt_us,
		.way = v->in_use->way,
	};

	out->n_samples = timeline_step(&o->timeline, v->active, &v->in_use->way, sent, heard,
				       at.now_us, at.unix_us, out->samples);
	out->has_event = gap_step(&o->gap, &view, at.now_us, at.unix_us, &out->event);
}

void observer_end(struct observer *o, struct observer_times at, struct observer_output *out)
{
	out->n_samples = 0;
	out->has_event = gap_end(&o->gap, at.now_us, at.unix_us, &out->event);
}
