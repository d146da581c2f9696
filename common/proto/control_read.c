/*
 * control_read: a control message from its text. Everything is checked; what is wrong is named.
 */
#include "common/proto/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/proto/control_words.h"

enum { MAX_CAPS_READ = 64 };

static void read_text(const struct json_in *obj, const char *key, char *out, size_t cap)
{
	snprintf(out, cap, "%s", json_opt_str(obj, key, cap - 1, ""));
}

static void read_name(const struct json_in *obj, const char *key, bool needed, char *out)
{
	read_text(obj, key, out, CONTROL_NAME_LEN);
	if ((needed || out[0] != '\0') && !control_name_valid(out)) {
		struct json_in at = json_find(obj, key);
		json_fail(at.node ? &at : obj, "not a name (a-z, 0-9 and '-', 63 at most)");
	}
}

/* Fails at obj's member, or at obj itself where it is absent. */
static void fail_at(const struct json_in *obj, const char *key, const char *problem)
{
	struct json_in at = json_find(obj, key);

	json_fail(at.node ? &at : obj, problem);
}

static void read_word(const struct json_in *obj, const char *key, const char *const *words,
		      size_t n, size_t *out)
{
	*out = control_find_word(json_str(obj, key, CONTROL_WORD_LEN), words, n);
	if (*out == n) {
		fail_at(obj, key, "not a known word");
		*out = 0;
	}
}

static enum control_role read_role(const struct json_in *obj)
{
	size_t i;

	read_word(obj, "role", control_role_words, CONTROL_ROLES, &i);
	return (enum control_role)i;
}

static void read_public_key(const struct json_in *obj, const char *key, const char *prefix,
			    struct public_key *out)
{
	if (public_key_parse(json_str(obj, key, KEY_TEXT_LEN), prefix, out) != 0)
		fail_at(obj, key, "not a public key");
}

/* A signature in hexadecimal; "" or absent reads as all zero. */
static void read_signature(const struct json_in *obj, const char *key, bool needed,
			   uint8_t out[static SIGNATURE_LEN])
{
	const char *hex = json_opt_str(obj, key, 2 * SIGNATURE_LEN, "");

	memset(out, 0, SIGNATURE_LEN);
	if (hex[0] == '\0' && !needed)
		return;
	if (hex_decode(hex, out, SIGNATURE_LEN) != 0)
		fail_at(obj, key, "not a signature");
}

/* {"key", "serial", "sig"} */
static void read_key(const struct json_in *obj, const char *key, const char *prefix,
		     struct control_key *out)
{
	struct json_in in = json_object(obj, key);

	read_public_key(&in, "key", prefix, &out->key);
	out->serial = json_u64(&in, "serial", 0, control_number_max);
	read_signature(&in, "sig", false, out->sig);
}

static void read_ip(const struct json_in *obj, const char *key, bool v4, struct ip_addr *out)
{
	if (ip_parse(json_str(obj, key, IP_TEXT_LEN), out) != 0 || ip_is_v4(out) != v4)
		fail_at(obj, key, "not an address of its family");
}

static void read_prefix(const struct json_in *obj, const char *key, bool v4, struct prefix *out)
{
	if (prefix_parse(json_str(obj, key, PREFIX_TEXT_LEN), out) != 0 || ip_is_v4(&out->ip) != v4)
		fail_at(obj, key, "not a prefix of its family");
}

static uint32_t read_caps(const struct json_in *obj)
{
	struct json_in list = json_opt_array(obj, "caps", MAX_CAPS_READ);
	uint32_t caps = 0;

	for (size_t i = 0; i < json_count(&list); i++) {
		struct json_in item = json_item(&list, i);
		const char *word = json_as_str(&item, CONTROL_WORD_LEN);

		for (size_t k = 0; k < CONTROL_CAPS; k++)
			if (strcmp(word, control_cap_words[k].word) == 0)
				caps |= control_cap_words[k].cap;
	}
	return caps;
}

static void read_endpoints(const struct json_in *obj, struct control_endpoints *out)
{
	struct json_in list = json_array(obj, "endpoints", CONTROL_MAX_ENDPOINTS);

	out->count = 0;
	for (size_t i = 0; i < json_count(&list); i++) {
		struct json_in item = json_item(&list, i);
		struct control_endpoint *e = &out->list[out->count++];
		size_t kind;

		if (endpoint_parse(json_str(&item, "addr", ENDPOINT_TEXT_LEN), &e->addr) != 0 ||
		    e->addr.port == 0)
			fail_at(&item, "addr", "not an address and port");
		read_word(&item, "kind", control_kind_words, CONTROL_KINDS, &kind);
		e->kind = (enum control_endpoint_kind)kind;
	}
}

