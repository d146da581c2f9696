#include <stdio.h>

#include <sodium.h>

#include "agent/state_record.h"

enum { IDENTITY_MAX = 16 << 10 };

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

	state_get_key(root, "machine_secret", out->machine.b, sizeof(out->machine.b));
	/* libsodium keeps the public half behind the seed. To sign with one that does not belong to
	 * it would give the secret away. */
	machine_secret_from_random(&whole, &out->machine_public, out->machine.b);
	if (sodium_memcmp(whole.b, out->machine.b, sizeof(whole.b)) != 0)
		json_fail(&machine, "its halves do not belong together");
	sodium_memzero(&whole, sizeof(whole));
	state_get_key(root, "node_secret", out->node.b, KEY_LEN);
	out->node_serial = json_u64(root, "node_serial", 1, control_number_max);
	state_get_key(root, "disco_secret", out->disco.b, KEY_LEN);
	out->disco_serial = json_u64(root, "disco_serial", 1, control_number_max);
	out->disco_made_unix_s = json_opt_u64(root, "disco_made", 0, control_number_max, 0);
	if (json_has(root, "disco_old_secret"))
		state_get_key(root, "disco_old_secret", out->disco_old.b, KEY_LEN);
}

static void get_place(const struct json_in *root, struct state_identity *out)
{
	struct json_in role = json_find(root, "role");

	snprintf(out->url, sizeof(out->url), "%s",
		 json_opt_str(root, "coordinator", sizeof(out->url) - 1, ""));
	out->has_pin = json_has(root, "pin");
	if (out->has_pin)
		state_get_key(root, "pin", out->pin, sizeof(out->pin));
	out->up = json_opt_bool(root, "up", false);
	out->port = (uint16_t)json_opt_u64(root, "port", 0, 65535, 0);
	out->id = (uint32_t)json_opt_u64(root, "id", 0, UINT32_MAX, 0);
	state_get_name(root, "name", out->name);
	state_get_name(root, "owner", out->owner);
	if (out->id != 0 && (!out->name[0] || !out->owner[0]))
		json_fail(root, "has an id and no name");
	if (control_role_parse(json_opt_str(root, "role", 16, "client"), &out->role) != 0)
		json_fail(&role, "neither client nor agent");
	state_get_ip(root, "ipv4", &out->v4);
	state_get_ip(root, "ipv6", &out->v6);
	state_get_prefix(root, "mesh_v4", &out->mesh_v4);
	state_get_prefix(root, "mesh_v6", &out->mesh_v6);
}

int state_load_identity(struct state *s, struct state_identity *out)
{
	struct json_error err = {0};
	struct json *tree;
	int rc = state_record_load(s, "identity.json", IDENTITY_MAX, &tree, &err);

	if (rc != 0)
		return rc;
	*out = (struct state_identity){0};
	struct json_in root = json_root(tree, &err);
	get_keys(&root, out);
	get_place(&root, out);
	rc = state_record_finish(s, "identity.json", tree, &err);
	if (rc != 0)
		sodium_memzero(out, sizeof(*out));
	return rc;
}

int state_save_identity(struct state *s, const struct state_identity *id)
{
	struct json *root = json_object_new();

	state_add_key(root, "machine_secret", id->machine.b, sizeof(id->machine.b));
	state_add_key(root, "node_secret", id->node.b, KEY_LEN);
	json_add_u64(root, "node_serial", id->node_serial);
	state_add_key(root, "disco_secret", id->disco.b, KEY_LEN);
	json_add_u64(root, "disco_serial", id->disco_serial);
	json_add_u64(root, "disco_made", id->disco_made_unix_s);
	if (!sodium_is_zero(id->disco_old.b, KEY_LEN))
		state_add_key(root, "disco_old_secret", id->disco_old.b, KEY_LEN);
	json_add_str(root, "coordinator", id->url);
	if (id->has_pin)
		state_add_key(root, "pin", id->pin, sizeof(id->pin));
	json_add_bool(root, "up", id->up);
	json_add_u64(root, "port", id->port);
	json_add_u64(root, "id", id->id);
	json_add_str(root, "name", id->name);
	json_add_str(root, "owner", id->owner);
	json_add_str(root, "role", control_role_str(id->role));
	state_add_ip(root, "ipv4", &id->v4);
	state_add_ip(root, "ipv6", &id->v6);
	state_add_prefix(root, "mesh_v4", &id->mesh_v4);
	state_add_prefix(root, "mesh_v6", &id->mesh_v6);
	return state_record_save(s, "identity.json", root);
}
