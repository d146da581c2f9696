#include "common/proto/derp_map.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/key.h"

enum { STUN_DEFAULT_PORT = 3478, DERP_DEFAULT_PORT = 443 };

/* ---- decode ---- */

static void copy_text(char *out, size_t cap, const char *text)
{
	snprintf(out, cap, "%s", text);
}

/* "" leaves it to DNS, "none" switches the family off. */
static void read_family(const struct json_in *node, const char *key, bool want_v4,
			enum derp_family *from, struct ip_addr *ip)
{
	const char *text = json_opt_str(node, key, IP_TEXT_LEN, "");
	struct ip_addr got;

	*from = DERP_FAMILY_DNS;
	if (text[0] == '\0')
		return;
	if (strcmp(text, "none") == 0) {
		*from = DERP_FAMILY_OFF;
		return;
	}
	if (ip_parse(text, &got) != 0 || ip_is_v4(&got) != want_v4) {
		struct json_in at = json_find(node, key);
		json_fail(&at, want_v4 ? "not an IPv4 address" : "not an IPv6 address");
		return;
	}
	*from = DERP_FAMILY_ADDR;
	*ip = got;
}

static void read_stun(const struct json_in *node, struct derp_node *out)
{
	int64_t port = json_opt_i64(node, "STUNPort", -1, UINT16_MAX, 0);
	const char *test_ip = json_opt_str(node, "STUNTestIP", IP_TEXT_LEN, "");

	if (port == 0)
		out->stun_port = STUN_DEFAULT_PORT;
	else if (port > 0)
		out->stun_port = (uint16_t)port;
	if (test_ip[0] && ip_parse(test_ip, &out->stun_test_ip) != 0)
		json_fail(node, "STUNTestIP is no address");
}

/* Both stand in lines of HTTP, which no text of a map may break. */
static bool is_plain(const char *text, char lowest)
{
	while (*text >= lowest && *text < 127)
		text++;
	return *text == '\0';
}

static void check_names(const struct json_in *node, const struct derp_node *out)
{
	if (out->host[0] == '\0')
		json_fail(node, "HostName is empty");
	if (!is_plain(out->host, '!') || !is_plain(out->cert_name, '!'))
		json_fail(node, "HostName or CertName is no host's name");
	if (!is_plain(out->name, ' '))
		json_fail(node, "Name is not plain text");
}

static void read_node(const struct json_in *node, uint32_t region, struct derp_node *out)
{
	copy_text(out->name, sizeof(out->name), json_str(node, "Name", DERP_NAME_LEN - 1));
	copy_text(out->host, sizeof(out->host), json_str(node, "HostName", DERP_HOST_LEN - 1));
	copy_text(out->cert_name, sizeof(out->cert_name),
		  json_opt_str(node, "CertName", DERP_HOST_LEN - 1, ""));
	check_names(node, out);
	out->region = region;
	if (json_opt_u64(node, "RegionID", 1, UINT32_MAX, region) != region)
		json_fail(node, "RegionID is not that of the region it stands in");
	read_family(node, "IPv4", true, &out->v4_from, &out->v4);
	read_family(node, "IPv6", false, &out->v6_from, &out->v6);
	read_stun(node, out);
	uint64_t port = json_opt_u64(node, "DERPPort", 0, UINT16_MAX, 0);
	out->derp_port = port ? (uint16_t)port : DERP_DEFAULT_PORT;
	out->stun_only = json_opt_bool(node, "STUNOnly", false);
	out->insecure_for_tests = json_opt_bool(node, "InsecureForTests", false);
	out->can_port80 = json_opt_bool(node, "CanPort80", false);
}

static int read_nodes(const struct json_in *nodes, struct derp_region *out)
{
	size_t n = json_count(nodes);

	if (n == 0)
		return 0;
	out->nodes = calloc(n, sizeof(*out->nodes));
	if (!out->nodes)
		return -ENOMEM;
	out->n_nodes = n;
	for (size_t i = 0; i < n; i++) {
		struct json_in node = json_item(nodes, i);
		read_node(&node, out->id, &out->nodes[i]);
	}
	return 0;
}

