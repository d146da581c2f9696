#include "agent/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/saver.h"
#include "common/json.h"
#include "common/statefile.h"

enum {
	IDENTITY_MAX = 16 << 10,
	MAP_MAX = 32 << 20,
	RELAYS_MAX = 1 << 20,
	TRUST_MAX = 16 << 20,
	FLOWS_MAX = 8 << 20,
};

/* The state format's number: a later daemon that writes another shape raises it. */
static const uint64_t format = 1;

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

/* ---- what every file has in common ---- */

static int read_failed(struct state *s, const char *name, int err, const char *why)
{
	if (err == -EBADMSG)
		snprintf(
			s->error, sizeof(s->error),
			"%s/%s is damaged (%s); restore it from a backup, or move it away to start "
			"without it",
			s->dir, name, why);
	else if (err != -ENOENT)
		snprintf(s->error, sizeof(s->error), "cannot read %s/%s: %s", s->dir, name,
			 strerror(-err));
	return err;
}

static int load(struct state *s, const char *name, size_t max, struct json **tree,
		struct json_error *err)
{
	char path[STATE_PATH_LEN];

	state_path(s, name, path);
	int rc = statefile_read_json(path, max, tree, err);
	return rc == 0 ? 0 : read_failed(s, name, rc, err->text);
}

static int finish(struct state *s, const char *name, struct json *tree,
		  const struct json_error *err)
{
	json_free(tree);
	return err->failed ? read_failed(s, name, -EBADMSG, err->text) : 0;
}

void state_explain_write(struct state *s, const char *path, int err)
{
	snprintf(s->error, sizeof(s->error), "cannot write %.*s: %s; the old file is kept%s",
		 STATE_PATH_LEN, path, strerror(-err),
		 err == -ENOSPC || err == -EDQUOT ? "; free some space on that disk" : "");
}

static int write_failed(struct state *s, const char *name, int err)
{
	char path[STATE_PATH_LEN];

	state_path(s, name, path);
	state_explain_write(s, path, err);
	return err;
}

/* Takes bytes over. is_vital: a start fails where the file is damaged. */
static int put(struct state *s, const char *name, void *bytes, size_t len, bool is_vital)
{
	char path[STATE_PATH_LEN];
	int err;

	state_path(s, name, path);
	if (s->saver) {
		err = saver_put(s->saver, path, bytes, len, is_vital);
	} else {
		err = statefile_write(path, bytes, len);
		sodium_memzero(bytes, len);
		free(bytes);
	}
	return err == 0 ? 0 : write_failed(s, name, err);
}

static int put_unsynced(struct state *s, const char *name, const void *bytes, size_t len)
{
	char path[STATE_PATH_LEN];

	state_path(s, name, path);
	int err = statefile_write_unsynced(path, bytes, len);
	return err == 0 ? 0 : write_failed(s, name, err);
}

static char *to_text(struct json *tree)
{
	json_add_u64(tree, "format", format);
	char *text = json_print_pretty(tree);
	json_free(tree);
	return text;
}

static int save(struct state *s, const char *name, struct json *tree, bool is_vital)
{
	char *text = to_text(tree);

	return put(s, name, text, strlen(text), is_vital);
}

static int save_unsynced(struct state *s, const char *name, struct json *tree)
{
	char *text = to_text(tree);
	int err = put_unsynced(s, name, text, strlen(text));

	free(text);
	return err;
}

/* ---- fields ---- */

static void get_key(const struct json_in *obj, const char *key, uint8_t *out, size_t len)
{
	struct json_in at = json_find(obj, key);

	if (hex_decode(json_str(obj, key, 2 * len), out, len) != 0)
		json_fail(&at, "not hexadecimal of the right length");
}

static void add_key(struct json *obj, const char *key, const uint8_t *bytes, size_t len)
{
	char hex[2 * 64 + 1];

	hex_encode(bytes, len, hex);
	json_add_str(obj, key, hex);
	sodium_memzero(hex, sizeof(hex));
}

