/*
 * inner_packet: what the filter needs to know of an IP packet inside the tunnel.
 *
 * Reads headers only (RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792, RFC 4443), of either family;
 * judges nothing and keeps nothing. Fragments are told apart, since only the first has ports.
 */
#ifndef WARREN_INNER_PACKET_H
#define WARREN_INNER_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/wire.h"

enum { TCP_FLAG_FIN = 0x01, TCP_FLAG_SYN = 0x02, TCP_FLAG_RST = 0x04, TCP_FLAG_ACK = 0x10 };

/* An echo's identifier stands for the port of the side that asks; the other port is 0, so that two
 * hosts that ping each other by the same identifier are two flows. */
struct inner_tuple {
	struct ip_addr src, dst;
	uint16_t src_port, dst_port; /* 0 where the protocol has none */
	uint8_t proto;		     /* IP protocol number */
};

enum inner_kind {
	INNER_PLAIN,	  /* tuple is whole */
	INNER_ICMP_ERROR, /* about is the tuple of the packet that the error quotes */
	INNER_FRAGMENT	  /* a later fragment: no ports */
};

struct inner_packet {
	enum inner_kind kind;
	struct inner_tuple tuple;
	struct inner_tuple about;
	uint8_t tcp_flags;
	bool can_start;	     /* false for what only answers (an echo reply) */
	bool first_fragment; /* more fragments follow this one */
	uint32_t fragment_id;
	uint8_t fragment_proto; /* part of an IPv4 datagram's identity; 0 in IPv6 */
};

/* -EBADMSG: no IP packet, cut short or lying about its length; -EPROTO: IPv6 extension headers
 * that we do not follow (more than eight, a routing header). */
MUST_CHECK int inner_packet_decode(const uint8_t *pkt, size_t len, struct inner_packet *out);

#endif
