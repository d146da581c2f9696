/*
 * traffic: when a peer's packets last passed, written by its lane, read by main's timers.
 *
 * Only authenticated packets count, handshake messages among them. "Data" is what isn't a
 * keep-alive. The two "unanswered" times are 0 where nothing is unanswered; they are what the
 * passive keep-alive and the dead-peer handshake are counted from, so no event per packet needs
 * to cross threads: a lane wakes main only where traffic_on_data_* returns true
 * (data after a second without any), for wg_device_on_traffic. All zero is the valid start.
 */
#ifndef WARREN_TRAFFIC_H
#define WARREN_TRAFFIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct traffic {
	_Atomic uint64_t last_sent_us;	   /* anything: data, keep-alive, handshake */
	_Atomic uint64_t last_received_us; /* the same */
	_Atomic uint64_t last_data_sent_us;
	_Atomic uint64_t last_data_received_us;
	_Atomic uint64_t unanswered_sent_us;	 /* first data sent since anything was received */
	_Atomic uint64_t unanswered_received_us; /* first data received since anything was sent */
};

/* True where main is to be told, as a timer may have something to do and main doesn't look. */
bool traffic_on_data_sent(struct traffic *t, uint64_t now_us);
bool traffic_on_data_received(struct traffic *t, uint64_t now_us);
/* A keep-alive or a handshake message. */
void traffic_on_other_sent(struct traffic *t, uint64_t now_us);
void traffic_on_other_received(struct traffic *t, uint64_t now_us);

/* Main, after a passive keep-alive: more data had come, so the 10 s count once more. */
void traffic_rearm_keepalive(struct traffic *t, uint64_t now_us);

#endif
