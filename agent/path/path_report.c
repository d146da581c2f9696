#include "agent/path/path_report.h"

#include "agent/path/path_slot.h"
#include "agent/path/path_traffic.h"

static const uint64_t serial_window_us = 10 * US_PER_S;

/* Serials rise over all messages, but ways differ in delay: per way strictly, over all ways not
 * below what was heard 10 to 20 s ago. */
static bool is_fresh_report(struct path_peer *p, const struct path *path, uint64_t serial,
			    uint64_t now_us)
{
	if (now_us - p->serial_floor_us >= serial_window_us) {
		p->serial_floor = p->serial_mark;
		p->serial_mark = p->serial_high;
		p->serial_floor_us = now_us;
	}
	if (serial <= path->heard_serial || serial <= p->serial_floor)
		return false;
	if (serial > p->serial_high)
		p->serial_high = serial;
	return true;
}

/* Serials rise by this way, and with them the numbers of one process: a number that does not is of
 * a process that began anew. To go on telling it the old one's would say that it is not heard. */
static void note_numbers(struct path *path, uint32_t number)
{
	if (path->heard_count == 0 || number <= path->heard_high) {
		path->heard_first = path->heard_high = number;
		path->heard_count = 1;
		return;
	}
	path->heard_count++;
	path->heard_high = number;
}

bool path_report_accept(struct path_peer *p, int slot, const struct path_report *r, uint64_t now_us)
{
	struct path *path = &p->path[slot];

	if (!r)
		return false;
	if (!is_fresh_report(p, path, r->serial, now_us)) {
		p->drops[PATH_DROP_STALE_REPORT]++;
		return false;
	}
	path->heard_serial = r->serial;
	if (r->number != 0)
		note_numbers(path, r->number);

	uint64_t before_us = now_us - liveness_report_us(&path->live);
	uint32_t data_sent = p->traffic.kind[path->way.kind].data_sent;
	const struct liveness_sent sent = {
		.number = path->number,
		.number_before = probe_number_until(&p->probes, slot, before_us),
		.data = data_sent,
		.data_before = path_traffic_sent_until(p, path->way.kind, before_us, data_sent),
		.counts_tell = now_us >= p->alone_us,
	};
	uint32_t reported = path->live.reported_number;
	bool hears_us = liveness_on_report(&path->live, r->heard, r->data_heard, &sent, now_us);

	/* A way becomes one by an answer of its own only: the peer counts by the address it saw,
	 * and who carries its packet may have put any address on it. */
	bool was_answered = path->live.state == PATH_UP || path->live.state == PATH_SUSPECT;
	if (was_answered && hears_us && path->live.reported_number != reported) {
		const struct probe *probe = probe_find_number(&p->probes, slot, r->heard);
		if (probe)
			path_slot_on_proof(path, probe->sent_us, now_us);
	}
	if (!hears_us && slot == p->in_use && now_us >= p->quiet_until_us)
		liveness_on_doubt(&path->live, now_us);
	return true;
}

static void close_second(struct path_deficit *d, uint32_t sent, struct path_pong *pong)
{
	int32_t lost = d->least - d->counted;

	if (!d->is_first) {
		pong->out_sent = sent - d->sent;
		pong->out_lost = lost > 0 ? (uint32_t)lost : 0;
	}
	if (d->is_first || lost > 0)
		d->counted = d->least;
	d->is_first = false;
	d->sent = sent;
}

void path_report_count_packets(struct path_peer *p, int slot, const struct probe *probe,
			       uint32_t data_heard, uint64_t now_us, struct path_pong *pong)
{
	struct path *path = &p->path[slot];
	struct path_deficit *d = &path->deficit;
	bool is_alone =
		slot == p->in_use && probe->sent_us > p->alone_us && path->live.state == PATH_UP;

	/* A peer that began anew hears nothing before its first handshake, by whatever way. */
	if (!is_alone || data_heard == 0) {
		d->since_us = 0;
		return;
	}
	/* Packets that the lanes sent since the last look would seem to arrive before they went,
	 * and to be missing ever after. */
	if (!probe->is_counted)
		return;
	if (d->since_us == 0 || (int32_t)(data_heard - d->heard) < 0)
		*d = (struct path_deficit){.since_us = now_us,
					   .base_sent = probe->data_sent,
					   .base_heard = data_heard,
					   .is_first = true};
	d->heard = data_heard;
	uint32_t sent = probe->data_sent - d->base_sent;
	int32_t missing = (int32_t)(sent - (data_heard - d->base_heard));

	if (missing < d->least)
		d->least = missing;
	if (now_us - d->since_us < US_PER_S)
		return;
	close_second(d, sent, pong);
	score_on_packets(&path->score, pong->out_sent, pong->out_lost);
	d->since_us = now_us;
	d->least = missing;
}
