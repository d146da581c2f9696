#include "coordinator/manage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/proto/derp_map.h"
#include "coordinator/node_session.h"
#include "coordinator/publish.h"

static const uint64_t ephemeral_grace_us = 300 * (uint64_t)US_PER_S;
/* Each is a transaction, and the disk's time is everybody's. */
enum { REMOVALS_A_TICK = 16 };
static const uint64_t ttl_max_s = 366 * 24 * 3600;

__attribute__((format(printf, 3, 4))) static int fail(char *error, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, COORDINATOR_ERROR_LEN, format, args);
	va_end(args);
	return rc;
}

/* ---- one durable transaction around a few writes ---- */

static int begin(struct coordinator *c)
{
	return c->store->ops->begin(c->store, true);
}

/* Commits where err is 0, else rolls back; says what failed. */
static int finish(struct coordinator *c, int err, char *error)
{
	if (err == 0)
		err = c->store->ops->commit(c->store);
	else
		c->store->ops->rollback(c->store);
	if (err == 0)
		return 0;
	c->counters.store_failures++;
	return fail(error, -EIO, "nothing was changed, since the store cannot be written: %s",
		    c->store->ops->error(c->store));
}

/* ---- tokens ---- */

static int check_request(const struct token_request *request, struct token *t, char *error)
{
	if (!request->name || !control_name_valid(request->name))
		return fail(error, -EINVAL,
			    "a name has 1 to 63 of a-z, 0-9 and '-': give one with --name");
	if (!request->owner || !control_name_valid(request->owner))
		return fail(error, -EINVAL,
			    "an owner has 1 to 63 of a-z, 0-9 and '-': give one with --owner");
	if (request->ttl_s == 0 || request->ttl_s > ttl_max_s)
		return fail(error, -EINVAL, "a token lives for 1 s to 366 days (--ttl 24h)");
	t->has_role = request->role != NULL;
	if (t->has_role && control_role_parse(request->role, &t->role) != 0)
		return fail(error, -EINVAL, "a role is client or agent");
	return 0;
}

static int prune_tokens(struct coordinator *c, uint64_t now_unix_s)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < c->tokens.count; i++)
		if (token_is_forgotten(&c->tokens.list[i], now_unix_s))
			err = c->store->ops->token_delete(c->store, c->tokens.list[i].id);
	return err;
}

static size_t count_remembered(const struct token_table *tokens, uint64_t now_unix_s)
{
	size_t n = 0;

	for (size_t i = 0; i < tokens->count; i++)
		n += !token_is_forgotten(&tokens->list[i], now_unix_s);
	return n;
}

/* Who was removed is let in by a younger token only: also by one of the same second, or of a clock
 * that was set back since. */
static uint64_t created_unix_s(const struct coordinator *c, uint64_t now_unix_s)
{
	uint64_t created = now_unix_s;

	for (size_t i = 0; i < c->removed.count; i++)
		if (created <= c->removed.list[i].unix_s)
			created = c->removed.list[i].unix_s + 1;
	return created;
}

int manage_token_create(struct coordinator *c, const struct token_request *request,
			const uint8_t random[static MANAGE_RANDOM_LEN], const struct moment *now,
			char text[static CONTROL_TOKEN_LEN], struct token *out,
			char error[static COORDINATOR_ERROR_LEN])
{
	uint64_t now_s = now->unix_ms / MS_PER_S;
	struct token t = {.id = c->next_token_id,
			  .reusable = request->reusable,
			  .ephemeral = request->ephemeral,
			  .created_unix_s = created_unix_s(c, now_s)};

	int err = check_request(request, &t, error);
	if (err)
		return err;
	if (count_remembered(&c->tokens, now_s) >= TOKEN_TABLE_MAX)
		return fail(error, -ENOSPC, "too many tokens: wait until some have expired");
	snprintf(t.name, sizeof(t.name), "%s", request->name);
	snprintf(t.owner, sizeof(t.owner), "%s", request->owner);
	t.expires_unix_s = now_s + request->ttl_s;
	token_make(&t, random, text);

	err = begin(c);
	if (err == 0)
		err = prune_tokens(c, now_s);
	if (err == 0)
		err = c->store->ops->token_put(c->store, &t);
	err = finish(c, err, error);
	if (err)
		return err;
	token_table_prune(&c->tokens, now_s);
	if (token_table_add(&c->tokens, &t) != 0)
		abort(); /* there is room; only memory is left */
	c->next_token_id++;
	coordinator_audit(c, now, "admin", "admin", "token %u made for %s.%s%s%s", t.id, t.name,
			  t.owner, t.reusable ? ", reusable" : "",
			  t.ephemeral ? ", ephemeral" : "");
	*out = t;
	return 0;
}

