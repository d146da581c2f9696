#include "agent/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/state_record.h"
#include "common/statefile.h"

enum {
	SMALL_MAX = 16 << 10,
	MAP_MAX = 32 << 20,
	RELAYS_MAX = 1 << 20,
	TRUST_MAX = 16 << 20,
	FLOWS_MAX = 8 << 20,
};

void state_path(const struct state *s, const char *name, char out[static STATE_PATH_LEN])
{
	int len = snprintf(out, STATE_PATH_LEN, "%s/%s", s->dir, name);

	if (len >= STATE_PATH_LEN) /* state_open has checked that there is room for every name */
		abort();
}

int state_open(struct state *s, const char *dir)
{
	s->saver = NULL;
	if (strlen(dir) > STATE_PATH_LEN - 32) {
		snprintf(s->error, sizeof(s->error), "state directory: path too long");
		return -ENAMETOOLONG;
	}
	snprintf(s->dir, sizeof(s->dir), "%s", dir);

	int err = statefile_make_dir(dir);
	if (err != 0)
		snprintf(s->error, sizeof(s->error),
			 "cannot make the state directory %s: %s; choose another with --state-dir",
			 dir, strerror(-err));
	return err;
}

/* ---- reserve ---- */

int state_load_reserve(struct state *s, struct state_reserve *out)
{
	struct json_error err = {0};
	struct json *tree;
	int rc = state_record_load(s, "reserve.json", SMALL_MAX, &tree, &err);

	if (rc != 0)
		return rc;
	struct json_in root = json_root(tree, &err);
	out->tai_unix_us = json_u64(&root, "tai_unix_us", 0, control_number_max);
	out->serial = json_u64(&root, "serial", 0, control_number_max);
	return state_record_finish(s, "reserve.json", tree, &err);
}

int state_save_reserve(struct state *s, const struct state_reserve *reserve)
{
	struct json *root = json_object_new();

	json_add_u64(root, "tai_unix_us", reserve->tai_unix_us);
	json_add_u64(root, "serial", reserve->serial);
	return state_record_save(s, "reserve.json", root);
}

/* ---- the end of the process before us ---- */

uint64_t state_load_stopped(struct state *s)
{
	struct json_error err = {0};
	struct json *tree;

	if (state_record_load(s, "stopped.json", SMALL_MAX, &tree, &err) != 0)
		return 0;
	struct json_in root = json_root(tree, &err);
	uint64_t unix_us = json_u64(&root, "unix_us", 0, control_number_max);

	return state_record_finish(s, "stopped.json", tree, &err) == 0 ? unix_us : 0;
}

int state_save_stopped(struct state *s, uint64_t unix_us)
{
	struct json *root = json_object_new();

	json_add_u64(root, "unix_us", unix_us);
	return state_record_save_unsynced(s, "stopped.json", root);
}

/* ---- map and relays ---- */

/* Epochs use all 64 bits, more than a JSON number holds. */
static uint64_t get_epoch(const struct json_in *root)
{
	struct json_in at = json_find(root, "epoch");
	const char *hex = json_str(root, "epoch", 16);
	uint8_t bytes[8];

	if (hex_decode(hex, bytes, sizeof(bytes)) != 0)
		json_fail(&at, "not 16 hexadecimal digits");
	struct reader r = reader_init(bytes, sizeof(bytes));
	return read_u64be(&r);
}

static void add_epoch(struct json *root, uint64_t epoch)
{
	uint8_t bytes[8];
	struct writer w = writer_init(bytes, sizeof(bytes));

	write_u64be(&w, epoch);
	state_add_key(root, "epoch", bytes, sizeof(bytes));
}

static int decode_map(const char *text, struct state_map *out)
{
	struct control_message m;
	char why[128];
	int rc = control_decode(text, strlen(text), MAP_MAX, &m, why, sizeof(why));

	if (rc != 0)
		return rc;
	if (m.type != CONTROL_MAP) {
		control_message_wipe(&m);
		return -EBADMSG;
	}
	out->map = m.map; /* its arrays now belong to out */
	return 0;
}

int state_load_map(struct state *s, struct state_map *out)
{
	struct json_error err = {0};
	struct json *tree;
	int rc = state_record_load(s, "map.json", MAP_MAX, &tree, &err);

	if (rc != 0)
		return rc;
	struct json_in root = json_root(tree, &err), map = json_find(&root, "map");
	*out = (struct state_map){.epoch = get_epoch(&root),
				  .heard_unix_s = json_u64(&root, "heard", 0, control_number_max)};
	if (!err.failed && decode_map(json_str(&root, "map", MAP_MAX), out) != 0)
		json_fail(&map, "not a network map");
	return state_record_finish(s, "map.json", tree, &err);
}

int state_save_map(struct state *s, const struct state_map *map)
{
	struct control_message m = {.type = CONTROL_MAP, .map = map->map};
	char *text;
	size_t len;

	m.map.full = true;
	int rc = control_encode(&m, &text, &len);
	if (rc != 0)
		return state_record_write_failed(s, "map.json", rc);

	struct json *root = json_object_new();
	add_epoch(root, map->epoch);
	json_add_u64(root, "heard", map->heard_unix_s);
	json_add_str(root, "map", text);
	free(text);
	return state_record_save(s, "map.json", root);
}

