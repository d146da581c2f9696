/*
 * history_view: the document of `warren history` (INTERFACES.md) out of what the recorder reads:
 * samples and events, oldest first. Turns structs into JSON; chooses nothing.
 *
 *	struct history_view h;
 *	history_view_init(&h, "dev.alice");
 *	recorder_read_samples(…, each: history_view_add_sample(&h, s));
 *	recorder_read_events(…, each: history_view_add_event(&h, e));
 *	local_reply(req, h.tree);     or, without PEER, history_view_join(views, n)
 */
#ifndef WARREN_HISTORY_VIEW_H
#define WARREN_HISTORY_VIEW_H

#include <stddef.h>

#include "agent/measure/event.h"
#include "agent/measure/timeline.h"
#include "common/json.h"

struct history_view {
	struct json *tree; /* the caller's, to give on or to free */
	struct json *samples, *events;
};

/* peer is the name shown. */
void history_view_init(struct history_view *h, const char *peer);
void history_view_add_sample(struct history_view *h, const struct sample *s);
void history_view_add_event(struct history_view *h, const struct event *e);

/* {"peers": […]}; takes the trees over. */
struct json *history_view_join(const struct history_view *views, size_t n);

#endif