int manage_token_revoke(struct coordinator *c, uint32_t id, const struct moment *now,
			char error[static COORDINATOR_ERROR_LEN])
{
	struct token *t = token_table_find_id(&c->tokens, id);

	if (!t)
		return fail(error, -ENOENT, "there is no token %u: see token list", id);
	struct token changed = *t;
	changed.revoked = true;
	int err = begin(c);
	if (err == 0)
		err = c->store->ops->token_put(c->store, &changed);
	err = finish(c, err, error);
	if (err)
		return err;
	t->revoked = true;
	coordinator_audit(c, now, "admin", "admin", "token %u of %s.%s revoked", id, t->name,
			  t->owner);
	return 0;
}

/* ---- nodes ---- */

static int write_removal(struct coordinator *c, const struct node *n, const struct removed *entry)
{
	const struct store_ops *ops = c->store->ops;

	int err = ops->node_delete(c->store, n->id);
	if (err == 0)
		err = ops->removed_put(c->store, entry);
	for (size_t i = 0; err == 0 && i < c->tokens.count; i++) {
		struct token t = c->tokens.list[i];

		if (!public_key_equal(&t.spent_by, &n->machine_key))
			continue;
		t.revoked = true;
		err = ops->token_put(c->store, &t);
	}
	return err;
}

static int remove_node(struct coordinator *c, struct node *n, const char *by,
		       const struct moment *now, char *error)
{
	struct removed entry = {.machine_key = n->machine_key, .unix_s = now->unix_ms / MS_PER_S};
	struct node_session *s = n->session;
	char who[AUDIT_WHO_LEN];

	int err = begin(c);
	if (err == 0)
		err = write_removal(c, n, &entry);
	err = finish(c, err, error);
	if (err)
		return err;
	if (removed_table_add(&c->removed, &entry) != 0)
		abort();
	token_table_revoke_spent(&c->tokens, &n->machine_key);
	publish_removal(c, n);
	coordinator_node_str(n, who);
	coordinator_audit(c, now, "change", who, "node removed by %s", by);
	if (s) {
		n->session = NULL;
		s->node = NULL;
		node_session_refuse(c, s, CONTROL_REMOVED,
				    "this node was removed from the mesh: ask for a new invitation "
				    "to join again",
				    now);
	}
	ipam_release(&c->ipam, &n->v4);
	registry_remove(c->registry, n);
	return 0;
}

int manage_node_remove(struct coordinator *c, const char *text, const struct moment *now,
		       char error[static COORDINATOR_ERROR_LEN])
{
	struct node *n;

	int err = registry_find_text(c->registry, text, &n);
	if (err == -ENOENT)
		return fail(error, err, "there is no node %.130s: see node list", text);
	if (err)
		return fail(error, err,
			    "several owners have a node %.64s: say which, as %.64s.OWNER", text,
			    text);
	return remove_node(c, n, "admin", now, error);
}

/* Offline since it left; while we were not there, nobody could be seen. By the clock that nobody
 * sets: one that is put right after a start would take all those who are on their way back. */
static bool is_long_gone(const struct coordinator *c, const struct node *n, uint64_t now_us)
{
	uint64_t since_us = n->left_us > c->started_us ? n->left_us : c->started_us;

	return !n->session && now_us >= since_us + ephemeral_grace_us;
}

void manage_remove_ephemeral(struct coordinator *c, const struct moment *now)
{
	char error[COORDINATOR_ERROR_LEN];
	size_t count;
	struct node *const *all = registry_all(c->registry, &count);
	unsigned removed = 0;

	/* Backwards: a removal moves only later ones. */
	for (size_t i = count; i-- > 0 && removed < REMOVALS_A_TICK;) {
		struct node *n = all[i];

		if (!n->ephemeral || !is_long_gone(c, n, now->now_us))
			continue;
		if (remove_node(c, n, "its ephemeral token", now, error) != 0)
			return;
		removed++;
	}
}

/* ---- policy ---- */

int manage_policy_set(struct coordinator *c, const char *text, size_t len, bool from_file,
		      const struct moment *now, char error[static COORDINATOR_ERROR_LEN])
{
	struct json_error wrong = {0};
	struct policy *policy;
	int err;

	if (c->policy_from_file && !from_file)
		return fail(error, -EPERM,
			    "the policy comes from the --policy file of the server: change that "
			    "file and send SIGHUP");
	if (policy_parse(text, len, &policy, &wrong) != 0)
		return fail(error, -EBADMSG, "the policy is not usable: %s", wrong.text);
	char *copy = strndup(text, len);
	if (!copy)
		abort();
	if (!from_file) {
		err = begin(c);
		if (err == 0)
			err = c->store->ops->setting_put(c->store, "policy", copy);
		err = finish(c, err, error);
		if (err) {
			policy_free(policy);
			free(copy);
			return err;
		}
	}
	policy_free(c->policy);
	free(c->policy_text);
	c->policy = policy;
	c->policy_text = copy;
	c->policy_from_file = from_file;
	coordinator_audit(c, now, "admin", from_file ? "policy file" : "admin", "policy set");
	publish_everything(c);
	return 0;
}

/* ---- relays ---- */

