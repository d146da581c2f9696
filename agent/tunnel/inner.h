/*
 * inner: what lanes must know of a packet inside the tunnel: family, addresses, transport, length.
 *
 * Headers only; nothing behind them is looked at. IPv6 extension headers are not followed: proto is
 * then the extension's number, and such packets are carried but neither merged nor clamped.
 */
#ifndef WARREN_INNER_H
#define WARREN_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/wire.h"

enum { INNER_TCP = 6, INNER_UDP = 17 };
enum { INNER_V4_LEN = 20, INNER_V6_LEN = 40, INNER_TCP_LEN = 20, INNER_UDP_LEN = 8 };

struct inner {
	bool is_v6;
	bool is_fragment; /* IPv4 only: any fragment, the first one too */
	uint8_t proto;
	size_t header_len;	  /* of the IP header with IPv4's options */
	size_t len;		  /* of the whole packet, as its IP header says */
	size_t addr_at, addr_len; /* source, and destination behind it */
};

/* -EBADMSG: neither IPv4 nor IPv6, or cut short, or a length that lies. len may be more than the
 * packet's own (padding). */
MUST_CHECK int inner_decode(const uint8_t *pkt, size_t len, struct inner *out);

struct ip_addr inner_source(const struct inner *in, const uint8_t *pkt);
struct ip_addr inner_destination(const struct inner *in, const uint8_t *pkt);

#endif