static void get_ip(const struct json_in *obj, const char *key, struct ip_addr *out)
{
	const char *text = json_opt_str(obj, key, IP_TEXT_LEN, "");
	struct json_in at = json_find(obj, key);

	*out = (struct ip_addr){0};
	if (*text && ip_parse(text, out) != 0)
		json_fail(&at, "not an IP address");
}

static void add_ip(struct json *obj, const char *key, const struct ip_addr *ip)
{
	char text[IP_TEXT_LEN];

	if (ip_is_none(ip))
		return;
	ip_str(ip, text);
	json_add_str(obj, key, text);
}

static void get_prefix(const struct json_in *obj, const char *key, struct prefix *out)
{
	const char *text = json_opt_str(obj, key, PREFIX_TEXT_LEN, "");
	struct json_in at = json_find(obj, key);

	*out = (struct prefix){0};
	if (*text && prefix_parse(text, out) != 0)
		json_fail(&at, "not a prefix");
}

static void add_prefix(struct json *obj, const char *key, const struct prefix *p)
{
	char text[PREFIX_TEXT_LEN];

	if (ip_is_none(&p->ip))
		return;
	prefix_str(p, text);
	json_add_str(obj, key, text);
}

static void get_name(const struct json_in *obj, const char *key, char out[static CONTROL_NAME_LEN])
{
	const char *text = json_opt_str(obj, key, CONTROL_NAME_LEN - 1, "");
	struct json_in at = json_find(obj, key);

	snprintf(out, CONTROL_NAME_LEN, "%s", text);
	if (*text && !control_name_valid(text))
		json_fail(&at, "not a name");
}

/* ---- identity ---- */

void state_identity_new(struct state_identity *id, const uint8_t random[static 96])
{
	*id = (struct state_identity){.node_serial = 1, .disco_serial = 1};
	machine_secret_from_random(&id->machine, &id->machine_public, random);
	secret_key_from_random(&id->node, random + 32);
	secret_key_from_random(&id->disco, random + 64);
}

static void get_keys(const struct json_in *root, struct state_identity *out)
{
	struct json_in machine = json_find(root, "machine_secret");
	struct machine_secret whole;

	get_key(root, "machine_secret", out->machine.b, sizeof(out->machine.b));
	/* libsodium keeps the public half behind the seed. To sign with one that does not belong to
	 * it would give the secret away. */
	machine_secret_from_random(&whole, &out->machine_public, out->machine.b);
	if (sodium_memcmp(whole.b, out->machine.b, sizeof(whole.b)) != 0)
		json_fail(&machine, "its halves do not belong together");
	sodium_memzero(&whole, sizeof(whole));
	get_key(root, "node_secret", out->node.b, KEY_LEN);
	out->node_serial = json_u64(root, "node_serial", 1, control_number_max);
	get_key(root, "disco_secret", out->disco.b, KEY_LEN);
	out->disco_serial = json_u64(root, "disco_serial", 1, control_number_max);
	out->disco_made_unix_s = json_opt_u64(root, "disco_made", 0, control_number_max, 0);
	if (json_has(root, "disco_old_secret"))
		get_key(root, "disco_old_secret", out->disco_old.b, KEY_LEN);
}

static void get_place(const struct json_in *root, struct state_identity *out)
{
	struct json_in role = json_find(root, "role");

	snprintf(out->url, sizeof(out->url), "%s",
		 json_opt_str(root, "coordinator", sizeof(out->url) - 1, ""));
	out->has_pin = json_has(root, "pin");
	if (out->has_pin)
		get_key(root, "pin", out->pin, sizeof(out->pin));
	out->up = json_opt_bool(root, "up", false);
	out->port = (uint16_t)json_opt_u64(root, "port", 0, 65535, 0);
	out->id = (uint32_t)json_opt_u64(root, "id", 0, UINT32_MAX, 0);
	get_name(root, "name", out->name);
	get_name(root, "owner", out->owner);
	if (out->id != 0 && (!out->name[0] || !out->owner[0]))
		json_fail(root, "has an id and no name");
	if (control_role_parse(json_opt_str(root, "role", 16, "client"), &out->role) != 0)
		json_fail(&role, "neither client nor agent");
	get_ip(root, "ipv4", &out->v4);
	get_ip(root, "ipv6", &out->v6);
	get_prefix(root, "mesh_v4", &out->mesh_v4);
	get_prefix(root, "mesh_v6", &out->mesh_v6);
}

