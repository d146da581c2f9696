/*
 * keypair: the two transport keys that one handshake yields, with their limits.
 *
 * Made by the device on the main thread, read by lanes. Keys, indices and birth never change once
 * published. The send counter is one atomic, so that lane and main may both seal. The receive
 * window belongs to the peer's lane alone. Freed by the engine, once every lane has passed a
 * quiet point (device.h, WG_RETIRED).
 *
 * Limits are those of the WireGuard paper, section 6.1.
 */
#ifndef WARREN_KEYPAIR_H
#define WARREN_KEYPAIR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/wg/replay.h"
#include "common/clock.h"
#include "common/key.h"

enum {
	REKEY_AFTER_TIME_US = 120 * US_PER_S,
	REJECT_AFTER_TIME_US = 180 * US_PER_S,
	REKEY_TIMEOUT_US = 5 * US_PER_S,
	KEEPALIVE_TIMEOUT_US = 10 * US_PER_S,
};
static const uint64_t REKEY_ATTEMPT_TIME_US = 90 * (uint64_t)US_PER_S;
static const uint64_t REKEY_AFTER_MESSAGES = UINT64_C(1) << 60;
static const uint64_t REJECT_AFTER_MESSAGES = UINT64_MAX - (UINT64_C(1) << 13);

struct keypair {
	uint32_t local_index;  /* what the peer writes into packets to us */
	uint32_t remote_index; /* what we write into packets to the peer */
	void *user;	       /* the peer's `user` of wg_device_add_peer, for lanes; borrowed */
	uint64_t birth_us;
	bool is_initiator; /* we started the handshake, so we renew it */
	struct secret_key send_key, receive_key;
	_Atomic uint64_t send_counter;	/* the next to use */
	_Atomic bool confirmed;		/* a packet was received on it, or we are the initiator */
	_Atomic bool last_minute_asked; /* keypair_renew_on_receive said yes once */
	struct replay window;		/* the lane's own */
};

/* Heap memory that is wiped when freed. NULL where there is none left. */
struct keypair *keypair_new(void);
void keypair_free(struct keypair *kp);

/* Takes the next send counter. -EKEYEXPIRED where the keypair may not send any more: too old (a
 * second before REJECT_AFTER_TIME) or used up (REJECT_AFTER_MESSAGES). Any thread. */
MUST_CHECK int keypair_take_counter(struct keypair *kp, uint64_t now_us, uint64_t *counter);

/* Takes n counters in a row, first in *counter: for a batch. Errors as above, nothing taken. */
MUST_CHECK int keypair_take_counters(struct keypair *kp, uint64_t n, uint64_t now_us,
				     uint64_t *counter);

bool keypair_can_send(const struct keypair *kp, uint64_t now_us);
bool keypair_can_receive(const struct keypair *kp, uint64_t now_us);

/* Asked by the lane after sending: true where a new handshake is due (REKEY_AFTER_MESSAGES; as the
 * initiator also REKEY_AFTER_TIME). It stays true until a new keypair is current. */
bool keypair_renew_on_send(const struct keypair *kp, uint64_t now_us);

/* Asked by the lane after receiving: true once per keypair, for the initiator, where too little
 * of its life is left for a keep-alive and a handshake after it (165 s). */
bool keypair_renew_on_receive(struct keypair *kp, uint64_t now_us);

/* To be called after each authenticated packet received on kp. True once, for a responder's first:
 * the lane then tells main (wg_device_on_first_packet). */
bool keypair_confirm(struct keypair *kp);

#endif
