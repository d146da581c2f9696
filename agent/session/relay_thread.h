/*
 * relay_thread: the node's sessions with relays (DERP clients), on a thread of their own.
 *
 * A shell around relay_session (one core a region). Bulk comes straight from the lane and goes
 * straight back to it by rings; what main sends (probes, handshakes, notices) goes first. Which
 * regions are held is main's to say; one more is opened on demand when something is sent by it, and
 * closed after 60 s without. All functions are for the main thread and all ops are called on it.
 *
 *	main --commands, packets--> relay thread --states, packets that are not transport--> main
 *	lane --engine_relay_head ring--> relay thread --engine_relay_head ring--> lane
 */
#ifndef WARREN_RELAY_THREAD_H
#define WARREN_RELAY_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/key.h"
#include "common/wire.h"

struct derp_map;
struct event_base;
struct relay_thread;
struct ring;

/* In front of each record of the two lane rings, as agent/tunnel/engine.h's engine_relay_head lays
 * it out (agent/node.c asserts that they agree). */
struct relay_ring_head {
	uint32_t region;
	uint32_t flags;
	uint64_t now_us;
	struct public_key key;
};
enum { RELAY_RING_COPY = 1 << 0, RELAY_RING_SPARSE = 1 << 1, RELAY_RING_URGENT = 1 << 2 };

enum { RELAY_REASON_LEN = 128 };

struct relay_status {
	uint32_t region;
	bool up;
	bool drains;		       /* the relay said that it restarts: leave without haste */
	bool unused;		       /* not up, since nobody needs it */
	uint32_t broken;	       /* connections by TLS that ended, ever */
	uint64_t rtt_us;	       /* of a DERP ping; 0: not measured yet */
	char reason[RELAY_REASON_LEN]; /* why it is not up: one line for people */
};

struct relay_thread_ops {
	/* A session came up, went down, drains, or was measured anew. */
	void (*on_status)(void *arg, const struct relay_status *status);
	/* Disco, or anything else that is not a WireGuard packet. */
	void (*on_packet)(void *arg, uint32_t region, const struct public_key *from,
			  const uint8_t *buf, size_t len, uint64_t now_us);
	/* PeerGone: the relay does not (any longer) have this key. */
	void (*on_peer_gone)(void *arg, uint32_t region, const struct public_key *key);
};

struct relay_thread_config {
	struct event_base *base; /* main's */
	struct secret_key node_secret;
	const char *ca_file;		  /* or NULL */
	struct ring *from_lane, *to_lane; /* borrowed; outlive the thread */
	const struct relay_thread_ops *ops;
	void *arg;
};

enum { RELAY_THREAD_ERROR_LEN = 256 };
MUST_CHECK int relay_thread_start(const struct relay_thread_config *cfg, struct relay_thread **out,
				  char error[static RELAY_THREAD_ERROR_LEN]);
/* Ends the thread and all sessions. NULL is fine. */
void relay_thread_stop(struct relay_thread *rt);

/* Copies the map. Sessions whose region did not change go on. */
void relay_thread_set_map(struct relay_thread *rt, const struct derp_map *map);
/* The regions to be held open, home first (it gets NotePreferred); n = 0 closes all. */
void relay_thread_hold(struct relay_thread *rt, const uint32_t *regions, size_t n);
/* Before everything of the lane's. Dropped (and counted) where the region is not to be had. */
void relay_thread_send(struct relay_thread *rt, uint32_t region, const struct public_key *to,
		       const uint8_t *buf, size_t len);
/* What goes by one way gets no answer: the relays that wait are dialled soon, to be another. */
void relay_thread_hurry(struct relay_thread *rt);
/* A connection to somebody else broke: the relays that stand are asked whether they do, and those
 * that wait are dialled soon, since it may not be they who failed. */
void relay_thread_doubt(struct relay_thread *rt);
/* The network changed or the machine woke: every session proves itself now (DERP ping) or is
 * dialled anew. */
void relay_thread_check(struct relay_thread *rt);

/* Packets add up, whenever none is in a ring:
 *
 *	taken_from_lane + taken_from_main == sent_packets + queued + dropped_no_session
 *		+ dropped_queue_full + dropped_copy_late
 *	received_packets == what reached the lane and on_packet + dropped_receiver_full
 */
struct relay_thread_counters {
	uint64_t taken_from_lane, taken_from_main;
	uint64_t sent_packets, sent_bytes, received_packets, received_bytes;
	uint64_t queued; /* now: for a session to come up, or behind a full connection */
	/* Nobody to give it to, and after 1 s of waiting; the oldest behind a full connection; a
	 * copy that waited for 50 ms. */
	uint64_t dropped_no_session, dropped_queue_full, dropped_copy_late;
	uint64_t dropped_receiver_full; /* came in, and the lane or main did not keep up */
	uint64_t dropped_news;		/* no packets: what main and the thread tell each other */
};
/* Any time: read without locks. */
void relay_thread_read_counters(const struct relay_thread *rt, struct relay_thread_counters *out);

#endif
