/*
 * inbound: a lane's way in: datagrams are told apart (STUN, disco, WireGuard), data packets opened
 * in a batch, checked (replay, source, filter), merged and written to the TUN. What is not data
 * goes to main by ring.
 */
#ifndef WARREN_INBOUND_H
#define WARREN_INBOUND_H

#include "agent/tunnel/lane.h"

/* Reads the socket until it is empty or the buffers are full, and delivers. True: maybe more. */
bool inbound_read_udp(struct lane *lane, int fd);
/* The same for what the relay thread brought. */
bool inbound_read_relay(struct lane *lane);

#endif
