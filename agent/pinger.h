/*
 * pinger: one running `warren ping`: numbered probes on the path in use, sealed by disco.
 *
 * A pure core. The caller sends when pinger_is_due says so, feeds pongs and the time, and prints
 * what comes out. A probe without a pong in PINGER_TIMEOUT_US is lost.
 */
#ifndef WARREN_PINGER_H
#define WARREN_PINGER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/proto/disco.h"
#include "common/way.h"

enum { PINGER_OPEN_MAX = 64, PINGER_TIMEOUT_US = 2 * US_PER_S };

struct pinger_probe {
	uint8_t txid[DISCO_TXID_LEN];
	uint32_t seq; /* from 1; 0: the slot is free */
	struct way way;
	uint64_t sent_us;
};

struct pinger {
	uint64_t interval_us;
	uint32_t count; /* probes to send, 0: until stopped */
	uint32_t sent;
	uint64_t next_us;
	struct pinger_probe open[PINGER_OPEN_MAX];
};

struct pinger_result {
	uint32_t seq;
	bool timeout;
	struct way way;	 /* that the probe took */
	uint64_t rtt_us; /* unless timeout */
};

/* interval_us of 10 ms at least, so that a user's -i cannot flood; count 0: no end. */
void pinger_init(struct pinger *p, uint64_t interval_us, uint32_t count, uint64_t now_us);

/* True: a probe is to be sent now. */
bool pinger_is_due(const struct pinger *p, uint64_t now_us);
/* It was sent with this txid, by this way. */
void pinger_on_sent(struct pinger *p, const uint8_t txid[static DISCO_TXID_LEN],
		    const struct way *way, uint64_t now_us);

/* True where the pong answers a probe of this pinger; it is then in *out and forgotten. */
bool pinger_on_pong(struct pinger *p, const uint8_t txid[static DISCO_TXID_LEN], uint64_t now_us,
		    struct pinger_result *out);

/* True where a probe timed out; to be called until false. */
bool pinger_expired(struct pinger *p, uint64_t now_us, struct pinger_result *out);

/* All sent, and each answered or timed out. */
bool pinger_done(const struct pinger *p);
uint64_t pinger_deadline_us(const struct pinger *p);

#endif
