/*
 * relay_worker: what runs on the relay thread: the links of all regions, the rings' other ends, one
 * timer. relay_thread is its face on the main thread; only that includes this.
 *
 * Main makes it before the thread starts, finishes and frees it after the thread has ended; in
 * between it is the thread's alone.
 */
#ifndef WARREN_RELAY_WORKER_H
#define WARREN_RELAY_WORKER_H

#include "agent/session/relay_link.h"
#include "agent/session/relay_thread.h"

struct derp_map;
struct event_base;
struct relay_worker;
struct ring;

/* Records of the two rings between the threads: one of these, and a body by its kind. */
enum relay_command_kind {
	RELAY_COMMAND_SET_MAP,
	RELAY_COMMAND_HOLD, /* body: regions, home first */
	RELAY_COMMAND_SEND, /* body: the packet */
	RELAY_COMMAND_HURRY,
	RELAY_COMMAND_DOUBT,
	RELAY_COMMAND_CHECK,
};

struct relay_command {
	enum relay_command_kind kind;
	uint32_t region;       /* SEND */
	struct public_key key; /* SEND: receiver */
	struct derp_map *map;  /* SET_MAP: the thread's from then on */
};

enum relay_news_kind { RELAY_NEWS_STATUS, RELAY_NEWS_PACKET, RELAY_NEWS_PEER_GONE };

struct relay_news {
	enum relay_news_kind kind;
	uint32_t region;
	struct public_key key; /* PACKET: sender; PEER_GONE */
	uint64_t now_us;
	struct relay_status status; /* STATUS */
};

struct relay_worker_config {
	const char *ca_file; /* or NULL */
	struct secret_key secret;
	struct ring *commands, *news;	  /* from and to main; borrowed */
	struct ring *from_lane, *to_lane; /* borrowed */
	struct relay_counters *counters;  /* borrowed */
};

enum { RELAY_HOLD_MAX = 64 };

/* -errno with one line in error. */
MUST_CHECK int relay_worker_new(const struct relay_worker_config *cfg, struct relay_worker **out,
				char error[static RELAY_THREAD_ERROR_LEN]);
void relay_worker_free(struct relay_worker *w);
/* What the thread is to run. Nothing happens on it before the thread does. */
struct event_base *relay_worker_base(struct relay_worker *w);
/* Once the thread has ended: what was sent just before, as notices to peers are, still leaves. */
void relay_worker_finish(struct relay_worker *w);

#endif