static void read_names(const struct json_in *region, struct derp_region *out)
{
	copy_text(out->code, sizeof(out->code),
		  json_opt_str(region, "RegionCode", DERP_NAME_LEN - 1, ""));
	copy_text(out->name, sizeof(out->name),
		  json_opt_str(region, "RegionName", sizeof(out->name) - 1, ""));
}

/* id is the region's key in the map. */
static int read_region(const struct json_in *region, uint32_t id, struct derp_region *out)
{
	if (json_opt_u64(region, "RegionID", 1, UINT32_MAX, id) != id)
		json_fail(region, "RegionID is not its key");
	out->id = id;
	out->score = 1;
	read_names(region, out);
	out->latitude = json_opt_f64(region, "Latitude", -90, 90, 0);
	out->longitude = json_opt_f64(region, "Longitude", -180, 180, 0);
	out->avoid = json_opt_bool(region, "Avoid", false);
	out->no_measure_no_home = json_opt_bool(region, "NoMeasureNoHome", false);

	struct json_in nodes = json_opt_array(region, "Nodes", DERP_MAP_NODES_MAX);
	return read_nodes(&nodes, out);
}

/* A key of the map: a decimal number as it would be printed, 1..2^32-1. 0 where it is none. */
static uint32_t parse_id(const char *key)
{
	uint64_t id = 0;

	if (key[0] < '1' || key[0] > '9' || strlen(key) > 10)
		return 0;
	for (const char *p = key; *p; p++) {
		if (*p < '0' || *p > '9')
			return 0;
		id = id * 10 + (uint64_t)(*p - '0');
	}
	return id <= UINT32_MAX ? (uint32_t)id : 0;
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct derp_region *)a)->id, y = ((const struct derp_region *)b)->id;

	return (x > y) - (x < y);
}

static int read_regions(const struct json_in *regions, struct derp_map *map)
{
	size_t n = json_count(regions);

	if (n > DERP_MAP_REGIONS_MAX) {
		json_fail(regions, "too many regions");
		return -EBADMSG;
	}
	map->regions = calloc(n ? n : 1, sizeof(*map->regions));
	if (!map->regions)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct json_in region = json_item(regions, i);
		uint32_t id = parse_id(json_name(&region));

		if (id == 0)
			json_fail(&region, "the key is no RegionID");
		int err = read_region(&region, id, &map->regions[map->n_regions++]);
		if (err)
			return err;
	}
	qsort(map->regions, map->n_regions, sizeof(*map->regions), by_id);
	for (size_t i = 1; i < map->n_regions; i++) {
		if (map->regions[i].id == map->regions[i - 1].id)
			json_fail(regions, "a RegionID stands there twice");
	}
	return 0;
}

static struct derp_region *find(const struct derp_map *map, uint32_t id)
{
	struct derp_region key = {.id = id};

	if (map->n_regions == 0)
		return NULL;
	return bsearch(&key, map->regions, map->n_regions, sizeof(*map->regions), by_id);
}

/* Scores of 0 and less are ignored, as in the field. */
static void read_scores(const struct json_in *root, struct derp_map *map)
{
	struct json_in params = json_find(root, "HomeParams");
	struct json_in scores = json_find(&params, "RegionScore");

	for (size_t i = 0; i < json_count(&scores); i++) {
		struct json_in item = json_item(&scores, i);
		struct derp_region *region = find(map, parse_id(json_name(&item)));
		double score = json_as_f64(&item, -1e9, 1e9);

		if (region && score > 0)
			region->score = score;
	}
}

static int read_map(const struct json_in *root, struct derp_map *map)
{
	struct json_in regions = json_object(root, "Regions");
	int err = read_regions(&regions, map);

	if (err)
		return err;
	read_scores(root, map);
	map->omit_default_regions = json_opt_bool(root, "omitDefaultRegions", false);
	return 0;
}

