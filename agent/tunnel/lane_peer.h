/*
 * lane_peer: what one peer is to its lane, and what main and lane write for each other about it.
 *
 * Four parts by who writes: what main publishes (immutable behind atomic pointers, quiet.h), the
 * two mails, what the lane counts (one writer, read by anyone), and what is the lane's alone. Made
 * and freed by the engine: freed only after the lane said LEFT and every lane was quiet.
 */
#ifndef WARREN_LANE_PEER_H
#define WARREN_LANE_PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/tunnel/backlog_pair.h"
#include "agent/tunnel/choice.h"
#include "agent/tunnel/engine.h"
#include "agent/tunnel/mailbox.h"
#include "agent/tunnel/resend.h"
#include "agent/wg/keypair.h"
#include "agent/wg/traffic.h"
#include "common/key.h"

/* Main to lane, in mail_to_lane. */
enum {
	LANE_FLUSH = 1 << 0,	 /* choice or keypair is new: send what waits */
	LANE_CONFIRM = 1 << 1,	 /* the same, or a keep-alive where nothing waits */
	LANE_KEEPALIVE = 1 << 2, /* send one now */
	LANE_RESEND = 1 << 3,	 /* what was sealed last goes once more */
	LANE_GIVE_UP = 1 << 4,	 /* drop what waits */
	LANE_FORGET = 1 << 5,	 /* the keypair died: what was sealed is void */
	LANE_LEAVE = 1 << 6,	 /* the peer is removed: drop all, say LEFT, never touch it again */
	LANE_STOP = 1 << 7,	 /* to the lane itself: end the thread */
	LANE_SAVE = 1 << 8,	 /* to the lane itself: save the filter's flow table */
};

/* Lane to main, in mail_to_main. */
enum {
	MAIN_WANT_HANDSHAKE = 1 << 0,
	MAIN_FIRST_PACKET = 1 << 1, /* on the keypair of first_index */
	MAIN_TRAFFIC = 1 << 2,	    /* data after at least a second without */
	MAIN_SEND_ERROR = 1 << 3,
	MAIN_LEFT = 1 << 4,
	MAIN_SAVED = 1 << 5, /* from the lane itself */
};

enum { WAITING_HALF_BYTES = 96 * 1024, WAITING_PACKETS = 64, WAITING_US = 1000 * 1000 };

struct lane_way_counters {
	_Atomic uint64_t data_sent, data_received;
	_Atomic uint64_t last_sent_us, last_received_us;
	_Atomic uint64_t last_data_sent_us, last_data_received_us;
};

struct lane_peer {
	/* Fixed from the start. */
	struct public_key key;
	uint32_t filter_id;
	bool keeps_sealed; /* the mesh's peers have a resend ring, plain WireGuard's do not */

	/* Main's to write. */
	struct choice_slot choice;
	_Atomic(struct keypair *) keypair; /* to seal with; NULL: none */
	_Atomic uint64_t hold_until_us; /* nothing is sealed before, unless the keypair changes */

	struct mail mail_to_lane, mail_to_main;

	/* The lane's to write. */
	struct traffic traffic; /* shared with the device, which adds the handshakes */
	struct lane_way_counters way[ENGINE_WAYS];
	_Atomic uint64_t rx_bytes, tx_bytes;
	_Atomic uint64_t drops[DROP_REASONS];
	_Atomic uint32_t first_index;
	_Atomic int send_error;

	/* The lane's alone. */
	struct backlog_pair waiting;
	struct resend sealed;
	struct endpoint last_from;
	uint64_t asked_us, error_us, roamed_us; /* when main was last told */
	bool is_listed; /* in the lane's list of peers with packets that wait */
	struct lane_peer *next_listed;
};

static inline struct lane_peer *lane_peer_of_mail_to_lane(struct mail *mail)
{
	return (struct lane_peer *)(void *)((char *)mail -
					    offsetof(struct lane_peer, mail_to_lane));
}

static inline struct lane_peer *lane_peer_of_mail_to_main(struct mail *mail)
{
	return (struct lane_peer *)(void *)((char *)mail -
					    offsetof(struct lane_peer, mail_to_main));
}

/* Adds to a counter that only the calling thread writes. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void counter_set(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline uint64_t counter_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
