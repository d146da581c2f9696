#include "coordinator/store_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/store_query.h"

enum { ENDPOINTS_TEXT_LEN = CONTROL_MAX_ENDPOINTS * (ENDPOINT_TEXT_LEN + 10) };

/* ---- nodes ---- */

/* "192.0.2.1:80/stun [2001:db8::1]:80/local" */
static void endpoints_str(const struct control_endpoints *e, char out[static ENDPOINTS_TEXT_LEN])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < e->count; i++) {
		char addr[ENDPOINT_TEXT_LEN];

		endpoint_str(&e->list[i].addr, addr);
		len += (size_t)snprintf(out + len, ENDPOINTS_TEXT_LEN - len, "%s%s/%s",
					i ? " " : "", addr,
					control_endpoint_kind_str(e->list[i].kind));
	}
}

static int endpoint_item_parse(char *item, struct control_endpoint *out)
{
	char *slash = strchr(item, '/');

	if (!slash)
		return -EBADMSG;
	*slash = '\0';
	for (unsigned kind = CONTROL_LOCAL; kind <= CONTROL_STATIC; kind++) {
		out->kind = (enum control_endpoint_kind)kind;
		if (strcmp(slash + 1, control_endpoint_kind_str(out->kind)) == 0)
			return endpoint_parse(item, &out->addr);
	}
	return -EBADMSG;
}

static void endpoints_parse(char *text, struct control_endpoints *out, bool *bad)
{
	char *at = NULL;

	out->count = 0;
	for (char *item = strtok_r(text, " ", &at); item; item = strtok_r(NULL, " ", &at)) {
		if (out->count == CONTROL_MAX_ENDPOINTS ||
		    endpoint_item_parse(item, &out->list[out->count]) != 0) {
			*bad = true;
			return;
		}
		out->count++;
	}
}

static void bind_key(sqlite3_stmt *q, int at, const struct control_key *k)
{
	query_bind_bytes(q, at, k->key.b, KEY_LEN);
	query_bind_int(q, at + 1, k->serial);
	query_bind_bytes(q, at + 2, k->sig, SIGNATURE_LEN);
}

static void column_key(sqlite3_stmt *q, int at, struct control_key *k, bool *bad)
{
	query_bytes(q, at, k->key.b, KEY_LEN, bad);
	k->serial = query_int(q, at + 1);
	query_bytes(q, at + 2, k->sig, SIGNATURE_LEN, bad);
}

int row_node_put(struct store *base, const struct node *n)
{
	sqlite3_stmt *q = query_of(base, NODE_PUT);
	char v4[IP_TEXT_LEN], v6[IP_TEXT_LEN], endpoints[ENDPOINTS_TEXT_LEN];

	ip_str(&n->v4, v4);
	ip_str(&n->v6, v6);
	endpoints_str(&n->endpoints, endpoints);
	query_bind_int(q, 1, n->id);
	query_bind_text(q, 2, n->name);
	query_bind_text(q, 3, n->owner);
	query_bind_text(q, 4, control_role_str(n->role));
	query_bind_int(q, 5, n->ephemeral);
	query_bind_int(q, 6, n->token_id);
	query_bind_int(q, 7, n->joined_unix_s);
	query_bind_int(q, 8, n->seen_unix_s);
	query_bind_text(q, 9, v4);
	query_bind_text(q, 10, v6);
	query_bind_bytes(q, 11, n->machine_key.b, KEY_LEN);
	bind_key(q, 12, &n->node_key);
	bind_key(q, 15, &n->disco_key);
	query_bind_text(q, 18, n->version);
	query_bind_int(q, 19, n->caps);
	query_bind_text(q, 20, endpoints);
	query_bind_int(q, 21, n->home_region);
	return query_run(base, NODE_PUT);
}

static void read_addresses(sqlite3_stmt *q, struct node *n, bool *bad)
{
	char v4[IP_TEXT_LEN], v6[IP_TEXT_LEN], endpoints[ENDPOINTS_TEXT_LEN];

	query_text(q, 8, v4, sizeof(v4), bad);
	query_text(q, 9, v6, sizeof(v6), bad);
	query_text(q, 19, endpoints, sizeof(endpoints), bad);
	endpoints_parse(endpoints, &n->endpoints, bad);
	if (ip_parse(v4, &n->v4) != 0 || ip_parse(v6, &n->v6) != 0)
		*bad = true;
}

