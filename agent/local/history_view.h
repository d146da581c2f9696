/*
 * history_view: the document of `warren history` (INTERFACES.md) out of what the recorder reads:
 * samples and events, oldest first. Turns structs into JSON; chooses nothing.
 *
 *	struct json *samples, *events, *doc = history_view_new("dev.alice", &samples, &events);
 *	recorder_read_samples(…, each: history_view_add_sample(samples, s));
 *	recorder_read_events(…, each: history_view_add_event(events, e));
 *	local_reply(req, doc);
 */
#ifndef WARREN_HISTORY_VIEW_H
#define WARREN_HISTORY_VIEW_H

#include "agent/measure/event.h"
#include "agent/measure/timeline.h"
#include "common/json.h"

/* The document of one peer, whose name is shown; *samples and *events are parts of it to be filled.
 */
struct json *history_view_new(const char *peer, struct json **samples, struct json **events);
void history_view_add_sample(struct json *samples, const struct sample *s);
void history_view_add_event(struct json *events, const struct event *e);

#endif
