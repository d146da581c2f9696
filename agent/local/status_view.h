/*
 * status_view: what `warren status` shows, as plain structs, and its JSON (INTERFACES.md, "status
 * --json"). The node fills it, this turns it into a document; nothing is looked up here.
 */
#ifndef WARREN_STATUS_VIEW_H
#define WARREN_STATUS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/json.h"
#include "common/key.h"
#include "common/way.h"

/* Strings are borrowed while the view lives. Times are wall time in microseconds, 0: null. */
struct status_path {
	struct way way;
	const char *state;  /* "probing", "up", "suspect", "down"; NULL in peer.path */
	uint64_t rtt_us;    /* 0: null */
	uint64_t jitter_us; /* 0 with rtt_us 0: null */
	double loss;	    /* 0..1; negative: null */
	uint64_t since_unix_us;
	const char *why;
	const char *why_code;
};

struct status_peer {
	uint32_t id;
	const char *name, *owner, *role;
	struct ip_addr v4, v6; /* none: left out */
	struct public_key node_key;
	bool online, active;
	struct status_path path;
	const struct status_path *paths;
	size_t n_paths;
	uint64_t last_handshake_unix_us;
	uint64_t rx_bytes, tx_bytes;
};

struct status_endpoint {
	struct endpoint addr;
	const char *kind;
};

struct status_relay {
	uint32_t region;
	const char *code;
	bool connected, home;
	uint64_t rtt_us;   /* 0: null */
	const char *error; /* why it is not connected, NULL: nothing is known */
};

struct status_view {
	const char *version, *role, *state;
	uint32_t id;
	const char *name;
	struct ip_addr v4, v6;
	struct public_key node_key;
	const struct status_endpoint *endpoints;
	size_t n_endpoints;
	uint32_t home_region; /* 0: null */
	const char *coordinator_url;
	bool coordinator_connected;
	uint64_t coordinator_since_unix_us;
	const char *coordinator_error; /* NULL: null */
	const struct status_relay *relays;
	size_t n_relays;
	const struct status_peer *peers;
	size_t n_peers;
	const char *warning; /* a saved map grown old, an identity to be trusted; NULL: none */
};

/* A tree for local_reply. */
struct json *status_view_json(const struct status_view *view);

#endif
