#include "agent/local/history_view.h"

#include <math.h>

#include "agent/local/view_field.h"
#include "agent/measure/code.h"

struct json *history_view_new(const char *peer, struct json **samples, struct json **events)
{
	struct json *tree = json_object_new();

	json_add_str(tree, "peer", peer);
	*samples = json_add_array(tree, "samples");
	*events = json_add_array(tree, "events");
	return tree;
}

void history_view_add_sample(struct json *samples, const struct sample *s)
{
	struct json *item = json_append_object(samples);

	view_add_time(item, "t", s->unix_us);
	view_add_way(item, "path", &s->way);
	view_add_ms(item, "rtt_p50_ms", s->rtt_p50_us);
	view_add_ms(item, "rtt_p99_ms", s->rtt_p99_us);
	json_add_f64(item, "loss_pct", s->loss_ppm >= 0 ? s->loss_ppm / 1e4 : NAN);
	json_add_f64(item, "jitter_ms", s->rtt_p50_us ? s->jitter_us / 1e3 : NAN);
}

void history_view_add_event(struct json *events, const struct event *e)
{
	struct json *item = json_append_object(events);
	const struct code_entry *code = code_entry(e->code);
	bool is_measured_gap = e->kind == EVENT_GAP && e->end_unix_us > e->unix_us;

	view_add_time(item, "t", e->unix_us);
	view_add_time(item, "end", e->end_unix_us);
	json_add_str(item, "peer", e->peer[0] ? e->peer : NULL);
	json_add_str(item, "kind", event_kind_str(e->kind));
	json_add_str(item, "code", code->word);
	json_add_str(item, "cause", e->cause[0] ? e->cause : code->cause);
	json_add_str(item, "owner", code->owner);
	view_add_way(item, "from", &e->from);
	view_add_way(item, "to", &e->to);
	view_add_ms(item, "gap_ms", is_measured_gap ? e->end_unix_us - e->unix_us : 0);
	json_add_u64(item, "lost_packets", e->lost_packets);
	json_add_str(item, "seen_by", event_eyes_str(e->seen_by));
}
