#include "coordinator/coordinator.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers are reserved in the store this far ahead, so that a crash gives none twice. */
enum { NUMBERS_AHEAD = 1 << 20, NUMBERS_LOW = 1 << 16, REMOVALS_LOGGED = CONTROL_MAX_PEERS };

void coordinator_node_str(const struct node *n, char out[static AUDIT_WHO_LEN])
{
	snprintf(out, AUDIT_WHO_LEN, "%s.%s", n->name, n->owner);
}

/* ---- audit ---- */

static bool is_denial_too_many(struct coordinator *c, const struct moment *now, const char *kind)
{
	uint64_t minute = now->unix_ms / 60000;

	if (strcmp(kind, "denial") != 0)
		return false;
	if (c->denials_minute != minute) {
		c->denials_minute = minute;
		c->denials = 0;
	}
	return c->denials++ >= DENIALS_PER_MINUTE;
}

void coordinator_audit(struct coordinator *c, const struct moment *now, const char *kind,
		       const char *who, const char *format, ...)
{
	struct audit_row row = {.unix_ms = now->unix_ms};
	va_list args;

	if (c->n_audit == AUDIT_QUEUE_MAX)
		coordinator_flush(c);
	if (c->n_audit == AUDIT_QUEUE_MAX || is_denial_too_many(c, now, kind)) {
		c->counters.audit_dropped++;
		return;
	}
	snprintf(row.kind, sizeof(row.kind), "%s", kind);
	snprintf(row.who, sizeof(row.who), "%s", who);
	va_start(args, format);
	vsnprintf(row.what, sizeof(row.what), format, args);
	va_end(args);
	c->audit_queue[c->n_audit++] = row;
}

/* ---- what waits for the disk ---- */

void coordinator_mark_dirty(struct coordinator *c, const struct node *n)
{
	if (c->n_dirty > 0 && c->dirty[c->n_dirty - 1] == n->id)
		return;
	if (c->n_dirty == c->dirty_cap) {
		size_t cap = c->dirty_cap ? c->dirty_cap * 2 : 256;
		uint32_t *grown = reallocarray(c->dirty, cap, sizeof(*grown));

		if (!grown)
			abort();
		c->dirty = grown;
		c->dirty_cap = cap;
	}
	c->dirty[c->n_dirty++] = n->id;
}

bool coordinator_has_unsaved(const struct coordinator *c)
{
	return c->n_dirty + c->n_audit > 0;
}

