/*
 * lane: carries data between one TUN queue and the outer sockets, and nothing else.
 *
 *	TUN --outbound--> seal --> UDP | relay ring
 *	UDP | relay ring --inbound--> open --> TUN;  what is not data --ring--> main
 *
 * It works in turns, on a thread of its own (lane_thread.h). What it reads of main's is published
 * by atomic pointers and held only between two quiet points, that is within one turn. Nothing is
 * allocated here once the lane runs.
 */
#ifndef WARREN_LANE_H
#define WARREN_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/filter/filter.h"
#include "agent/tunnel/lane_peer.h"
#include "agent/tunnel/merge.h"
#include "agent/tunnel/quiet.h"
#include "agent/tunnel/udp.h"
#include "agent/wg/aead.h"
#include "agent/wg/allowed_ips.h"
#include "agent/wg/index_table.h"
#include "agent/wg/transport.h"
#include "common/net/ring.h"

/* What main publishes to all lanes of one engine. */
struct lane_view {
	struct quiet quiet;
	struct index_table *indices;
	_Atomic(struct allowed_ips_snapshot *) routes;
	_Atomic(struct udp *) udp;
	_Atomic unsigned mtu_bytes; /* the TUN's, 0: not known */
	unsigned mss_mtu_bytes;
	struct filter *filter; /* NULL: everything passes */
	struct ring *to_relay; /* NULL: no relays */
	struct mailbox to_main;
};

/* Lane to main by ring: packets that are main's, each with where it came from. */
enum lane_record_kind { RECORD_HANDSHAKE, RECORD_STUN, RECORD_DISCO, RECORD_ROAMED };

struct lane_record {
	enum lane_record_kind kind;
	struct way way;		/* region or endpoint it came from */
	struct public_key key;	/* by relay: the sender */
	struct lane_peer *peer; /* RECORD_ROAMED only; may have been removed meanwhile */
	uint64_t now_us;
};

/* 64 KB super-packets with their header, one read; what a turn seals; what a turn receives. */
enum {
	LANE_TUN_BYTES = TUN_HDR_LEN + 65536,
	LANE_OUT_BYTES = 192 * 1024,
	LANE_MESSAGE_BYTES = 65536,
	LANE_IN_MESSAGES = 4,
	LANE_IN_HEADROOM = 64,
	LANE_IN_BYTES = LANE_IN_HEADROOM + LANE_IN_MESSAGES * LANE_MESSAGE_BYTES,
};

struct outbound {
	struct transport_job jobs[TRANSPORT_BATCH_MAX];
	struct lane_peer *peers[TRANSPORT_BATCH_MAX];
	bool is_data[TRANSPORT_BATCH_MAX]; /* not a keep-alive */
	size_t n, used;
	uint8_t *bytes; /* LANE_OUT_BYTES */
};

struct inbound {
	struct transport_job jobs[TRANSPORT_BATCH_MAX];
	struct way sources[TRANSPORT_BATCH_MAX];
	size_t n, used;
	uint8_t *bytes; /* LANE_IN_BYTES */
	struct merge merge;
};

struct lane {
	struct lane_view *view; /* the engine's */
	size_t number;
	int tun_fd;
	bool tso, uso;
	struct aead *aead;
	struct mailbox mailbox;
	struct mail mail_to_lane, mail_to_main; /* about the lane itself */
	struct ring *to_main, *from_relay;	/* from_relay may be NULL */
	uint64_t now_us;			/* of this turn */
	uint64_t ticked_us;			/* the filter's last tick */
	struct lane_peer *listed;		/* peers with packets that wait */
	struct outbound out;
	struct inbound in;
	uint8_t *tun_buf;  /* LANE_TUN_BYTES */
	uint8_t *save_buf; /* main's, between LANE_SAVE and MAIN_SAVED */
	size_t save_cap, save_len;
	_Atomic uint64_t drops[DROP_REASONS];
	_Atomic uint64_t flows[ENGINE_FLOWS];
	_Atomic uint64_t waiting; /* packets in the backlogs of all peers */
	bool stops;		  /* LANE_STOP came: no turn follows */
};

/* What a turn may be for: bits 1 << n. The relay's ring is looked at in every turn. */
enum lane_source {
	LANE_ON_MAIL,
	LANE_ON_TUN,
	LANE_ON_UDP4,
	LANE_ON_UDP6,
	LANE_ON_RELAY,
	LANE_SOURCES
};

/* tun's descriptor and from_relay (may be NULL) are borrowed until lane_wipe. -ENOMEM, or
 * mailbox_open's error. */
MUST_CHECK int lane_init(struct lane *lane, struct lane_view *view, size_t number,
			 const struct tun *tun, struct ring *from_relay);
void lane_wipe(struct lane *lane);

/* From main: LANE_SAVE or LANE_STOP. */
void lane_tell(struct lane *lane, unsigned bits);
/* Takes what is ready. Returns when the next turn is due although nothing came. */
uint64_t lane_turn(struct lane *lane, unsigned ready, uint64_t now_us);

/* ---- for outbound and inbound ---- */

/* peer may be NULL. */
void lane_drop(struct lane *lane, struct lane_peer *peer, enum engine_drop reason, uint64_t n);
void lane_count(struct lane *lane, enum engine_flow flow, uint64_t n);
/* n packets left a backlog. */
void lane_count_unwaited(struct lane *lane, uint64_t n);
/* They left it as drops. */
void lane_drop_waiting(struct lane *lane, struct lane_peer *peer, enum engine_drop reason,
		       uint64_t n);
void lane_post(struct lane *lane, struct lane_peer *peer, unsigned bits);
/* At most once a second and peer. */
void lane_want_handshake(struct lane *lane, struct lane_peer *peer);
/* The peer has packets that wait: they are looked at when they are due. */
void lane_list(struct lane *lane, struct lane_peer *peer);

#endif
