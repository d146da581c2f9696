/*
 * filter_rules: who may start what, as one immutable snapshot of the policy for this node.
 *
 * For each peer two lists: what the peer may start to us (in) and what we may start to it (out).
 * Main builds a snapshot from the network map, publishes it to the filters and frees the one before
 * after the lanes have passed a quiet point. Nothing here is changed once published. A peer that is
 * not in the snapshot may neither start nor continue anything.
 */
#ifndef WARREN_FILTER_RULES_H
#define WARREN_FILTER_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

enum filter_proto { FILTER_ANY, FILTER_TCP, FILTER_UDP, FILTER_ICMP };

/* Ports are those of the side that is called, both ends included. A rule for FILTER_ANY with all
 * ports (0 to 65535) covers protocols without ports too; FILTER_ICMP ignores the ports. */
struct filter_rule {
	enum filter_proto proto;
	uint16_t port_first;
	uint16_t port_last;
};

enum filter_direction { FILTER_IN, FILTER_OUT };

struct filter_rules;

/* Generation numbers tell snapshots apart: each is to be higher than the one before. */
struct filter_rules *filter_rules_new(uint64_t generation);
void filter_rules_free(struct filter_rules *rules);

/* Adds a peer's two lists (copied); before publishing only. -EEXIST where the peer is there. */
MUST_CHECK int filter_rules_add(struct filter_rules *rules, uint32_t peer_id,
				const struct filter_rule *in, size_t n_in,
				const struct filter_rule *out, size_t n_out);

uint64_t filter_rules_generation(const struct filter_rules *rules);
bool filter_rules_know(const struct filter_rules *rules, uint32_t peer_id);

/* May a flow be started in this direction? ip_proto is the IP protocol number; called_port is the
 * port of the side that is called (0 for protocols without ports). */
bool filter_rules_allow(const struct filter_rules *rules, uint32_t peer_id,
			enum filter_direction direction, uint8_t ip_proto, uint16_t called_port);

/* Reads "any", "tcp", "udp" or "icmp"; -EINVAL for another word. */
MUST_CHECK int filter_proto_parse(const char *text, enum filter_proto *out);
/* Reads "22", "8000-8100" or "*" (all ports) into the rule's ports; -EINVAL otherwise. */
MUST_CHECK int filter_ports_parse(const char *text, struct filter_rule *out);

#endif