struct node_reader {
	int (*each)(void *arg, const struct node *n);
	void *arg;
};

static int node_row(sqlite3_stmt *q, void *arg)
{
	const struct node_reader *reader = arg;
	struct node n = {.id = (uint32_t)query_int(q, 0)};
	char role[16];
	bool bad = false;

	query_text(q, 1, n.name, sizeof(n.name), &bad);
	query_text(q, 2, n.owner, sizeof(n.owner), &bad);
	query_text(q, 3, role, sizeof(role), &bad);
	n.ephemeral = query_int(q, 4) != 0;
	n.token_id = (uint32_t)query_int(q, 5);
	n.joined_unix_s = query_int(q, 6);
	n.seen_unix_s = query_int(q, 7);
	read_addresses(q, &n, &bad);
	query_bytes(q, 10, n.machine_key.b, KEY_LEN, &bad);
	column_key(q, 11, &n.node_key, &bad);
	column_key(q, 14, &n.disco_key, &bad);
	query_text(q, 17, n.version, sizeof(n.version), &bad);
	n.caps = (uint32_t)query_int(q, 18);
	n.home_region = (uint32_t)query_int(q, 20);
	if (bad || control_role_parse(role, &n.role) != 0)
		return -EIO;
	return reader->each(reader->arg, &n);
}

int row_nodes_read(struct store *base, int (*each)(void *arg, const struct node *n), void *arg)
{
	struct node_reader reader = {each, arg};

	return query_each(base, NODES_READ, node_row, &reader);
}

int row_node_delete(struct store *base, uint32_t id)
{
	query_bind_int(query_of(base, NODE_DELETE), 1, id);
	return query_run(base, NODE_DELETE);
}

/* ---- tokens and removed keys ---- */

int row_token_put(struct store *base, const struct token *t)
{
	sqlite3_stmt *q = query_of(base, TOKEN_PUT);

	query_bind_int(q, 1, t->id);
	query_bind_text(q, 2, t->name);
	query_bind_text(q, 3, t->owner);
	if (t->has_role)
		query_bind_text(q, 4, control_role_str(t->role));
	query_bind_int(q, 5, t->reusable);
	query_bind_int(q, 6, t->ephemeral);
	query_bind_int(q, 7, t->revoked);
	query_bind_int(q, 8, t->created_unix_s);
	query_bind_int(q, 9, t->expires_unix_s);
	query_bind_bytes(q, 10, t->hash, TOKEN_HASH_LEN);
	query_bind_bytes(q, 11, t->spent_by.b, KEY_LEN);
	return query_run(base, TOKEN_PUT);
}

struct token_reader {
	int (*each)(void *arg, const struct token *t);
	void *arg;
};

static int token_row(sqlite3_stmt *q, void *arg)
{
	const struct token_reader *reader = arg;
	struct token t = {.id = (uint32_t)query_int(q, 0)};
	bool bad = false;

	query_text(q, 1, t.name, sizeof(t.name), &bad);
	query_text(q, 2, t.owner, sizeof(t.owner), &bad);
	t.has_role = sqlite3_column_type(q, 3) != SQLITE_NULL;
	if (t.has_role) {
		char role[16];

		query_text(q, 3, role, sizeof(role), &bad);
		bad = bad || control_role_parse(role, &t.role) != 0;
	}
	t.reusable = query_int(q, 4) != 0;
	t.ephemeral = query_int(q, 5) != 0;
	t.revoked = query_int(q, 6) != 0;
	t.created_unix_s = query_int(q, 7);
	t.expires_unix_s = query_int(q, 8);
	query_bytes(q, 9, t.hash, TOKEN_HASH_LEN, &bad);
	query_bytes(q, 10, t.spent_by.b, KEY_LEN, &bad);
	return bad ? -EIO : reader->each(reader->arg, &t);
}

int row_tokens_read(struct store *base, int (*each)(void *arg, const struct token *t), void *arg)
{
	struct token_reader reader = {each, arg};

	return query_each(base, TOKENS_READ, token_row, &reader);
}

int row_token_delete(struct store *base, uint32_t id)
{
	query_bind_int(query_of(base, TOKEN_DELETE), 1, id);
	return query_run(base, TOKEN_DELETE);
}

