/*
 * traffic: the applications of a day: somebody types and waits for the echo, a copy trickles,
 * somebody tries what is forbidden.
 *
 * Every packet carries a marker that appears nowhere else, and says who sent it to whom, when and
 * as which: so that watches need no more than to look. Keystrokes are UDP or TCP segments without
 * TCP's own repetition: what is lost stays lost. The last one and its echo carry FIN.
 */
#ifndef WARREN_SIM_TRAFFIC_H
#define WARREN_SIM_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

enum { TRAFFIC_MARKER_LEN = 8, TRAFFIC_FLOWS_MAX = 192 };

enum traffic_kind { TRAFFIC_KEY, TRAFFIC_ECHO, TRAFFIC_BULK, TRAFFIC_TRESPASS, TRAFFIC_KINDS };

struct traffic_packet {
	enum traffic_kind kind;
	unsigned from, to; /* nodes */
	unsigned flow;	   /* index; an echo has its key's */
	uint32_t seq;	   /* from 0; an echo has its key's */
	uint64_t sent_us;  /* an echo has its key's */
	bool is_last;	   /* of its flow: TCP says goodbye with it */
};

struct traffic_ops {
	/* An application sends an inner packet: into the TUN of node. -errno. */
	int (*send)(void *arg, unsigned node, const uint8_t *packet, size_t len);
	/* The mesh address of a node, none before it joined. */
	struct ip_addr (*address)(void *arg, unsigned node, bool is_v6);
	/* err: of the send, 0 or -errno. */
	void (*on_sent)(void *arg, const struct traffic_packet *p, int err);
	void (*on_delivered)(void *arg, unsigned at_node, const struct traffic_packet *p);
	void (*on_ended)(void *arg, unsigned flow);
};

struct traffic;

struct traffic *traffic_new(const struct traffic_ops *ops, void *arg, uint64_t seed);
void traffic_free(struct traffic *t);
const uint8_t *traffic_marker(const struct traffic *t);

/* Sends each interval_us until until_us. flow: a number below TRAFFIC_FLOWS_MAX, another for each.
 * len: of the payload, raised to what the marker and the rest need. */
void traffic_start(struct traffic *t, unsigned flow, enum traffic_kind kind, unsigned from,
		   unsigned to, uint64_t interval_us, uint64_t until_us, size_t len, bool is_v6);
/* An inner packet came out of a TUN. False: it is none of ours. */
bool traffic_on_inner(struct traffic *t, unsigned node, const uint8_t *packet, size_t len);

#endif