static uint32_t read_region(const struct json_in *obj)
{
	return (uint32_t)json_opt_u64(obj, "home_region", 0, UINT32_MAX, 0);
}

static void read_rules(const struct json_in *obj, const char *key, struct control_rules *out)
{
	struct json_in list = json_opt_array(obj, key, CONTROL_MAX_RULES);

	out->count = 0;
	for (size_t i = 0; i < json_count(&list); i++) {
		struct json_in item = json_item(&list, i);
		struct control_rule *rule = &out->list[out->count++];
		size_t proto;

		read_word(&item, "proto", control_proto_words, CONTROL_PROTOS, &proto);
		rule->proto = (enum control_proto)proto;
		if (control_ports_parse(json_str(&item, "ports", CONTROL_WORD_LEN), rule) != 0)
			fail_at(&item, "ports", "not \"22\", \"8000-8100\" or \"*\"");
	}
}

/* Epochs are 64-bit and so travel as 16 hexadecimal digits; absent or "" is none. */
static uint64_t read_epoch(const struct json_in *obj)
{
	const char *hex = json_opt_str(obj, "epoch", 16, "");
	uint8_t bytes[8] = {0};

	if (hex[0] == '\0')
		return 0;
	if (hex_decode(hex, bytes, sizeof(bytes)) != 0)
		fail_at(obj, "epoch", "not 16 hexadecimal digits");
	struct reader r = reader_init(bytes, sizeof(bytes));
	return read_u64be(&r);
}

static void read_hello(const struct json_in *in, struct control_hello *out)
{
	read_public_key(in, "machine_key", "mkey", &out->machine_key);
	read_key(in, "node_key", "nodekey", &out->node_key);
	read_key(in, "disco_key", "discokey", &out->disco_key);
	read_signature(in, "proof", true, out->proof);
	read_text(in, "token", out->token, sizeof(out->token));
	read_name(in, "name", false, out->name);
	read_name(in, "owner", false, out->owner);
	out->role = read_role(in);
	read_text(in, "version", out->version, sizeof(out->version));
	out->caps = read_caps(in);
	out->epoch = read_epoch(in);
	out->map_number = json_opt_u64(in, "map_number", 0, control_number_max, 0);
	read_endpoints(in, &out->endpoints);
	out->home_region = read_region(in);
}

static void read_welcome(const struct json_in *in, struct control_welcome *out)
{
	out->id = (uint32_t)json_u64(in, "id", 1, UINT32_MAX);
	read_name(in, "name", true, out->name);
	read_name(in, "owner", true, out->owner);
	out->role = read_role(in);
	read_ip(in, "v4", true, &out->v4);
	read_ip(in, "v6", false, &out->v6);
	read_prefix(in, "mesh_v4", true, &out->mesh_v4);
	read_prefix(in, "mesh_v6", false, &out->mesh_v6);
	out->epoch = read_epoch(in);
	read_text(in, "version", out->version, sizeof(out->version));
	out->caps = read_caps(in);
	out->unix_ms = json_opt_u64(in, "unix_ms", 0, control_number_max, 0);
}

static void read_peer(const struct json_in *in, struct control_peer *out)
{
	out->id = (uint32_t)json_u64(in, "id", 1, UINT32_MAX);
	read_name(in, "name", true, out->name);
	read_name(in, "owner", true, out->owner);
	out->role = read_role(in);
	read_ip(in, "v4", true, &out->v4);
	read_ip(in, "v6", false, &out->v6);
	read_public_key(in, "machine_key", "mkey", &out->machine_key);
	read_key(in, "node_key", "nodekey", &out->node_key);
	read_key(in, "disco_key", "discokey", &out->disco_key);
	read_endpoints(in, &out->endpoints);
	out->home_region = read_region(in);
	out->caps = read_caps(in);
	out->online = json_opt_bool(in, "online", false);
	read_rules(in, "access_in", &out->access_in);
	read_rules(in, "access_out", &out->access_out);
}