struct removed_reader {
	int (*each)(void *arg, const struct removed *r);
	void *arg;
};

static int removed_row(sqlite3_stmt *q, void *arg)
{
	const struct removed_reader *reader = arg;
	struct removed r = {.unix_s = query_int(q, 1)};
	bool bad = false;

	query_bytes(q, 0, r.machine_key.b, KEY_LEN, &bad);
	return bad ? -EIO : reader->each(reader->arg, &r);
}

int row_removed_read(struct store *base, int (*each)(void *arg, const struct removed *r), void *arg)
{
	struct removed_reader reader = {each, arg};

	return query_each(base, REMOVED_READ, removed_row, &reader);
}

int row_removed_put(struct store *base, const struct removed *r)
{
	sqlite3_stmt *q = query_of(base, REMOVED_PUT);

	query_bind_bytes(q, 1, r->machine_key.b, KEY_LEN);
	query_bind_int(q, 2, r->unix_s);
	return query_run(base, REMOVED_PUT);
}

/* ---- relays ---- */

struct relay_reader {
	int (*each)(void *arg, const struct added_relay *r);
	void *arg;
};

static int relay_row(sqlite3_stmt *q, void *arg)
{
	const struct relay_reader *reader = arg;
	const char *json = (const char *)sqlite3_column_text(q, 2);
	struct added_relay r = {.region = (uint32_t)query_int(q, 0),
				.json = strdup(json ? json : "")};
	bool bad = r.json == NULL;

	query_text(q, 1, r.name, sizeof(r.name), &bad);
	query_bytes(q, 3, r.secret_hash, RELAY_HASH_LEN, &bad);
	int err = bad ? -EIO : reader->each(reader->arg, &r);
	free(r.json);
	return err;
}

int row_relays_read(struct store *base, int (*each)(void *arg, const struct added_relay *r),
		    void *arg)
{
	struct relay_reader reader = {each, arg};

	return query_each(base, RELAYS_READ, relay_row, &reader);
}

int row_relay_put(struct store *base, const struct added_relay *r)
{
	sqlite3_stmt *q = query_of(base, RELAY_PUT);

	query_bind_int(q, 1, r->region);
	query_bind_text(q, 2, r->name);
	query_bind_text(q, 3, r->json);
	query_bind_bytes(q, 4, r->secret_hash, RELAY_HASH_LEN);
	return query_run(base, RELAY_PUT);
}

int row_relay_delete(struct store *base, uint32_t region)
{
	query_bind_int(query_of(base, RELAY_DELETE), 1, region);
	return query_run(base, RELAY_DELETE);
}

/* ---- audit ---- */

int row_audit_add(struct store *base, const struct audit_row *row)
{
	sqlite3_stmt *q = query_of(base, AUDIT_ADD);

	query_bind_int(q, 1, row->unix_ms);
	query_bind_text(q, 2, row->kind);
	query_bind_text(q, 3, row->who);
	query_bind_text(q, 4, row->what);
	return query_run(base, AUDIT_ADD);
}

struct audit_reader {
	void (*each)(void *arg, const struct audit_row *row);
	void *arg;
};

static int audit_row_read(sqlite3_stmt *q, void *arg)
{
	const struct audit_reader *reader = arg;
	struct audit_row row = {.id = query_int(q, 0), .unix_ms = query_int(q, 1)};
	bool bad = false;

	query_text(q, 2, row.kind, sizeof(row.kind), &bad);
	query_text(q, 3, row.who, sizeof(row.who), &bad);
	query_text(q, 4, row.what, sizeof(row.what), &bad);
	if (bad)
		return -EIO;
	reader->each(reader->arg, &row);
	return 0;
}

int row_audit_read(struct store *base, uint64_t after_id, size_t max, bool newest,
		   void (*each)(void *arg, const struct audit_row *row), void *arg)
{
	struct audit_reader reader = {each, arg};
	enum statement which = newest ? AUDIT_READ_NEWEST : AUDIT_READ;

	query_bind_int(query_of(base, which), 1, after_id);
	query_bind_int(query_of(base, which), 2, max);
	return query_each(base, which, audit_row_read, &reader);
}

int row_audit_trim(struct store *base, uint64_t keep)
{
	query_bind_int(query_of(base, AUDIT_TRIM), 1, keep);
	return query_run(base, AUDIT_TRIM);
}
