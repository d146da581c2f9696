/*
 * limiter: how long to leave a client's bytes unread, so that it sends no faster than allowed.
 *
 * A token bucket on what was received. Nothing is ever dropped: the reader waits, and TCP's own
 * flow control slows the sender. Rate 0 means no limit. Per client, called by the worker that reads
 * it; the limits are shared and may change at any time.
 */
#ifndef WARREN_LIMITER_H
#define WARREN_LIMITER_H

#include <stdint.h>

struct limits {
	uint64_t rate_bytes; /* per second; 0: none */
	uint64_t burst_bytes;
};

struct limiter {		/* all zero is the valid start: a full bucket */
	uint64_t paid_until_ns; /* when all that was received will have been paid off */
};

/* Limits as asked for, the burst raised so that the largest packet always fits in it. */
struct limits limits_make(uint64_t rate_bytes, uint64_t burst_bytes);

/* bytes have been read; returns until when to read no more: now_us where reading may go on. */
uint64_t limiter_on_bytes(struct limiter *l, const struct limits *limits, uint64_t bytes,
			  uint64_t now_us);

#endif
