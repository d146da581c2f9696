/*
 * day: ten minutes of a small mesh as data: who is there, behind which networks, and what happens
 * when. Nothing here runs; town.h builds a world out of it and play.h lets the day pass.
 *
 * All of it is whole numbers, so that a day is the same after day_print and day_parse, and an event
 * can be taken out without a change to the rest.
 *
 *	seed --day_draw--> day --day_print--> text --day_parse--> day --shrink--> smaller day
 */
#ifndef WARREN_SIM_DAY_H
#define WARREN_SIM_DAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/wire.h"
#include "tests/sim/nat.h"

enum { DAY_NODES = 4, DAY_RELAYS = 2, DAY_EVENTS_MAX = 192, DAY_NAME_LEN = 16 };
enum { DAY_ERROR_LEN = 160 };
enum { DAY_WRITES_MS = 2000 }; /* for which a power cut waits for something to be written */

/* What lies between a machine and the internet. */
struct day_network {
	unsigned is_public;  /* no NAT at all; what follows of the NAT means nothing */
	unsigned is_stacked; /* the provider has one more of the same kind */
	unsigned blocks_udp;
	unsigned mapping, filtering, ports; /* enum nat_dependence twice, enum nat_ports */
	unsigned lifetime_s;		    /* of a UDP mapping */
	unsigned delay_ms, jitter_ms;	    /* one way */
	unsigned loss_permille, reorder_permille, duplicate_permille;
	unsigned burst_every_s; /* half of all is lost for a quarter of a second; 0: never */
	unsigned mtu_bytes;	/* 0: 1500 */
};

struct day_node {
	char name[DAY_NAME_LEN], owner[DAY_NAME_LEN];
	unsigned is_client;  /* a laptop, which reaches its owner's workspaces; else a workspace */
	unsigned lives_with; /* 1 + the node before it in whose home it is at home; 0: its own */
	struct day_network home, away;
};

/* What can happen. The comment says what `who` is, and what else of the event counts. */
enum day_word {
	DAY_JOIN,     /* node; anew with a fresh disk after it was revoked */
	DAY_TYPE,     /* node, to whom, amount: a keystroke each that many ms; for */
	DAY_BULK,     /* node, to whom, amount: bytes a second; for */
	DAY_TRESPASS, /* node, to whom: tries to start what policy forbids; for */
	DAY_CUT,      /* node, whom, way: UDP straight between the two; for */
	DAY_BLOCK,    /* node: its network lets no UDP pass; for */
	DAY_DARK,     /* node: its link carries nothing; for */
	DAY_REBIND,   /* node: its NAT forgets all and gives other ports */
	DAY_MOVE,     /* node: into its other network, and home again the next time */
	DAY_SLEEP,    /* node; for */
	DAY_RESTART,  /* node: SIGTERM, and started again at once */
	DAY_CRASH,    /* node: kill -9, and started again after for */
	DAY_DOWN,     /* node: `warren down`, and up again; for */
	DAY_POWER,    /* node: power gone; for */
	DAY_TORN,     /* node: power gone amid its amount-th write from then on; for */
	DAY_REVOKE,   /* node: removed by the admin */
	DAY_FORBID,   /* node, whom: the first may not start to the second but port amount; for */
	DAY_CLOCK,    /* node: its wall clock jumps; way: there forward, back backward; amount: s */
	DAY_FULL,     /* node: its disk is full; for */
	DAY_WORSE,    /* node: its link takes amount ms longer each way; for */
	DAY_LOSSY,    /* node: its link loses amount of 1000 packets; for */
	DAY_RELAY_CRASH,      /* relay; for */
	DAY_RELAY_POWER,      /* relay; for */
	DAY_RELAY_DRAIN,      /* relay: says goodbye; for */
	DAY_COORDINATOR,      /* the coordinator is killed; for */
	DAY_COORDINATOR_TERM, /* it ends orderly; for */
	DAY_COORDINATOR_TORN, /* it loses power amid its amount-th write; for */
	DAY_INTRUDE, /* node, kind: a machine that nobody knows tries to join by ...; for */
	DAY_LIE,     /* node, whom, kind: the coordinator lies about the first to the second; for */
	DAY_WORDS
};

/* What kind of intrusion: by an invitation of the node's owner that ... */
enum day_token {
	DAY_TOKEN_UNKNOWN, /* nobody made */
	DAY_TOKEN_EXPIRED, /* has run out */
	DAY_TOKEN_SPENT,   /* let the node itself in */
	DAY_TOKEN_REVOKED, /* was taken back */
	DAY_TOKENS
};

/* What kind of lie: the name comes with ... */
enum day_lie {
	DAY_LIE_KEY,	 /* another machine key */
	DAY_LIE_ADDRESS, /* addresses that another name has, too */
	DAY_LIE_SERIAL,	 /* an older key */
	DAY_LIES
};

enum day_way { DAY_BOTH, DAY_THERE, DAY_BACK, DAY_WAYS };

struct day_event {
	uint64_t at_us, for_us; /* since the day began; whole milliseconds */
	enum day_word word;
	unsigned who, whom;
	enum day_way way;
	unsigned amount; /* or which kind */
	unsigned is_v6;	 /* of traffic: its addresses */
};

struct day {
	uint64_t seed;		       /* of the dice that its links, NATs and keys throw */
	unsigned delay_ms[DAY_RELAYS]; /* of the relays, one way */
	unsigned is_plain[DAY_RELAYS]; /* the relay knows no fast start */
	unsigned coordinator_delay_ms;
	struct day_node nodes[DAY_NODES];
	struct day_event events[DAY_EVENTS_MAX]; /* in the order of their times */
	size_t n_events;
	uint64_t end_us;
};

/* ---- what an event has ---- */

enum day_field {
	DAY_HAS_NODE = 1,
	DAY_HAS_RELAY = 2,
	DAY_HAS_WHOM = 4,
	DAY_HAS_WAY = 8,
	DAY_HAS_AMOUNT = 16,
	DAY_HAS_FOR = 32,
	DAY_HAS_KIND = 64
};
unsigned day_fields(enum day_word word); /* of enum day_field */
const char *day_word_str(enum day_word word);
/* NULL: the word has no such kind. */
const char *day_kind_str(enum day_word word, unsigned kind);
/* Is it traffic, and no trouble? */
bool day_word_is_traffic(enum day_word word);
/* Is the coordinator away for a while? */
bool day_word_is_coordinator(enum day_word word);
/* Is it an attempt that no traffic may suffer from? */
bool day_word_is_unfelt(enum day_word word);

/* ---- a day's life ---- */

/* The day that a seed stands for: day_draw.c. */
void day_draw(struct day *d, uint64_t seed);
/* The part of it that has dice of its own: day_vary.c. */
void day_vary(struct day *d);
/* In its place by time. False: full. */
bool day_add(struct day *d, const struct day_event *e);
/* All events but those whose bit in `out` is set. */
void day_without(const struct day *d, const bool out[static DAY_EVENTS_MAX], struct day *result);
/* May the first start something to the second, as everybody's default policy says? */
bool day_may(const struct day *d, unsigned from, unsigned to);
/* Are both at home behind the same NAT? A node with itself is. */
bool day_share_home(const struct day *d, unsigned a, unsigned b);

/* ---- its text: day_text.c ---- */

void day_print_event(const struct day *d, const struct day_event *e, FILE *f);
void day_print(const struct day *d, FILE *f);
/* -EBADMSG, with the line in error. */
MUST_CHECK int day_parse(struct day *d, const char *text, char error[static DAY_ERROR_LEN]);

#endif