int manage_relay_add(struct coordinator *c, const char *text, size_t len,
		     const uint8_t random[static MANAGE_RANDOM_LEN], const struct moment *now,
		     char secret[static RELAY_SECRET_LEN], uint32_t *region,
		     char error[static COORDINATOR_ERROR_LEN])
{
	struct json_error wrong = {0};
	struct added_relay relay;

	if (relay_book_parse(text, len, &relay, &wrong) != 0)
		return fail(error, -EBADMSG, "this is no relay entry: %s", wrong.text);
	relay_book_make_secret(random, secret, relay.secret_hash);
	*region = relay.region;

	int err = relay_book_add(&c->relays, &relay);
	if (err) {
		err = fail(error, err, "there is a relay named %s already: relay remove %u first",
			   relay.name, relay.region);
		goto out;
	}
	if (relay_book_merge(&c->relays, &wrong) != 0) {
		relay_book_remove_last(&c->relays);
		err = fail(error, -EEXIST, "%s", wrong.text);
		goto out;
	}
	err = begin(c);
	if (err == 0)
		err = c->store->ops->relay_put(c->store, &relay);
	err = finish(c, err, error);
	if (err) {
		relay_book_remove_last(&c->relays);
		if (relay_book_merge(&c->relays, &wrong) != 0)
			abort(); /* it merged before */
		goto out;
	}
	coordinator_audit(c, now, "admin", "admin", "relay %s of region %u added", relay.name,
			  relay.region);
	publish_relays(c);
out:
	free(relay.json);
	return err;
}

int manage_relay_remove(struct coordinator *c, uint32_t region, const struct moment *now,
			char error[static COORDINATOR_ERROR_LEN])
{
	struct json_error wrong = {0};

	if (c->relays.file && derp_map_find(c->relays.file, region))
		return fail(error, -EPERM,
			    "region %u comes from the --relay-map file: take it out there and send "
			    "SIGHUP",
			    region);
	if (!relay_book_has(&c->relays, region))
		return fail(error, -ENOENT, "there is no region %u: see relay list", region);
	int err = begin(c);
	if (err == 0)
		err = c->store->ops->relay_delete(c->store, region);
	err = finish(c, err, error);
	if (err)
		return err;
	relay_book_remove(&c->relays, region);
	if (relay_book_merge(&c->relays, &wrong) != 0)
		abort(); /* fewer relays cannot disagree */
	coordinator_audit(c, now, "admin", "admin", "region %u removed", region);
	publish_relays(c);
	return 0;
}

int manage_relay_file(struct coordinator *c, const char *text, size_t len,
		      char error[static COORDINATOR_ERROR_LEN])
{
	struct json_error wrong = {0};
	struct derp_map *map;

	if (derp_map_parse(text, len, &map, &wrong) != 0)
		return fail(error, -EBADMSG, "the relay map is not usable: %s", wrong.text);
	struct derp_map *before = relay_book_set_file(&c->relays, map);
	if (relay_book_merge(&c->relays, &wrong) != 0) {
		derp_map_free(relay_book_set_file(&c->relays, before));
		return fail(error, -EEXIST, "%s", wrong.text);
	}
	derp_map_free(before);
	publish_relays(c);
	return 0;
}

int manage_admit(const struct coordinator *c, const char *secret, const struct public_key *node_key,
		 bool *allow)
{
	if (relay_book_find_secret(&c->relays, secret) == 0)
		return -EACCES;
	*allow = registry_find_node_key(c->registry, node_key) != NULL;
	return 0;
}

/* ---- the admin key ---- */

static void hash_key(const char *key, uint8_t hash[static TOKEN_HASH_LEN])
{
	crypto_generichash(hash, TOKEN_HASH_LEN, (const uint8_t *)key, strlen(key), NULL, 0);
}

int manage_admin_key_make(struct coordinator *c, const uint8_t random[static MANAGE_RANDOM_LEN],
			  const struct moment *now, char key[static ADMIN_KEY_LEN],
			  char error[static COORDINATOR_ERROR_LEN])
{
	uint8_t hash[TOKEN_HASH_LEN];
	char hex[2 * TOKEN_HASH_LEN + 1];

	hex_encode(random, MANAGE_RANDOM_LEN, key);
	hash_key(key, hash);
	hex_encode(hash, sizeof(hash), hex);
	int err = begin(c);
	if (err == 0)
		err = c->store->ops->setting_put(c->store, "admin_key_hash", hex);
	err = finish(c, err, error);
	if (err)
		return err;
	memcpy(c->admin_key_hash, hash, sizeof(hash));
	c->has_admin_key = true;
	coordinator_audit(c, now, "admin", "admin", "new admin key made");
	return 0;
}

bool manage_admin_key_fits(const struct coordinator *c, const char *key)
{
	uint8_t hash[TOKEN_HASH_LEN];

	hash_key(key, hash);
	return c->has_admin_key && sodium_memcmp(hash, c->admin_key_hash, sizeof(hash)) == 0;
}