void state_map_wipe(struct state_map *map)
{
	struct control_message m = {.type = CONTROL_MAP, .map = map->map};

	control_message_wipe(&m);
	*map = (struct state_map){0};
}

int state_load_relays(struct state *s, char **text)
{
	size_t len;

	return state_record_load_bytes(s, "relays.json", RELAYS_MAX, text, &len);
}

int state_save_relays(struct state *s, const char *text)
{
	char *copy = strdup(text);

	return copy ? state_record_put(s, "relays.json", copy, strlen(text))
		    : state_record_write_failed(s, "relays.json", -ENOMEM);
}

/* ---- trust ---- */

static void get_introduction(const struct json_in *at, struct introduction *out)
{
	*out = (struct introduction){0};
	state_get_name(at, "name", out->name);
	state_get_name(at, "owner", out->owner);
	state_get_key(at, "machine_key", out->machine_key.b, KEY_LEN);
	state_get_ip(at, "ipv4", &out->v4);
	state_get_ip(at, "ipv6", &out->v6);
	out->node_serial = json_u64(at, "node_serial", 0, control_number_max);
	out->disco_serial = json_u64(at, "disco_serial", 0, control_number_max);
}

int state_load_trust(struct state *s, struct trust_book *out)
{
	struct json_error err = {0};
	struct json *tree;
	int rc = state_record_load(s, "trust.json", TRUST_MAX, &tree, &err);

	if (rc != 0)
		return rc;
	struct json_in root = json_root(tree, &err);
	struct json_in nodes = json_array(&root, "nodes", TRUST_MAX_ENTRIES);
	for (size_t i = 0; i < json_count(&nodes) && !err.failed; i++) {
		struct json_in at = json_item(&nodes, i);
		struct introduction known;

		get_introduction(&at, &known);
		if (!err.failed && trust_book_add(out, &known) != 0)
			json_fail(&at, "out of memory");
	}
	return state_record_finish(s, "trust.json", tree, &err);
}

int state_save_trust(struct state *s, const struct trust_book *book)
{
	struct json *root = json_object_new(), *nodes = json_add_array(root, "nodes");

	for (size_t i = 0; i < book->count; i++) {
		const struct introduction *known = &book->entries[i].known;

		if (public_key_is_zero(&known->machine_key))
			continue;
		struct json *at = json_append_object(nodes);
		json_add_str(at, "name", known->name);
		json_add_str(at, "owner", known->owner);
		state_add_key(at, "machine_key", known->machine_key.b, KEY_LEN);
		state_add_ip(at, "ipv4", &known->v4);
		state_add_ip(at, "ipv6", &known->v6);
		json_add_u64(at, "node_serial", known->node_serial);
		json_add_u64(at, "disco_serial", known->disco_serial);
	}
	return state_record_save(s, "trust.json", root);
}

/* ---- warm ---- */

int state_load_warm(struct state *s, struct state_warm *out, size_t *n)
{
	struct json_error err = {0};
	struct json *tree;
	size_t room = *n;

	*n = 0;
	int rc = state_record_load(s, "warm.json", RELAYS_MAX, &tree, &err);
	if (rc != 0)
		return rc;
	struct json_in root = json_root(tree, &err);
	struct json_in peers = json_array(&root, "peers", STATE_WARM_MAX);
	for (size_t i = 0; i < json_count(&peers) && i < room; i++) {
		struct json_in at = json_item(&peers, i), addr = json_find(&at, "endpoint");
		const char *text = json_opt_str(&at, "endpoint", ENDPOINT_TEXT_LEN, "");

		out[i] = (struct state_warm){
			.id = (uint32_t)json_u64(&at, "id", 1, UINT32_MAX),
			.active_unix_s = json_u64(&at, "active", 0, control_number_max)};
		if (*text && endpoint_parse(text, &out[i].endpoint) != 0)
			json_fail(&addr, "not an endpoint");
		*n = i + 1;
	}
	rc = state_record_finish(s, "warm.json", tree, &err);
	if (rc != 0)
		*n = 0;
	return rc;
}

int state_save_warm(struct state *s, const struct state_warm *list, size_t n)
{
	struct json *root = json_object_new(), *peers = json_add_array(root, "peers");

	for (size_t i = 0; i < n && i < STATE_WARM_MAX; i++) {
		struct json *at = json_append_object(peers);
		char text[ENDPOINT_TEXT_LEN];

		json_add_u64(at, "id", list[i].id);
		json_add_u64(at, "active", list[i].active_unix_s);
		if (!endpoint_is_none(&list[i].endpoint)) {
			endpoint_str(&list[i].endpoint, text);
			json_add_str(at, "endpoint", text);
		}
	}
	return state_record_save_unsynced(s, "warm.json", root);
}

/* ---- flows ---- */

int state_load_flows(struct state *s, uint8_t **bytes, size_t *len)
{
	char *text;
	int rc = state_record_load_bytes(s, "flows", FLOWS_MAX, &text, len);

	if (rc == 0)
		*bytes = (uint8_t *)text;
	return rc;
}

int state_save_flows(struct state *s, const uint8_t *bytes, size_t len)
{
	return state_record_put_unsynced(s, "flows", bytes, len);
}
