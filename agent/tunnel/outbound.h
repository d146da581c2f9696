/*
 * outbound: a lane's way out: packets from the TUN are cut, looked up, judged, sealed in a batch,
 * and sent in runs of equal length by the peer's choice.
 *
 * What has no keypair or no choice waits: 64 packets a peer, one second.
 */
#ifndef WARREN_OUTBOUND_H
#define WARREN_OUTBOUND_H

#include "agent/tunnel/lane.h"

/* Reads the TUN until it is empty or a batch is full, and sends. True: there may be more. */
bool outbound_read_tun(struct lane *lane);
/* Seals and sends all that is in the batch. */
void outbound_flush(struct lane *lane);

/* What waits for the peer goes into the batch, where it can be sent now. */
void outbound_release(struct lane *lane, struct lane_peer *peer);
void outbound_keepalive(struct lane *lane, struct lane_peer *peer);
/* "Twice is once" (a). Sends at once. */
void outbound_resend(struct lane *lane, struct lane_peer *peer);
/* Drops what has waited for a second. */
void outbound_expire(struct lane *lane, struct lane_peer *peer);

#endif
