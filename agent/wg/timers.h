/*
 * timers: when one peer's handshakes, keep-alives and wiping are due. WireGuard paper, section 6.
 *
 *	retry         5 s + jitter after an initiation without an answer, for 90 s; then give up
 *	keep-alive    10 s after data was received and nothing sent since
 *	new handshake 15 s + jitter after data was sent and nothing received since
 *	wipe          540 s after the last keys were made
 *	persistent    an interval of the user's after anything passed either way
 *
 * Data passes on lanes, which leave times in struct traffic and no events: so deadlines are
 * worked out from them when asked, and once more 10 s after data, in case there was news.
 */
#ifndef WARREN_TIMERS_H
#define WARREN_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wg/traffic.h"

enum { TIMERS_JITTER_MAX_US = 333 * 1000 };

struct timers {
	uint64_t initiation_sent_us; /* 0: never */
	uint64_t series_start_us;    /* since when we are trying */
	uint64_t retry_us;	     /* US_NEVER: no initiation is repeated */
	uint64_t wipe_us;	     /* US_NEVER: no keys */
	uint64_t interval_us;	     /* of the persistent keep-alive; 0: off */
	uint64_t interval_from_us;   /* counted from here, or from later traffic */
	uint64_t jitter_us;
};

enum timers_due { /* bits */
		  DUE_RETRY = 1,
		  DUE_GIVE_UP = 2,
		  DUE_NEW_HANDSHAKE = 4,
		  DUE_KEEPALIVE = 8,
		  DUE_KEEPALIVE_AGAIN =
			  16, /* beside it: start counting 10 s once more, more data had come */
		  DUE_WIPE = 32,
};

void timers_init(struct timers *t);

/* True where REKEY_TIMEOUT has passed since the last initiation. */
bool timers_retries(const struct timers *t);
bool timers_may_initiate(const struct timers *t, uint64_t now_us);

/* Someone wants a handshake: the 90 s start again. */
void timers_on_handshake_wanted(struct timers *t, uint64_t now_us);

/* jitter: random; at most TIMERS_JITTER_MAX_US of it is used. */
void timers_on_initiation_sent(struct timers *t, uint64_t now_us, uint32_t jitter);

void timers_on_keys_made(struct timers *t, uint64_t now_us);
void timers_on_handshake_complete(struct timers *t);

/* Nothing waits for an answer any more, for another reason. */
void timers_cancel_retry(struct timers *t);

/* 0: off. */
void timers_set_interval(struct timers *t, uint16_t interval_s, uint64_t now_us);

/* When timers_take_due may have something; US_NEVER. */
uint64_t timers_deadline_us(const struct timers *t, const struct traffic *traffic, uint64_t now_us);

/* What is due, each told once. The caller sends what it says and reports it back by the events. */
unsigned timers_take_due(struct timers *t, struct traffic *traffic, uint64_t now_us);

#endif
