/*
 * liveness: whether one way works now, each direction proved by itself.
 *
 * Received packets prove the peer's direction only. Ours is proved by an answer: a pong, or a
 * report of the peer that it heard what we sent. A question is two probes, max(50 ms, RTT) apart;
 * both unanswered max(100 ms, 2 RTT) after the first: SUSPECT. Silent for max(1.5 s, 6 RTT): DOWN.
 * Time in which our own timer fired late is no fault of the way: liveness_forgive.
 *
 *	PROBING --proof--> UP --question unanswered, or doubt--> SUSPECT --silent--> DOWN
 *	                   ^----------------proof-------------------+-----proof-------+
 *
 * Who asks, and by which ways, is path_peer's to decide. DESIGN "How a peer is reached" 4.
 */
#ifndef WARREN_LIVENESS_H
#define WARREN_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

enum path_state { PATH_PROBING, PATH_UP, PATH_SUSPECT, PATH_DOWN, PATH_STATES };

struct liveness { /* all zero: PROBING, nothing heard */
	enum path_state state;
	uint64_t since_us;	 /* in this state */
	uint64_t proved_us;	 /* when our direction was proved last (arrival of the answer) */
	uint64_t proved_sent_us; /* and when we had sent what it answered */
	uint64_t heard_us;	 /* anything authenticated came by this way */
	uint64_t asked_us;	 /* first probe of the open question; 0: none is open */
	uint64_t asked_last_us;	 /* its last probe */
	unsigned asked;		 /* probes of it */
	uint64_t unproved_us;	 /* oldest probe since the last proof; 0: none */
	uint64_t doubt_us;	 /* when it became suspect: older answers do not clear it */
	/* What the peer reported last of our direction. */
	uint32_t reported_number, reported_data;
	uint64_t progress_us;	   /* when a report last showed something new; 0: no report yet */
	uint32_t data_at_progress; /* our count of data packets then */
	uint32_t number_at_progress;
	/* Packets that never arrive, lost long ago: only what is missing beyond them is news. */
	int32_t level;
	bool has_level;
	uint64_t rtt_us; /* bound of the RTT, for every threshold here; 0: unknown */
};

const char *path_state_str(enum path_state state);

/* Thresholds, from the measured RTT. */
uint64_t liveness_question_us(const struct liveness *l); /* max(100 ms, 2 RTT) */
uint64_t liveness_again_us(const struct liveness *l);	 /* max(50 ms, RTT) */
uint64_t liveness_report_us(const struct liveness *l);	 /* max(100 ms, RTT) */
uint64_t liveness_down_us(const struct liveness *l);	 /* max(1.5 s, 6 RTT) */

/* A probe went out; as part of a question or in its turn. */
void liveness_on_probe(struct liveness *l, uint64_t now_us);
void liveness_on_question(struct liveness *l, uint64_t now_us);
void liveness_on_heard(struct liveness *l, uint64_t now_us);
/* Something we sent at sent_us was heard by the peer. */
void liveness_on_proof(struct liveness *l, uint64_t sent_us, uint64_t now_us);
/* The peer does not hear us, or the network refused a packet. */
void liveness_on_doubt(struct liveness *l, uint64_t now_us);
/* The way is known not to work: its relay is gone, its interface went away. */
void liveness_on_loss(struct liveness *l, uint64_t now_us);
/* Nothing measured before counts any more; to be proved anew. */
void liveness_reset(struct liveness *l, uint64_t now_us);
/* Our own timer fired late by late_us. */
void liveness_forgive(struct liveness *l, uint64_t late_us, uint64_t now_us);
/* What was forgiven ahead of its time is over: from here on silence counts. */
void liveness_resume(struct liveness *l, uint64_t now_us);

/* What we sent by this way: until now, and until max(100 ms, RTT) ago. */
struct liveness_sent {
	uint32_t number, number_before; /* of our pings */
	uint32_t data, data_before;	/* data packets, by this kind of way */
	bool counts_tell; /* no copies went by another way, which the peer would not count */
};

/* A report of the peer: highest number heard of our pings on this way, data packets heard by this
 * kind of way. False where it misses what it should have heard: two packets or more. Numbers above
 * our last one say nothing (the peer sees two ways of ours as one) and are left aside. */
bool liveness_on_report(struct liveness *l, uint32_t number, uint32_t data_heard,
			const struct liveness_sent *sent, uint64_t now_us);

/* From here on counts tell again: what was sent until now is told by none. */
void liveness_recount(struct liveness *l, uint32_t data_sent);

/* Moves on where time alone decides. True where the state changed. */
bool liveness_on_deadline(struct liveness *l, uint64_t now_us);
/* When a question probe is wanted next: an unanswered probe is a question after max(100 ms, 2 RTT),
 * a question asked once is asked again. US_NEVER: nothing to ask. */
uint64_t liveness_ask_us(const struct liveness *l);
/* When liveness_on_deadline moves on, or US_NEVER. */
uint64_t liveness_deadline_us(const struct liveness *l);

#endif
