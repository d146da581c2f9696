/*
 * probe: our pings that wait for their pong, and the peer's pings that we have answered.
 *
 * A pong counts only with the transaction id of a ping that is still open, once. A ping is answered
 * once in 10 s, whatever the ways its copies come by. Both tables are rings: the oldest entry gives
 * way. No bytes of messages here; which ids are drawn is the caller's affair.
 */
#ifndef WARREN_PROBE_H
#define WARREN_PROBE_H

#include <stdbool.h>
#include <stdint.h>

enum { PROBE_TXID_LEN = 12, PROBES_OPEN_MAX = 128, PROBES_SEEN_MAX = 256 };

struct probe {
	uint8_t txid[PROBE_TXID_LEN];
	int16_t slot;	    /* of the way it was sent by; -1: the entry is free */
	bool answered;	    /* kept, so that a report of its number can be told */
	bool settled;	    /* counted as answered or lost */
	uint32_t number;    /* on that way */
	uint32_t data_sent; /* data packets by that kind of way until then */
	bool is_counted;    /* the lanes were looked at just then, so that data_sent is exact */
	uint64_t sent_us;   /* 0: never used */
};

struct probe_table { /* all zero: none open */
	struct probe ring[PROBES_OPEN_MAX];
	unsigned next; /* probe number i is at ring[i % PROBES_OPEN_MAX] */
	unsigned first_open;
};

struct probe *probe_open(struct probe_table *t, const uint8_t txid[static PROBE_TXID_LEN], int slot,
			 uint32_t number, uint64_t now_us);
/* The open probe with this id, which is closed by this; NULL where none waits for it. */
struct probe *probe_close(struct probe_table *t, const uint8_t txid[static PROBE_TXID_LEN]);
/* Neither answered nor given up, and its way is still the same. */
bool probe_is_open(const struct probe *p);
/* The number of the oldest that is open; t->next where none is. */
unsigned probe_first_open(struct probe_table *t);
/* The probe of that number on that way, answered or not; NULL where it is too long ago. */
const struct probe *probe_find_number(const struct probe_table *t, int slot, uint32_t number);
/* The number of the last one sent on that way by until_us; 0 where it is too long ago. Numbers of a
 * way rise. */
uint32_t probe_number_until(const struct probe_table *t, int slot, uint64_t until_us);
/* The slot means another way from now on. */
void probe_forget_slot(struct probe_table *t, int slot);

struct probe_seen { /* all zero: none heard */
	struct probe_seen_entry {
		uint8_t txid[PROBE_TXID_LEN];
		uint64_t at_us; /* 0: free */
	} ring[PROBES_SEEN_MAX];
	unsigned next;
};

/* True the first time this id is heard in 10 s. */
bool probe_is_new(struct probe_seen *s, const uint8_t txid[static PROBE_TXID_LEN], uint64_t now_us);

#endif
