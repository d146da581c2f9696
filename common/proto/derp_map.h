/*
 * derp_map: the relay map: which regions there are and the relays in them. The DERPMap JSON of the
 * field, into structs and back.
 *
 * Reading is strict in types and ranges and ignores fields it does not know. Which region is home
 * is not decided here.
 */
#ifndef WARREN_DERP_MAP_H
#define WARREN_DERP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/wire.h"

struct json;
struct json_error;
struct json_in;

enum {
	DERP_MAP_REGIONS_MAX = 1024,
	DERP_MAP_NODES_MAX = 32, /* of one region */
	DERP_MAP_TEXT_MAX = 1 << 20,
	DERP_NAME_LEN = 64,
	DERP_HOST_LEN = 256,
	DERP_PIN_LEN = 32 /* SHA-256 of a certificate */
};

/* How to find an address of a relay. */
enum derp_family { DERP_FAMILY_DNS, DERP_FAMILY_ADDR, DERP_FAMILY_OFF };

struct derp_node {
	char name[DERP_NAME_LEN]; /* unique in the map: "1b" */
	uint32_t region;
	char host[DERP_HOST_LEN];
	char cert_name[DERP_HOST_LEN]; /* "" = host; see derp_node_pin */
	enum derp_family v4_from, v6_from;
	struct ip_addr v4, v6;	     /* where _from is ADDR */
	uint16_t stun_port;	     /* 0 = no STUN here */
	uint16_t derp_port;	     /* 443 unless the map says otherwise */
	bool stun_only;		     /* no relay, STUN alone */
	bool insecure_for_tests;     /* certificates are not verified at all */
	bool can_port80;	     /* may be asked for /generate_204 */
	struct ip_addr stun_test_ip; /* asked instead of v4 and v6 where it is not none */
};

struct derp_region {
	uint32_t id; /* 1.. ; 0 means "none" everywhere */
	char code[DERP_NAME_LEN];
	char name[DERP_NAME_LEN * 2];
	double latitude, longitude;
	bool avoid;		 /* deprecated in the field */
	bool no_measure_no_home; /* not probed, never home, still used to reach a peer there */
	double score;		 /* multiplies latency when home is chosen; 1 unless the map says */
	struct derp_node *nodes; /* in order of preference */
	size_t n_nodes;
};

struct derp_map {
	struct derp_region *regions; /* by ascending id */
	size_t n_regions;
	bool omit_default_regions;
};

/* err says which field is wrong: -EBADMSG; -E2BIG: longer than DERP_MAP_TEXT_MAX; -ENOMEM. The
 * caller ends *out with derp_map_free. */
MUST_CHECK int derp_map_parse(const char *text, size_t len, struct derp_map **out,
			      struct json_error *err);
/* The same from a tree already parsed. */
MUST_CHECK int derp_map_from_json(const struct json_in *at, struct derp_map **out);
void derp_map_free(struct derp_map *map); /* NULL is fine */

/* A tree for json_print; json_free ends it. Defaults are left out, as the field does. */
struct json *derp_map_to_json(const struct derp_map *map);

/* One Node with RegionID, RegionCode and RegionName among its fields, as warren-relay prints and
 * `relay add` reads: a map of one region. And back: map must hold one region with one node. */
MUST_CHECK int derp_map_from_relay_json(const struct json_in *at, struct derp_map **out);
struct json *derp_map_to_relay_json(const struct derp_map *map);

const struct derp_region *derp_map_find(const struct derp_map *map, uint32_t region);
/* Whether two maps name the same relays: then no session needs to be opened anew. */
bool derp_region_equal(const struct derp_region *a, const struct derp_region *b);

/* The pin of CertName "sha256-raw:HEX": SHA-256 of the relay's certificate, DER. False where it
 * has none. */
bool derp_node_pin(const struct derp_node *node, uint8_t pin[static DERP_PIN_LEN]);

#endif
