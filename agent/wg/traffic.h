/*
 * traffic: when a peer's packets last passed, written by its lane, read by main's timers.
 *
 * Only authenticated packets count, handshake messages among them. "Data" is what isn't a
 * keep-alive. The two "unanswered" times are 0 where nothing is unanswered; they are what the
 * passive keep-alive and the dead-peer handshake are counted from, so no event per packet needs
 * to cross threads: a lane wakes main only where traffic_* returns true (a time left 0), at most
 * once a second and peer (wg_device_on_traffic). All zero is the valid start.
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

/* All return true where main is to be told, since a timer may now have something to do. */
bool traffic_on_data_sent(struct traffic *t, uint64_t now_us);
bool traffic_on_data_received(struct traffic *t, uint64_t now_us);
/* A keep-alive or a handshake message. */
void traffic_on_other_sent(struct traffic *t, uint64_t now_us);
void traffic_on_other_received(struct traffic *t, uint64_t now_us);

#endif