static int read_map(const struct json_in *in, struct control_map *out)
{
	struct json_in peers = json_opt_array(in, "peers", CONTROL_MAX_PEERS);
	struct json_in removed = json_opt_array(in, "removed", CONTROL_MAX_PEERS);

	out->number = json_u64(in, "number", 0, control_number_max);
	out->full = json_opt_bool(in, "full", false);
	out->n_peers = json_count(&peers);
	out->n_removed = json_count(&removed);
	out->peers = calloc(out->n_peers + 1, sizeof(*out->peers));
	out->removed = calloc(out->n_removed + 1, sizeof(*out->removed));
	if (!out->peers || !out->removed)
		return -ENOMEM;
	for (size_t i = 0; i < out->n_peers; i++) {
		struct json_in peer = json_item(&peers, i);
		read_peer(&peer, &out->peers[i]);
	}
	for (size_t i = 0; i < out->n_removed; i++) {
		struct json_in id = json_item(&removed, i);
		out->removed[i] = (uint32_t)json_as_u64(&id, 1, UINT32_MAX);
	}
	return 0;
}

/* The DERPMap stays text here: derp_map reads it, and what it does not know is not lost. */
static int read_relays(const struct json_in *in, char **out)
{
	const char *text = json_str(in, "derp_map", CONTROL_RELAYS_TEXT_MAX);

	*out = strdup(text);
	return *out ? 0 : -ENOMEM;
}

static void read_error(const struct json_in *in, struct control_error *out)
{
	size_t code = control_find_word(json_str(in, "code", CONTROL_WORD_LEN), control_error_words,
					CONTROL_ERROR_CODES);

	out->code =
		code == CONTROL_ERROR_CODES ? CONTROL_ERROR_OTHER : (enum control_error_code)code;
	read_text(in, "text", out->text, sizeof(out->text));
}

static int read_body(const struct json_in *in, struct control_message *out)
{
	switch (out->type) {
	case CONTROL_HELLO:
		read_hello(in, &out->hello);
		return 0;
	case CONTROL_KEYS:
		read_key(in, "node_key", "nodekey", &out->keys.node_key);
		read_key(in, "disco_key", "discokey", &out->keys.disco_key);
		return 0;
	case CONTROL_ENDPOINTS:
		read_endpoints(in, &out->endpoints.endpoints);
		out->endpoints.home_region = read_region(in);
		return 0;
	case CONTROL_ACK:
		out->ack = json_u64(in, "number", 0, control_number_max);
		return 0;
	case CONTROL_PING:
		out->ping = json_u64(in, "number", 0, control_number_max);
		return 0;
	case CONTROL_WELCOME:
		read_welcome(in, &out->welcome);
		return 0;
	case CONTROL_RELAYS:
		return read_relays(in, &out->relays);
	case CONTROL_MAP:
		return read_map(in, &out->map);
	case CONTROL_ERROR:
		read_error(in, &out->error);
		return 0;
	case CONTROL_GOAWAY:
		out->goaway_ms = json_u64(in, "after_ms", 0, UINT32_MAX);
		return 0;
	case CONTROL_PONG:
		out->pong = json_u64(in, "number", 0, control_number_max);
		return 0;
	case CONTROL_TYPES:
		break;
	}
	return -EPROTO;
}

static int read_message(const struct json_in *root, struct control_message *out)
{
	size_t type = control_find_word(json_str(root, "type", CONTROL_WORD_LEN),
					control_type_words, CONTROL_TYPES);

	if (root->err->failed)
		return -EBADMSG;
	if (type == CONTROL_TYPES)
		return -EPROTO;
	out->type = (enum control_type)type;
	int err = read_body(root, out);
	return err ? err : root->err->failed ? -EBADMSG : 0;
}

int control_decode(const char *text, size_t len, size_t max, struct control_message *out, char *why,
		   size_t why_size)
{
	struct json_error wrong = {0};
	struct json *tree;

	int err = json_parse(text, len, max, &tree, &wrong);
	if (err == 0) {
		struct json_in root = json_root(tree, &wrong);

		memset(out, 0, sizeof(*out));
		err = read_message(&root, out);
		json_free(tree);
		if (err)
			control_message_wipe(out);
	}
	snprintf(why, why_size, "%s", wrong.text);
	return err == -E2BIG ? -EMSGSIZE : err;
}