static int read_relay(const struct json_in *root, struct derp_map *map)
{
	map->regions = calloc(1, sizeof(*map->regions));
	if (!map->regions)
		return -ENOMEM;
	map->n_regions = 1;
	struct derp_region *region = map->regions;
	region->nodes = calloc(1, sizeof(*region->nodes));
	if (!region->nodes)
		return -ENOMEM;
	region->n_nodes = 1;
	region->id = (uint32_t)json_u64(root, "RegionID", 1, UINT32_MAX);
	region->score = 1;
	read_names(root, region);
	read_node(root, region->id, region->nodes);
	return 0;
}

static int from_json(const struct json_in *at,
		     int (*read)(const struct json_in *at, struct derp_map *map),
		     struct derp_map **out)
{
	struct derp_map *map = calloc(1, sizeof(*map));

	if (!map)
		return -ENOMEM;
	int err = read(at, map);
	if (!err && at->err->failed)
		err = -EBADMSG;
	if (err)
		derp_map_free(map);
	else
		*out = map;
	return err;
}

int derp_map_from_json(const struct json_in *at, struct derp_map **out)
{
	return from_json(at, read_map, out);
}

int derp_map_from_relay_json(const struct json_in *at, struct derp_map **out)
{
	return from_json(at, read_relay, out);
}

int derp_map_parse(const char *text, size_t len, struct derp_map **out, struct json_error *err)
{
	struct json *tree;
	int rc = json_parse(text, len, DERP_MAP_TEXT_MAX, &tree, err);

	if (rc)
		return rc;
	struct json_in root = json_root(tree, err);
	rc = derp_map_from_json(&root, out);
	json_free(tree);
	return rc;
}

void derp_map_free(struct derp_map *map)
{
	if (!map)
		return;
	for (size_t i = 0; i < map->n_regions; i++)
		free(map->regions[i].nodes);
	free(map->regions);
	free(map);
}

/* ---- encode ---- */

static void add_text(struct json *obj, const char *key, const char *text)
{
	if (text[0])
		json_add_str(obj, key, text);
}

static void add_flag(struct json *obj, const char *key, bool value)
{
	if (value)
		json_add_bool(obj, key, true);
}

static void add_family(struct json *obj, const char *key, enum derp_family from,
		       const struct ip_addr *ip)
{
	char text[IP_TEXT_LEN] = "none";

	if (from == DERP_FAMILY_DNS)
		return;
	if (from == DERP_FAMILY_ADDR)
		ip_str(ip, text);
	json_add_str(obj, key, text);
}

static void add_node(struct json *obj, const struct derp_node *node)
{
	char test_ip[IP_TEXT_LEN];

	json_add_str(obj, "HostName", node->host);
	add_text(obj, "CertName", node->cert_name);
	add_family(obj, "IPv4", node->v4_from, &node->v4);
	add_family(obj, "IPv6", node->v6_from, &node->v6);
	if (node->stun_port != STUN_DEFAULT_PORT)
		json_add_i64(obj, "STUNPort", node->stun_port ? node->stun_port : -1);
	add_flag(obj, "STUNOnly", node->stun_only);
	if (node->derp_port != DERP_DEFAULT_PORT)
		json_add_u64(obj, "DERPPort", node->derp_port);
	add_flag(obj, "InsecureForTests", node->insecure_for_tests);
	if (!ip_is_none(&node->stun_test_ip)) {
		ip_str(&node->stun_test_ip, test_ip);
		json_add_str(obj, "STUNTestIP", test_ip);
	}
	add_flag(obj, "CanPort80", node->can_port80);
}

