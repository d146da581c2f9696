/*
 * netcheck_view: what `warren netcheck` shows, as plain structs, and its JSON (INTERFACES.md). The
 * node fills it; the all-zero struct means "nothing asked".
 */
#ifndef WARREN_NETCHECK_VIEW_H
#define WARREN_NETCHECK_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/json.h"

enum netcheck_answer { NETCHECK_NOT_ASKED, NETCHECK_NO, NETCHECK_YES };

struct netcheck_region {
	uint32_t region;
	const char *code;
	uint64_t udp_us, https_us, icmp_us; /* 0: null */
};

/* Strings are borrowed while the view lives. */
struct netcheck_view {
	enum netcheck_answer udp_v4, udp_v6;
	struct endpoint public_v4, public_v6; /* none: null */
	const char *mapping, *filtering;      /* words of RFC 4787; NULL: "unknown" */
	enum netcheck_answer hairpin, port_preserving;
	enum netcheck_answer pcp, nat_pmp, upnp;
	enum netcheck_answer captive_portal;
	uint32_t preferred_region; /* 0: null */
	const struct netcheck_region *regions;
	size_t n_regions;
};

/* A tree for local_reply. */
struct json *netcheck_view_json(const struct netcheck_view *view);

#endif
