/*
 * event: one line of a node's history: what happened to whom, when, for how long, why, and who can
 * do something about it. A plain struct and its words.
 */
#ifndef WARREN_EVENT_H
#define WARREN_EVENT_H

#include <stdint.h>

#include "agent/measure/code.h"
#include "common/way.h"

enum event_kind {
	EVENT_PATH,
	EVENT_GAP,
	EVENT_RELAY,
	EVENT_COORDINATOR,
	EVENT_NETWORK,
	EVENT_SLEEP,
	EVENT_DAEMON,
	EVENT_IDENTITY,
	EVENT_VERDICT,
	EVENT_KINDS
};

enum event_eyes { EVENT_SEEN_HERE, EVENT_SEEN_BY_PEER, EVENT_SEEN_BY_BOTH };

enum { EVENT_PEER_LEN = 128, EVENT_CAUSE_LEN = 224 };

struct event {
	uint64_t unix_us;     /* start */
	uint64_t end_unix_us; /* 0: a point in time, or not over */
	enum event_kind kind;
	enum code code;
	enum event_eyes seen_by;
	uint32_t peer_id; /* 0: of the node itself */
	uint32_t lost_packets;
	struct way from, to;
	char peer[EVENT_PEER_LEN];   /* NAME.OWNER; empty: of the node itself */
	char cause[EVENT_CAUSE_LEN]; /* a sentence; valid UTF-8, cut at a character's end */
};

/* "path", "gap", … and "here", "peer", "both". */
const char *event_kind_str(enum event_kind kind);
const char *event_eyes_str(enum event_eyes eyes);

/* An event with its code's own sentence; cause, if not NULL, replaces it. peer may be NULL. */
struct event event_make(enum event_kind kind, enum code code, uint32_t peer_id, const char *peer,
			const char *cause, uint64_t unix_us);

void event_set_cause(struct event *e, const char *cause);

#endif