static void add_region(struct json *obj, const struct derp_region *region)
{
	json_add_u64(obj, "RegionID", region->id);
	json_add_str(obj, "RegionCode", region->code);
	json_add_str(obj, "RegionName", region->name);
	if (region->latitude != 0)
		json_add_f64(obj, "Latitude", region->latitude);
	if (region->longitude != 0)
		json_add_f64(obj, "Longitude", region->longitude);
	add_flag(obj, "Avoid", region->avoid);
	add_flag(obj, "NoMeasureNoHome", region->no_measure_no_home);

	struct json *nodes = json_add_array(obj, "Nodes");
	for (size_t i = 0; i < region->n_nodes; i++) {
		struct json *node = json_append_object(nodes);
		json_add_str(node, "Name", region->nodes[i].name);
		json_add_u64(node, "RegionID", region->id);
		add_node(node, &region->nodes[i]);
	}
}

static void add_scores(struct json *obj, const struct derp_map *map)
{
	struct json *scores = NULL;

	for (size_t i = 0; i < map->n_regions; i++) {
		const struct derp_region *region = &map->regions[i];
		char key[16];

		if (region->score == 1)
			continue;
		if (!scores)
			scores = json_add_object(json_add_object(obj, "HomeParams"), "RegionScore");
		snprintf(key, sizeof(key), "%u", region->id);
		json_add_f64(scores, key, region->score);
	}
}

struct json *derp_map_to_json(const struct derp_map *map)
{
	struct json *tree = json_object_new();

	add_scores(tree, map);
	struct json *regions = json_add_object(tree, "Regions");
	for (size_t i = 0; i < map->n_regions; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%u", map->regions[i].id);
		add_region(json_add_object(regions, key), &map->regions[i]);
	}
	add_flag(tree, "omitDefaultRegions", map->omit_default_regions);
	return tree;
}

struct json *derp_map_to_relay_json(const struct derp_map *map)
{
	const struct derp_region *region = &map->regions[0];
	struct json *tree = json_object_new();

	json_add_u64(tree, "RegionID", region->id);
	json_add_str(tree, "RegionCode", region->code);
	json_add_str(tree, "RegionName", region->name);
	json_add_str(tree, "Name", region->nodes[0].name);
	add_node(tree, &region->nodes[0]);
	return tree;
}

/* ---- questions ---- */

const struct derp_region *derp_map_find(const struct derp_map *map, uint32_t region)
{
	return find(map, region);
}

static bool family_equal(enum derp_family a_from, const struct ip_addr *a, enum derp_family b_from,
			 const struct ip_addr *b)
{
	return a_from == b_from && (a_from != DERP_FAMILY_ADDR || ip_equal(a, b));
}

static bool node_equal(const struct derp_node *a, const struct derp_node *b)
{
	bool same_names = strcmp(a->name, b->name) == 0 && strcmp(a->host, b->host) == 0 &&
			  strcmp(a->cert_name, b->cert_name) == 0;
	bool same_addresses = family_equal(a->v4_from, &a->v4, b->v4_from, &b->v4) &&
			      family_equal(a->v6_from, &a->v6, b->v6_from, &b->v6) &&
			      ip_equal(&a->stun_test_ip, &b->stun_test_ip);
	bool same_ports = a->stun_port == b->stun_port && a->derp_port == b->derp_port;
	bool same_flags =
		a->stun_only == b->stun_only && a->insecure_for_tests == b->insecure_for_tests;

	return same_names && same_addresses && same_ports && same_flags;
}

bool derp_region_equal(const struct derp_region *a, const struct derp_region *b)
{
	if (a->id != b->id || a->n_nodes != b->n_nodes)
		return false;
	for (size_t i = 0; i < a->n_nodes; i++) {
		if (!node_equal(&a->nodes[i], &b->nodes[i]))
			return false;
	}
	return true;
}

bool derp_node_pin(const struct derp_node *node, uint8_t pin[static DERP_PIN_LEN])
{
	static const char prefix[] = "sha256-raw:";
	size_t n = sizeof(prefix) - 1;

	return strncmp(node->cert_name, prefix, n) == 0 &&
	       hex_decode(node->cert_name + n, pin, DERP_PIN_LEN) == 0;
}
