/*
 * way: where packets for a peer can go: straight to an endpoint, or through a relay's region.
 *
 * A plain value that path decides on, tunnel sends by and measure counts under. It says nothing of
 * whether the way works. The all-zero struct means "no way".
 */
#ifndef WARREN_WAY_H
#define WARREN_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endpoint.h"

enum way_kind { WAY_NONE, WAY_DIRECT, WAY_RELAY };

struct way {
	enum way_kind kind;
	struct endpoint addr; /* WAY_DIRECT: where packets go */
	uint32_t region;      /* WAY_RELAY: the DERP RegionID, never 0 */
};

static inline struct way way_none(void)
{
	return (struct way){.kind = WAY_NONE};
}

static inline struct way way_direct(struct endpoint addr)
{
	return (struct way){.kind = WAY_DIRECT, .addr = addr};
}

static inline struct way way_relay(uint32_t region)
{
	return (struct way){.kind = WAY_RELAY, .region = region};
}

enum { WAY_TEXT_LEN = ENDPOINT_TEXT_LEN + 8 };

bool way_equal(const struct way *a, const struct way *b);
bool way_among(const struct way *ways, size_t n, const struct way *way);
/* "direct 203.0.113.20:41641", "relay 1" or "none". */
void way_str(const struct way *way, char out[static WAY_TEXT_LEN]);

#endif
