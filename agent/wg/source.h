/*
 * source: where a handshake message came from, in the two shapes that stopping floods needs:
 * the bytes a cookie is bound to, and the network whose rate is limited.
 */
#ifndef WARREN_SOURCE_H
#define WARREN_SOURCE_H

#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"

enum { WG_SOURCE_MAX = 36 };

struct wg_source {
	uint8_t bytes[WG_SOURCE_MAX]; /* address and port, or relay region and key */
	uint8_t len;
	uint64_t network; /* IPv4: the address; IPv6: its /64; by relay: a part of the key */
};

struct wg_source wg_source_from_endpoint(const struct endpoint *ep);
/* key: the sender's, as the relay says it. */
struct wg_source wg_source_from_relay(uint32_t region, const struct public_key *key);

#endif
