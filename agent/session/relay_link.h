/*
 * relay_link: the connection of one relay session: the shell around relay_session, on the relay
 * thread alone.
 *
 * Dials the region's relays, moves frames, and keeps what cannot leave yet in three bounded queues,
 * so that little waits in the connection itself: what main sends, sparse and resent packets first,
 * then bulk, then copies of what also goes directly.
 */
#ifndef WARREN_RELAY_LINK_H
#define WARREN_RELAY_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/session/relay_session.h"
#include "agent/session/relay_thread.h"

struct derp_region;
struct event_base;
struct relay_link;
struct resolver;
struct tls_context;

/* Written by the relay thread (and main for its own drops), read by anyone. */
struct relay_counters {
	_Atomic uint64_t taken_from_lane, taken_from_main;
	_Atomic uint64_t sent_packets, sent_bytes, received_packets, received_bytes, queued;
	_Atomic uint64_t dropped_no_session, dropped_queue_full, dropped_copy_late;
	_Atomic uint64_t dropped_receiver_full, dropped_news;
};

static inline void relay_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline void relay_uncount(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_sub_explicit(counter, n, memory_order_relaxed);
}

struct relay_link_ops {
	void (*on_status)(void *arg, struct relay_link *link);
	void (*on_packet)(void *arg, uint32_t region, const struct public_key *from,
			  const uint8_t *buf, size_t len, uint64_t now_us);
	void (*on_packets_end)(void *arg); /* behind one or more on_packet in a row */
	void (*on_peer_gone)(void *arg, uint32_t region, const struct public_key *key);
};

struct relay_link_env { /* borrowed by every link */
	struct event_base *base;
	struct resolver *resolver;
	struct tls_context *tls;
	const struct secret_key *secret;
	struct relay_counters *counters;
	const struct relay_link_ops *ops;
	void *arg;
};

enum relay_queue { RELAY_QUEUE_FRONT, RELAY_QUEUE_BULK, RELAY_QUEUE_COPY, RELAY_QUEUES };

/* region is borrowed until relay_link_set_region gives another. */
struct relay_link *relay_link_new(const struct relay_link_env *env,
				  const struct derp_region *region);
void relay_link_free(struct relay_link *link);
/* The region as a new map has it; another relay is dialled where it differs. */
void relay_link_set_region(struct relay_link *link, const struct derp_region *region);

uint32_t relay_link_region(const struct relay_link *link);
void relay_link_hold(struct relay_link *link, bool held, bool preferred, uint64_t now_us);
/* Sends, or queues; opens a session that is down. */
void relay_link_send(struct relay_link *link, enum relay_queue queue, const struct public_key *to,
		     const uint8_t *buf, size_t len, uint64_t now_us);
void relay_link_doubt(struct relay_link *link, uint64_t now_us);
void relay_link_check(struct relay_link *link, uint64_t now_us);
void relay_link_hurry(struct relay_link *link, uint64_t now_us);

uint64_t relay_link_deadline_us(const struct relay_link *link);
void relay_link_on_deadline(struct relay_link *link, uint64_t now_us);
/* True where it is down and nobody wants it. */
bool relay_link_is_idle(const struct relay_link *link);
void relay_link_status(const struct relay_link *link, struct relay_status *out);

#endif