static int by_id(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* Every so many rows the oldest go, so that the log does not grow without end. */
static int trim_audit(struct coordinator *c)
{
	c->audit_since_trim += c->n_audit;
	if (c->audit_since_trim < AUDIT_KEPT_ROWS / 100)
		return 0;
	c->audit_since_trim = 0;
	return c->store->ops->audit_trim(c->store, AUDIT_KEPT_ROWS);
}

static int write_waiting(struct coordinator *c)
{
	int err = trim_audit(c);

	if (c->n_dirty > 0)
		qsort(c->dirty, c->n_dirty, sizeof(*c->dirty), by_id);
	for (size_t i = 0; err == 0 && i < c->n_dirty; i++) {
		const struct node *n = registry_find_id(c->registry, c->dirty[i]);
		bool repeated = i > 0 && c->dirty[i] == c->dirty[i - 1];

		if (n && !repeated)
			err = c->store->ops->node_put(c->store, n);
	}
	for (size_t i = 0; err == 0 && i < c->n_audit; i++)
		err = c->store->ops->audit_add(c->store, &c->audit_queue[i]);
	return err;
}

void coordinator_flush(struct coordinator *c)
{
	const struct store_ops *ops = c->store->ops;

	if (!coordinator_has_unsaved(c))
		return;
	int err = ops->begin(c->store, false);
	if (err == 0) {
		err = write_waiting(c);
		if (err)
			ops->rollback(c->store);
		else
			err = ops->commit(c->store);
	}
	if (err) { /* kept, and tried again with the next flush */
		c->counters.store_failures++;
		return;
	}
	c->n_dirty = c->n_audit = 0;
}

static int put_number(struct coordinator *c, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return c->store->ops->setting_put(c->store, name, text);
}

void coordinator_reserve_numbers(struct coordinator *c)
{
	const struct store_ops *ops = c->store->ops;
	uint64_t wanted = netmap_number(c->netmap) + NUMBERS_AHEAD;

	if (netmap_number(c->netmap) + NUMBERS_LOW < c->numbers_reserved)
		return;
	int err = ops->begin(c->store, true);
	if (err == 0) {
		err = put_number(c, "map_number", wanted);
		if (err)
			ops->rollback(c->store);
		else
			err = ops->commit(c->store);
	}
	if (err)
		c->counters.store_failures++;
	else
		c->numbers_reserved = wanted;
}

/* ---- opening ---- */

static int store_failed(struct coordinator *c, char *error)
{
	snprintf(error, COORDINATOR_ERROR_LEN, "cannot use the store: %s",
		 c->store->ops->error(c->store));
	return -EIO;
}

/* Reads a setting as text into out; found says whether it is there. */
static int get_text(struct coordinator *c, const char *name, char *out, size_t cap, bool *found)
{
	char *text;

	if (c->store->ops->setting_get(c->store, name, &text) != 0)
		return -EIO;
	*found = text != NULL;
	snprintf(out, cap, "%s", text ? text : "");
	free(text);
	return 0;
}

static int get_number(struct coordinator *c, const char *name, uint64_t *out, bool *found)
{
	char text[32];

	int err = get_text(c, name, text, sizeof(text), found);
	if (err == 0 && *found)
		*out = strtoull(text, NULL, 10);
	return err;
}

struct family {
	const char *setting, *flag;
	const struct prefix *chosen;
	bool (*valid)(const struct prefix *p);
	int (*draw)(const uint8_t *random, const struct prefix *avoid, size_t n,
		    struct prefix *out);
	const char *space;
};

static int draw_v4(const uint8_t *random, const struct prefix *avoid, size_t n, struct prefix *out)
{
	return ipam_draw_v4(random, avoid, n, out);
}

static int draw_v6(const uint8_t *random, const struct prefix *avoid, size_t n, struct prefix *out)
{
	return ipam_draw_v6(random, avoid, n, out);
}

static int choose_prefix(const struct coordinator_config *cfg, const struct family *family,
			 const uint8_t *random, struct prefix *out, char *error)
{
	if (!family->chosen) {
		if (family->draw(random, cfg->avoid, cfg->n_avoid, out) == 0)
			return 0;
		snprintf(error, COORDINATOR_ERROR_LEN,
			 "every mesh prefix overlaps this server's networks: choose one with %s",
			 family->flag);
		return -EADDRNOTAVAIL;
	}
	*out = prefix_masked(family->chosen);
	if (family->valid(out))
		return 0;
	snprintf(error, COORDINATOR_ERROR_LEN, "%s is to be a %s", family->flag, family->space);
	return -EINVAL;
}

/* The stored prefix, or a new one that is stored then. */
static int load_prefix(struct coordinator *c, const struct coordinator_config *cfg,
		       const struct family *family, const uint8_t *random, struct prefix *out,
		       char *error)
{
	char text[PREFIX_TEXT_LEN];
	bool found;

	if (get_text(c, family->setting, text, sizeof(text), &found) != 0)
		return store_failed(c, error);
	if (!found) {
		int err = choose_prefix(cfg, family, random, out, error);

		if (err)
			return err;
		prefix_str(out, text);
		return c->store->ops->setting_put(c->store, family->setting, text) == 0
			       ? 0
			       : store_failed(c, error);
	}
	if (prefix_parse(text, out) != 0) {
		snprintf(error, COORDINATOR_ERROR_LEN, "the store's mesh prefix %s is damaged",
			 text);
		return -EIO;
	}
	if (family->chosen && !prefix_equal(family->chosen, out)) {
		snprintf(error, COORDINATOR_ERROR_LEN,
			 "this mesh has the prefix %s already, and its nodes their addresses in "
			 "it: leave %s out, or start a new mesh with another --state-dir",
			 text, family->flag);
		return -EINVAL;
	}
	return 0;
}

static int load_prefixes(struct coordinator *c, const struct coordinator_config *cfg, char *error)
{
	const struct family v4 = {"mesh_v4",	 "--mesh-v4", cfg->mesh_v4,
				  ipam_v4_valid, draw_v4,     "/16 of 10.0.0.0/8"};
	const struct family v6 = {"mesh_v6",	 "--mesh-v6", cfg->mesh_v6,
				  ipam_v6_valid, draw_v6,     "/48 of fd00::/8"};
	struct prefix p4, p6;

	int err = load_prefix(c, cfg, &v4, cfg->random, &p4, error);
	if (err == 0)
		err = load_prefix(c, cfg, &v6, cfg->random + IPAM_RANDOM_LEN, &p6, error);
	if (err == 0)
		ipam_init(&c->ipam, &p4, &p6);
	return err;
}

static int load_numbers(struct coordinator *c, const uint8_t *random, char *error)
{
	struct reader r = reader_init(random, 8);
	uint64_t first = 1, next_node = 1; /* 0 means that a node holds no map */
	bool found;

	c->epoch = read_u64be(&r) | 1; /* 0 means none */
	if (get_number(c, "epoch", &c->epoch, &found) != 0 ||
	    (!found && put_number(c, "epoch", c->epoch) != 0))
		return store_failed(c, error);
	if (get_number(c, "map_number", &first, &found) != 0 ||
	    put_number(c, "map_number", first + NUMBERS_AHEAD) != 0 ||
	    get_number(c, "next_node_id", &next_node, &found) != 0)
		return store_failed(c, error);
	c->netmap = netmap_new(first, REMOVALS_LOGGED);
	c->numbers_reserved = first + NUMBERS_AHEAD;
	c->next_node_id = (uint32_t)next_node;
	c->next_token_id = 1;
	return 0;
}

static int load_node(void *arg, const struct node *stored)
{
	struct coordinator *c = arg;
	struct node *n;
	struct ip_addr v6;

	if (ipam_claim(&c->ipam, &stored->v4, &v6) != 0 || !ip_equal(&v6, &stored->v6) ||
	    registry_add(c->registry, stored, &n) != 0)
		return -EIO;
	if (n->id >= c->next_node_id)
		c->next_node_id = n->id + 1;
	return 0;
}

/* Behind the nodes: the one given last may be gone, and peers remember who had its address. */
static int load_last_host(struct coordinator *c, char *error)
{
	uint64_t last = c->ipam.last;
	bool found;

	if (get_number(c, "last_host", &last, &found) != 0)
		return store_failed(c, error);
	if (found && last > 0 && last < IPAM_HOSTS)
		c->ipam.last = (uint32_t)last;
	return 0;
}

static int load_token(void *arg, const struct token *t)
{
	struct coordinator *c = arg;

	if (t->id >= c->next_token_id)
		c->next_token_id = t->id + 1;
	return token_table_add(&c->tokens, t) == 0 ? 0 : -EIO;
}

static int load_removed(void *arg, const struct removed *r)
{
	struct coordinator *c = arg;

	return removed_table_add(&c->removed, r) == 0 ? 0 : -EIO;
}

static int load_relay(void *arg, const struct added_relay *r)
{
	struct coordinator *c = arg;

	return relay_book_add(&c->relays, r) == 0 ? 0 : -EIO;
}

static int merge_relays(struct coordinator *c, char *error)
{
	struct json_error wrong = {0};

	if (relay_book_merge(&c->relays, &wrong) == 0)
		return 0;
	snprintf(error, COORDINATOR_ERROR_LEN, "the relay map is not usable: %s", wrong.text);
	return -EINVAL;
}

static int load_policy(struct coordinator *c, char *error)
{
	struct json_error wrong = {0};

	if (c->store->ops->setting_get(c->store, "policy", &c->policy_text) != 0)
		return store_failed(c, error);
	if (!c->policy_text) {
		c->policy = policy_new_default();
		return 0;
	}
	if (policy_parse(c->policy_text, strlen(c->policy_text), &c->policy, &wrong) == 0)
		return 0;
	snprintf(error, COORDINATOR_ERROR_LEN, "the stored policy is damaged: %s", wrong.text);
	return -EIO;
}

static int load_admin_key(struct coordinator *c, char *error)
{
	char hex[2 * TOKEN_HASH_LEN + 1];

	if (get_text(c, "admin_key_hash", hex, sizeof(hex), &c->has_admin_key) != 0)
		return store_failed(c, error);
	if (c->has_admin_key && hex_decode(hex, c->admin_key_hash, TOKEN_HASH_LEN) != 0) {
		snprintf(error, COORDINATOR_ERROR_LEN,
			 "the stored admin key is damaged: make a new one with admin-key");
		c->has_admin_key = false;
	}
	return 0;
}

static int load_tables(struct coordinator *c, char *error)
{
	const struct store_ops *ops = c->store->ops;

	if (ops->nodes_read(c->store, load_node, c) != 0 ||
	    ops->tokens_read(c->store, load_token, c) != 0 ||
	    ops->removed_read(c->store, load_removed, c) != 0 ||
	    ops->relays_read(c->store, load_relay, c) != 0)
		return store_failed(c, error);
	int err = load_last_host(c, error);
	if (err == 0)
		err = load_policy(c, error);
	if (err == 0)
		err = load_admin_key(c, error);
	return err ? err : merge_relays(c, error);
}

/* In one transaction, so that a mesh is made whole or not at all. */
static int load(struct coordinator *c, const struct coordinator_config *cfg, char *error)
{
	if (c->store->ops->begin(c->store, true) != 0)
		return store_failed(c, error);
	int err = load_prefixes(c, cfg, error);
	if (err == 0)
		err = load_numbers(c, cfg->random + 2 * IPAM_RANDOM_LEN, error);
	if (err == 0)
		err = load_tables(c, error);
	if (err) {
		c->store->ops->rollback(c->store);
		return err;
	}
	return c->store->ops->commit(c->store) == 0 ? 0 : store_failed(c, error);
}

int coordinator_open(const struct coordinator_config *cfg, struct coordinator **out,
		     char error[static COORDINATOR_ERROR_LEN])
{
	struct coordinator *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->ops = cfg->ops;
	c->store = cfg->store;
	c->started_us = cfg->now_us;
	memcpy(c->spki_hash, cfg->spki_hash, sizeof(c->spki_hash));
	c->registry = registry_new(cfg->random + COORDINATOR_RANDOM_LEN - REGISTRY_SEED_LEN);
	c->audit_queue = calloc(AUDIT_QUEUE_MAX, sizeof(*c->audit_queue));
	if (!c->audit_queue)
		abort();
	int err = load(c, cfg, error);
	if (err) {
		coordinator_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void coordinator_free(struct coordinator *c)
{
	if (!c)
		return;
	registry_free(c->registry);
	token_table_wipe(&c->tokens);
	removed_table_wipe(&c->removed);
	netmap_free(c->netmap);
	policy_free(c->policy);
	free(c->policy_text);
	relay_book_wipe(&c->relays);
	free(c->dirty);
	free(c->audit_queue);
	free(c);
}