int state_load_identity(struct state *s, struct state_identity *out)
{
	struct json_error err = {0};
	struct json *tree;
	int rc = load(s, "identity.json", IDENTITY_MAX, &tree, &err);

	if (rc != 0)
		return rc;
	*out = (struct state_identity){0};
	struct json_in root = json_root(tree, &err);
	get_keys(&root, out);
	get_place(&root, out);
	rc = finish(s, "identity.json", tree, &err);
	if (rc != 0)
		sodium_memzero(out, sizeof(*out));
	return rc;
}

int state_save_identity(struct state *s, const struct state_identity *id)
{
	struct json *root = json_object_new();

	add_key(root, "machine_secret", id->machine.b, sizeof(id->machine.b));
	add_key(root, "node_secret", id->node.b, KEY_LEN);
	json_add_u64(root, "node_serial", id->node_serial);
	add_key(root, "disco_secret", id->disco.b, KEY_LEN);
	json_add_u64(root, "disco_serial", id->disco_serial);
	json_add_u64(root, "disco_made", id->disco_made_unix_s);
	if (!sodium_is_zero(id->disco_old.b, KEY_LEN))
		add_key(root, "disco_old_secret", id->disco_old.b, KEY_LEN);
	json_add_str(root, "coordinator", id->url);
	if (id->has_pin)
		add_key(root, "pin", id->pin, sizeof(id->pin));
	json_add_bool(root, "up", id->up);
	json_add_u64(root, "port", id->port);
	json_add_u64(root, "id", id->id);
	json_add_str(root, "name", id->name);
	json_add_str(root, "owner", id->owner);
	json_add_str(root, "role", control_role_str(id->role));
	add_ip(root, "ipv4", &id->v4);
	add_ip(root, "ipv6", &id->v6);
	add_prefix(root, "mesh_v4", &id->mesh_v4);
	add_prefix(root, "mesh_v6", &id->mesh_v6);
	return save(s, "identity.json", root, true);
}

/* ---- reserve ---- */

int state_load_reserve(struct state *s, struct state_reserve *out)
{
	struct json_error err = {0};
	struct json *tree;
	int rc = load(s, "reserve.json", IDENTITY_MAX, &tree, &err);

	if (rc != 0)
		return rc;
	struct json_in root = json_root(tree, &err);
	out->tai_unix_us = json_u64(&root, "tai_unix_us", 0, control_number_max);
	out->serial = json_u64(&root, "serial", 0, control_number_max);
	return finish(s, "reserve.json", tree, &err);
}

int state_save_reserve(struct state *s, const struct state_reserve *reserve)
{
	struct json *root = json_object_new();

	json_add_u64(root, "tai_unix_us", reserve->tai_unix_us);
	json_add_u64(root, "serial", reserve->serial);
	return save(s, "reserve.json", root, true);
}

/* ---- the end of the process before us ---- */

uint64_t state_load_stopped(struct state *s)
{
	struct json_error err = {0};
	struct json *tree;

	if (load(s, "stopped.json", IDENTITY_MAX, &tree, &err) != 0)
		return 0;
	struct json_in root = json_root(tree, &err);
	uint64_t unix_us = json_u64(&root, "unix_us", 0, control_number_max);

	return finish(s, "stopped.json", tree, &err) == 0 ? unix_us : 0;
}

