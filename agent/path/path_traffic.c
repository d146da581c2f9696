#include "agent/path/path_traffic.h"

#include "agent/path/path_send.h"
#include "agent/path/path_slot.h"

static const uint64_t mark_gap_us = 10 * US_PER_MS;
/* Packets a second above which our own traffic makes the queue that a way's RTT shows. */
static const uint64_t loaded_pps = 500;
/* A way not proved for so long is not believed when traffic begins again. */
static const uint64_t proof_old_us = 30 * US_PER_S;

uint64_t path_traffic_last_us(const struct path_traffic *t)
{
	uint64_t last_us = 0;

	for (int kind = WAY_NONE; kind <= WAY_RELAY; kind++) {
		const struct path_traffic_kind *k = &t->kind[kind];

		if (k->last_data_sent_us > last_us)
			last_us = k->last_data_sent_us;
		if (k->last_data_heard_us > last_us)
			last_us = k->last_data_heard_us;
	}
	return last_us;
}

void path_traffic_mark(struct path_peer *p, uint64_t now_us)
{
	for (int kind = WAY_DIRECT; kind <= WAY_RELAY; kind++) {
		struct traffic_marks *m = &p->marks[kind];
		const struct traffic_mark *last = &m->mark[(m->next + PATH_MARKS - 1) % PATH_MARKS];

		if (last->at_us != 0 && now_us - last->at_us < mark_gap_us)
			continue;
		m->mark[m->next % PATH_MARKS] = (struct traffic_mark){
			.at_us = now_us, .data_sent = p->traffic.kind[kind].data_sent};
		m->next = (m->next + 1) % PATH_MARKS;
	}
}

uint32_t path_traffic_sent_until(const struct path_peer *p, enum way_kind kind, uint64_t until_us,
				 uint32_t now_sent)
{
	const struct traffic_marks *m = &p->marks[kind];
	uint64_t best_us = 0, oldest_us = US_NEVER;
	uint32_t best = 0, oldest = now_sent;

	for (size_t i = 0; i < PATH_MARKS; i++) {
		uint64_t at_us = m->mark[i].at_us;

		if (at_us != 0 && at_us <= until_us && at_us > best_us) {
			best_us = at_us;
			best = m->mark[i].data_sent;
		}
		if (at_us != 0 && at_us < oldest_us) {
			oldest_us = at_us;
			oldest = m->mark[i].data_sent;
		}
	}
	return best_us != 0 ? best : oldest;
}

bool path_traffic_is_loaded(const struct path_peer *p, enum way_kind kind)
{
	const struct traffic_marks *m = &p->marks[kind];
	const struct traffic_mark *new = &m->mark[(m->next + PATH_MARKS - 1) % PATH_MARKS];
	const struct traffic_mark *old = NULL;

	for (unsigned i = 0; i < PATH_MARKS && !old; i++)
		if (m->mark[(m->next + i) % PATH_MARKS].at_us != 0)
			old = &m->mark[(m->next + i) % PATH_MARKS];
	if (!old || new->at_us <= old->at_us)
		return false;
	uint64_t packets = new->data_sent - old->data_sent;

	return packets * US_PER_S > loaded_pps * (new->at_us - old->at_us);
}

void path_traffic_on_begin(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	for (int i = 0; i < PATH_SLOTS; i++) {
		struct path *path = &p->path[i];
		bool is_old = now_us - path->live.proved_us > proof_old_us;

		if (path->live.state != PATH_UP || !is_old)
			continue;
		if (i == p->in_use && path->way.kind == WAY_DIRECT)
			liveness_on_doubt(&path->live, now_us);
		else if (i != p->in_use)
			liveness_reset(&path->live, now_us);
	}
	path_send_question(p, now_us, out);
	path_send_restart_burst(p, now_us);
	path_send_restart_calls(p, now_us);
}

/* Since when data sent by the way in use has had no echo of any kind. */
static void note_unanswered(struct path_peer *p, uint64_t now_us)
{
	const struct path *cur = &p->path[p->in_use];
	const struct path_traffic_kind *k = &p->traffic.kind[cur->way.kind];
	uint64_t heard_us = k->last_heard_us;

	if (cur->live.proved_us > heard_us)
		heard_us = cur->live.proved_us;
	if (k->last_data_sent_us <= heard_us)
		p->unanswered_us = 0;
	else if (p->unanswered_us <= heard_us)
		/* The first of them went after the last sign of life, and after the last look. */
		p->unanswered_us = heard_us > p->polled_us ? heard_us : p->polled_us;
	if (p->unanswered_us == 0 && k->last_data_sent_us > heard_us)
		p->unanswered_us = now_us;
}

void path_traffic_ask(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	struct liveness *live = &p->path[p->in_use].live;

	note_unanswered(p, now_us);
	bool is_question = p->unanswered_us != 0 && live->state == PATH_UP && live->asked == 0 &&
			   now_us - p->unanswered_us >= liveness_question_us(live) &&
			   now_us >= p->quiet_until_us;
	if (is_question)
		path_send_question(p, now_us, out);
}