int state_save_stopped(struct state *s, uint64_t unix_us)
{
	struct json *root = json_object_new();

	json_add_u64(root, "unix_us", unix_us);
	return save_unsynced(s, "stopped.json", root);
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
	add_key(root, "epoch", bytes, sizeof(bytes));
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
	int rc = load(s, "map.json", MAP_MAX, &tree, &err);

	if (rc != 0)
		return rc;
	struct json_in root = json_root(tree, &err), map = json_find(&root, "map");
	*out = (struct state_map){.epoch = get_epoch(&root),
				  .heard_unix_s = json_u64(&root, "heard", 0, control_number_max)};
	if (!err.failed && decode_map(json_str(&root, "map", MAP_MAX), out) != 0)
		json_fail(&map, "not a network map");
	return finish(s, "map.json", tree, &err);
}

int state_save_map(struct state *s, const struct state_map *map)
{
	struct control_message m = {.type = CONTROL_MAP, .map = map->map};
	char *text;
	size_t len;

	m.map.full = true;
	int rc = control_encode(&m, &text, &len);
	if (rc != 0)
		return write_failed(s, "map.json", rc);

	struct json *root = json_object_new();
	add_epoch(root, map->epoch);
	json_add_u64(root, "heard", map->heard_unix_s);
	json_add_str(root, "map", text);
	free(text);
	return save(s, "map.json", root, false);
}

void state_map_wipe(struct state_map *map)
{
	struct control_message m = {.type = CONTROL_MAP, .map = map->map};

	control_message_wipe(&m);
	*map = (struct state_map){0};
}

static int load_bytes(struct state *s, const char *name, size_t max, char **bytes, size_t *len)
{
	char path[STATE_PATH_LEN];

	state_path(s, name, path);
	int rc = statefile_read(path, max, bytes, len);
	return rc == 0 ? 0 : read_failed(s, name, rc, "");
}

int state_load_relays(struct state *s, char **text)
{
	size_t len;

	return load_bytes(s, "relays.json", RELAYS_MAX, text, &len);
}

int state_save_relays(struct state *s, const char *text)
{
	char *copy = strdup(text);

	return copy ? put(s, "relays.json", copy, strlen(text), false)
		    : write_failed(s, "relays.json", -ENOMEM);
}

/* ---- trust ---- */

static void get_introduction(const struct json_in *at, struct introduction *out)
{
	*out = (struct introduction){0};
	get_name(at, "name", out->name);
	get_name(at, "owner", out->owner);
	get_key(at, "machine_key", out->machine_key.b, KEY_LEN);
	get_ip(at, "ipv4", &out->v4);
	get_ip(at, "ipv6", &out->v6);
	out->node_serial = json_u64(at, "node_serial", 0, control_number_max);
	out->disco_serial = json_u64(at, "disco_serial", 0, control_number_max);
}

int state_load_trust(struct state *s, struct trust_book *out)
{
	struct json_error err = {0};
	struct json *tree;
	int rc = load(s, "trust.json", TRUST_MAX, &tree, &err);

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
	return finish(s, "trust.json", tree, &err);
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
		add_key(at, "machine_key", known->machine_key.b, KEY_LEN);
		add_ip(at, "ipv4", &known->v4);
		add_ip(at, "ipv6", &known->v6);
		json_add_u64(at, "node_serial", known->node_serial);
		json_add_u64(at, "disco_serial", known->disco_serial);
	}
	return save(s, "trust.json", root, true);
}

/* ---- warm ---- */

int state_load_warm(struct state *s, struct state_warm *out, size_t *n)
{
	struct json_error err = {0};
	struct json *tree;
	size_t room = *n;

	*n = 0;
	int rc = load(s, "warm.json", RELAYS_MAX, &tree, &err);
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
	rc = finish(s, "warm.json", tree, &err);
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
	return save_unsynced(s, "warm.json", root);
}

/* ---- flows ---- */

int state_load_flows(struct state *s, uint8_t **bytes, size_t *len)
{
	char *text;
	int rc = load_bytes(s, "flows", FLOWS_MAX, &text, len);

	if (rc == 0)
		*bytes = (uint8_t *)text;
	return rc;
}

int state_save_flows(struct state *s, const uint8_t *bytes, size_t len)
{
	return put_unsynced(s, "flows", bytes, len);
}
