#include "coordinator/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

enum { SCHEMA_VERSION = 1, ENDPOINTS_TEXT_LEN = CONTROL_MAX_ENDPOINTS * (ENDPOINT_TEXT_LEN + 10) };

static const char schema[] =
	"CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE nodes (id INTEGER PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL,"
	" role TEXT NOT NULL, ephemeral INTEGER NOT NULL, token_id INTEGER NOT NULL,"
	" joined INTEGER NOT NULL, seen INTEGER NOT NULL, v4 TEXT NOT NULL, v6 TEXT NOT NULL,"
	" machine_key BLOB NOT NULL UNIQUE, node_key BLOB NOT NULL, node_serial INTEGER NOT NULL,"
	" node_sig BLOB NOT NULL, disco_key BLOB NOT NULL, disco_serial INTEGER NOT NULL,"
	" disco_sig BLOB NOT NULL, version TEXT NOT NULL, caps INTEGER NOT NULL,"
	" endpoints TEXT NOT NULL, home_region INTEGER NOT NULL, UNIQUE (owner, name));"
	"CREATE TABLE tokens (id INTEGER PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL,"
	" role TEXT, reusable INTEGER NOT NULL, ephemeral INTEGER NOT NULL,"
	" revoked INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,"
	" hash BLOB NOT NULL UNIQUE, spent_by BLOB NOT NULL);"
	"CREATE TABLE removed (machine_key BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE relays (region INTEGER NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL,"
	" secret_hash BLOB NOT NULL, PRIMARY KEY (region, name)) WITHOUT ROWID;"
	"CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, unix_ms INTEGER NOT NULL,"
	" kind TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL);"
	"PRAGMA user_version = 1;";

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	SETTING_GET,
	SETTING_PUT,
	NODES_READ,
	NODE_PUT,
	NODE_DELETE,
	TOKENS_READ,
	TOKEN_PUT,
	TOKEN_DELETE,
	REMOVED_READ,
	REMOVED_PUT,
	RELAYS_READ,
	RELAY_PUT,
	RELAY_DELETE,
	AUDIT_ADD,
	AUDIT_READ,
	AUDIT_READ_NEWEST,
	AUDIT_TRIM,
	STATEMENTS
};

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[SETTING_GET] = "SELECT value FROM settings WHERE name = ?1",
	[SETTING_PUT] = "INSERT OR REPLACE INTO settings VALUES (?1, ?2)",
	[NODES_READ] = "SELECT * FROM nodes ORDER BY id",
	/* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): its next has a designator. */
	[NODE_PUT] = "INSERT OR REPLACE INTO nodes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
		     "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
	[NODE_DELETE] = "DELETE FROM nodes WHERE id = ?1",
	[TOKENS_READ] = "SELECT * FROM tokens ORDER BY id",
	[TOKEN_PUT] = "INSERT OR REPLACE INTO tokens VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
		      "?10, ?11)",
	[TOKEN_DELETE] = "DELETE FROM tokens WHERE id = ?1",
	[REMOVED_READ] = "SELECT machine_key, at FROM removed ORDER BY at",
	[REMOVED_PUT] = "INSERT OR REPLACE INTO removed VALUES (?1, ?2)",
	[RELAYS_READ] = "SELECT region, name, json, secret_hash FROM relays ORDER BY region, name",
	[RELAY_PUT] = "INSERT OR REPLACE INTO relays VALUES (?1, ?2, ?3, ?4)",
	[RELAY_DELETE] = "DELETE FROM relays WHERE region = ?1",
	[AUDIT_ADD] = "INSERT INTO audit (unix_ms, kind, who, what) VALUES (?1, ?2, ?3, ?4)",
	[AUDIT_READ] = "SELECT id, unix_ms, kind, who, what FROM audit WHERE id > ?1 ORDER BY id "
		       "LIMIT ?2",
	[AUDIT_READ_NEWEST] = "SELECT * FROM (SELECT id, unix_ms, kind, who, what FROM audit "
			      "WHERE id > ?1 ORDER BY id DESC LIMIT ?2) ORDER BY id",
	[AUDIT_TRIM] = "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1",
};

struct store_sqlite {
	struct store base;
	sqlite3 *db;
	sqlite3_stmt *prepared[STATEMENTS];
	bool durable; /* what synchronous is set to */
	char failure[STORE_ERROR_LEN];
};

static struct store_sqlite *self(struct store *s)
{
	return (struct store_sqlite *)(void *)s;
}

static int fail(struct store_sqlite *s)
{
	snprintf(s->failure, sizeof(s->failure), "%s", sqlite3_errmsg(s->db));
	return -EIO;
}

/* SQLite's findings may have several lines; an error of ours has one. */
static void make_one_line(char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			*text = ' ';
}

/* ---- binding and reading ---- */

static void bind_text(sqlite3_stmt *q, int at, const char *text)
{
	sqlite3_bind_text(q, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_int(sqlite3_stmt *q, int at, uint64_t value)
{
	sqlite3_bind_int64(q, at, (sqlite3_int64)value);
}

static void bind_bytes(sqlite3_stmt *q, int at, const void *bytes, size_t len)
{
	sqlite3_bind_blob(q, at, bytes, (int)len, SQLITE_TRANSIENT);
}

static uint64_t column_int(sqlite3_stmt *q, int at)
{
	return (uint64_t)sqlite3_column_int64(q, at);
}

/* A row that does not fit what this program writes makes *bad true. */
static void column_text(sqlite3_stmt *q, int at, char *out, size_t cap, bool *bad)
{
	const char *text = (const char *)sqlite3_column_text(q, at);

	if (!text || strlen(text) >= cap) {
		*bad = true;
		text = "";
	}
	snprintf(out, cap, "%s", text);
}

static void column_bytes(sqlite3_stmt *q, int at, void *out, size_t len, bool *bad)
{
	const void *bytes = sqlite3_column_blob(q, at);

	if (!bytes || sqlite3_column_bytes(q, at) != (int)len)
		*bad = true;
	else
		memcpy(out, bytes, len);
}

static sqlite3_stmt *statement(struct store *base, enum statement which)
{
	return self(base)->prepared[which];
}

/* Runs a statement that gives no rows. */
static int run(struct store *base, enum statement which)
{
	struct store_sqlite *s = self(base);
	sqlite3_stmt *q = s->prepared[which];

	int rc = sqlite3_step(q);
	int err = rc == SQLITE_DONE ? 0 : fail(s);
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return err;
}

/* Calls row for each row until it fails; row returns 0, or -EIO where the row is damaged. */
static int each_row(struct store *base, enum statement which,
		    int (*row)(sqlite3_stmt *q, void *arg), void *arg)
{
	struct store_sqlite *s = self(base);
	sqlite3_stmt *q = s->prepared[which];
	int rc = SQLITE_DONE, err = 0;

	while (err == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW)
		err = row(q, arg);
	if (err)
		snprintf(s->failure, sizeof(s->failure), "a row of the store is damaged (%s)",
			 sql[which]);
	else if (rc != SQLITE_DONE)
		err = fail(s);
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return err;
}

/* ---- transactions and settings ---- */

static const char *store_error(const struct store *base)
{
	return ((const struct store_sqlite *)(const void *)base)->failure;
}

static int set_durable(struct store_sqlite *s, bool durable)
{
	if (s->durable == durable)
		return 0;
	if (sqlite3_exec(s->db,
			 durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
			 NULL, NULL, NULL) != SQLITE_OK)
		return fail(s);
	s->durable = durable;
	return 0;
}

static int begin(struct store *base, bool durable)
{
	int err = set_durable(self(base), durable);

	return err ? err : run(base, BEGIN);
}

static void rollback(struct store *base)
{
	if (!sqlite3_get_autocommit(self(base)->db) && run(base, ROLLBACK) != 0)
		sqlite3_interrupt(self(base)->db);
}

static int commit(struct store *base)
{
	int err = run(base, COMMIT);

	if (err)
		rollback(base);
	return err;
}

static int setting_row(sqlite3_stmt *q, void *arg)
{
	char **out = arg;
	const char *text = (const char *)sqlite3_column_text(q, 0);

	*out = text ? strdup(text) : NULL;
	return *out ? 0 : -EIO;
}

static int setting_get(struct store *base, const char *name, char **out)
{
	*out = NULL;
	bind_text(statement(base, SETTING_GET), 1, name);
	return each_row(base, SETTING_GET, setting_row, out);
}

static int setting_put(struct store *base, const char *name, const char *value)
{
	sqlite3_stmt *q = statement(base, SETTING_PUT);

	bind_text(q, 1, name);
	bind_text(q, 2, value);
	return run(base, SETTING_PUT);
}

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
	bind_bytes(q, at, k->key.b, KEY_LEN);
	bind_int(q, at + 1, k->serial);
	bind_bytes(q, at + 2, k->sig, SIGNATURE_LEN);
}

static void column_key(sqlite3_stmt *q, int at, struct control_key *k, bool *bad)
{
	column_bytes(q, at, k->key.b, KEY_LEN, bad);
	k->serial = column_int(q, at + 1);
	column_bytes(q, at + 2, k->sig, SIGNATURE_LEN, bad);
}

static int node_put(struct store *base, const struct node *n)
{
	sqlite3_stmt *q = statement(base, NODE_PUT);
	char v4[IP_TEXT_LEN], v6[IP_TEXT_LEN], endpoints[ENDPOINTS_TEXT_LEN];

	ip_str(&n->v4, v4);
	ip_str(&n->v6, v6);
	endpoints_str(&n->endpoints, endpoints);
	bind_int(q, 1, n->id);
	bind_text(q, 2, n->name);
	bind_text(q, 3, n->owner);
	bind_text(q, 4, control_role_str(n->role));
	bind_int(q, 5, n->ephemeral);
	bind_int(q, 6, n->token_id);
	bind_int(q, 7, n->joined_unix_s);
	bind_int(q, 8, n->seen_unix_s);
	bind_text(q, 9, v4);
	bind_text(q, 10, v6);
	bind_bytes(q, 11, n->machine_key.b, KEY_LEN);
	bind_key(q, 12, &n->node_key);
	bind_key(q, 15, &n->disco_key);
	bind_text(q, 18, n->version);
	bind_int(q, 19, n->caps);
	bind_text(q, 20, endpoints);
	bind_int(q, 21, n->home_region);
	return run(base, NODE_PUT);
}

static void read_addresses(sqlite3_stmt *q, struct node *n, bool *bad)
{
	char v4[IP_TEXT_LEN], v6[IP_TEXT_LEN], endpoints[ENDPOINTS_TEXT_LEN];

	column_text(q, 8, v4, sizeof(v4), bad);
	column_text(q, 9, v6, sizeof(v6), bad);
	column_text(q, 19, endpoints, sizeof(endpoints), bad);
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
	struct node n = {.id = (uint32_t)column_int(q, 0)};
	char role[16];
	bool bad = false;

	column_text(q, 1, n.name, sizeof(n.name), &bad);
	column_text(q, 2, n.owner, sizeof(n.owner), &bad);
	column_text(q, 3, role, sizeof(role), &bad);
	n.ephemeral = column_int(q, 4) != 0;
	n.token_id = (uint32_t)column_int(q, 5);
	n.joined_unix_s = column_int(q, 6);
	n.seen_unix_s = column_int(q, 7);
	read_addresses(q, &n, &bad);
	column_bytes(q, 10, n.machine_key.b, KEY_LEN, &bad);
	column_key(q, 11, &n.node_key, &bad);
	column_key(q, 14, &n.disco_key, &bad);
	column_text(q, 17, n.version, sizeof(n.version), &bad);
	n.caps = (uint32_t)column_int(q, 18);
	n.home_region = (uint32_t)column_int(q, 20);
	if (bad || control_role_parse(role, &n.role) != 0)
		return -EIO;
	return reader->each(reader->arg, &n);
}

static int nodes_read(struct store *base, int (*each)(void *arg, const struct node *n), void *arg)
{
	struct node_reader reader = {each, arg};

	return each_row(base, NODES_READ, node_row, &reader);
}

static int node_delete(struct store *base, uint32_t id)
{
	bind_int(statement(base, NODE_DELETE), 1, id);
	return run(base, NODE_DELETE);
}

/* ---- tokens and removed keys ---- */

static int token_put(struct store *base, const struct token *t)
{
	sqlite3_stmt *q = statement(base, TOKEN_PUT);

	bind_int(q, 1, t->id);
	bind_text(q, 2, t->name);
	bind_text(q, 3, t->owner);
	if (t->has_role)
		bind_text(q, 4, control_role_str(t->role));
	bind_int(q, 5, t->reusable);
	bind_int(q, 6, t->ephemeral);
	bind_int(q, 7, t->revoked);
	bind_int(q, 8, t->created_unix_s);
	bind_int(q, 9, t->expires_unix_s);
	bind_bytes(q, 10, t->hash, TOKEN_HASH_LEN);
	bind_bytes(q, 11, t->spent_by.b, KEY_LEN);
	return run(base, TOKEN_PUT);
}

struct token_reader {
	int (*each)(void *arg, const struct token *t);
	void *arg;
};

static int token_row(sqlite3_stmt *q, void *arg)
{
	const struct token_reader *reader = arg;
	struct token t = {.id = (uint32_t)column_int(q, 0)};
	bool bad = false;

	column_text(q, 1, t.name, sizeof(t.name), &bad);
	column_text(q, 2, t.owner, sizeof(t.owner), &bad);
	t.has_role = sqlite3_column_type(q, 3) != SQLITE_NULL;
	if (t.has_role) {
		char role[16];

		column_text(q, 3, role, sizeof(role), &bad);
		bad = bad || control_role_parse(role, &t.role) != 0;
	}
	t.reusable = column_int(q, 4) != 0;
	t.ephemeral = column_int(q, 5) != 0;
	t.revoked = column_int(q, 6) != 0;
	t.created_unix_s = column_int(q, 7);
	t.expires_unix_s = column_int(q, 8);
	column_bytes(q, 9, t.hash, TOKEN_HASH_LEN, &bad);
	column_bytes(q, 10, t.spent_by.b, KEY_LEN, &bad);
	return bad ? -EIO : reader->each(reader->arg, &t);
}

static int tokens_read(struct store *base, int (*each)(void *arg, const struct token *t), void *arg)
{
	struct token_reader reader = {each, arg};

	return each_row(base, TOKENS_READ, token_row, &reader);
}

static int token_delete(struct store *base, uint32_t id)
{
	bind_int(statement(base, TOKEN_DELETE), 1, id);
	return run(base, TOKEN_DELETE);
}

struct removed_reader {
	int (*each)(void *arg, const struct removed *r);
	void *arg;
};

static int removed_row(sqlite3_stmt *q, void *arg)
{
	const struct removed_reader *reader = arg;
	struct removed r = {.unix_s = column_int(q, 1)};
	bool bad = false;

	column_bytes(q, 0, r.machine_key.b, KEY_LEN, &bad);
	return bad ? -EIO : reader->each(reader->arg, &r);
}

static int removed_read(struct store *base, int (*each)(void *arg, const struct removed *r),
			void *arg)
{
	struct removed_reader reader = {each, arg};

	return each_row(base, REMOVED_READ, removed_row, &reader);
}

static int removed_put(struct store *base, const struct removed *r)
{
	sqlite3_stmt *q = statement(base, REMOVED_PUT);

	bind_bytes(q, 1, r->machine_key.b, KEY_LEN);
	bind_int(q, 2, r->unix_s);
	return run(base, REMOVED_PUT);
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
	struct added_relay r = {.region = (uint32_t)column_int(q, 0),
				.json = strdup(json ? json : "")};
	bool bad = r.json == NULL;

	column_text(q, 1, r.name, sizeof(r.name), &bad);
	column_bytes(q, 3, r.secret_hash, RELAY_HASH_LEN, &bad);
	int err = bad ? -EIO : reader->each(reader->arg, &r);
	free(r.json);
	return err;
}

static int relays_read(struct store *base, int (*each)(void *arg, const struct added_relay *r),
		       void *arg)
{
	struct relay_reader reader = {each, arg};

	return each_row(base, RELAYS_READ, relay_row, &reader);
}

static int relay_put(struct store *base, const struct added_relay *r)
{
	sqlite3_stmt *q = statement(base, RELAY_PUT);

	bind_int(q, 1, r->region);
	bind_text(q, 2, r->name);
	bind_text(q, 3, r->json);
	bind_bytes(q, 4, r->secret_hash, RELAY_HASH_LEN);
	return run(base, RELAY_PUT);
}

static int relay_delete(struct store *base, uint32_t region)
{
	bind_int(statement(base, RELAY_DELETE), 1, region);
	return run(base, RELAY_DELETE);
}

/* ---- audit ---- */

static int audit_add(struct store *base, const struct audit_row *row)
{
	sqlite3_stmt *q = statement(base, AUDIT_ADD);

	bind_int(q, 1, row->unix_ms);
	bind_text(q, 2, row->kind);
	bind_text(q, 3, row->who);
	bind_text(q, 4, row->what);
	return run(base, AUDIT_ADD);
}

struct audit_reader {
	void (*each)(void *arg, const struct audit_row *row);
	void *arg;
};

static int audit_row_read(sqlite3_stmt *q, void *arg)
{
	const struct audit_reader *reader = arg;
	struct audit_row row = {.id = column_int(q, 0), .unix_ms = column_int(q, 1)};
	bool bad = false;

	column_text(q, 2, row.kind, sizeof(row.kind), &bad);
	column_text(q, 3, row.who, sizeof(row.who), &bad);
	column_text(q, 4, row.what, sizeof(row.what), &bad);
	if (bad)
		return -EIO;
	reader->each(reader->arg, &row);
	return 0;
}

static int audit_read(struct store *base, uint64_t after_id, size_t max, bool newest,
		      void (*each)(void *arg, const struct audit_row *row), void *arg)
{
	struct audit_reader reader = {each, arg};
	enum statement which = newest ? AUDIT_READ_NEWEST : AUDIT_READ;

	bind_int(statement(base, which), 1, after_id);
	bind_int(statement(base, which), 2, max);
	return each_row(base, which, audit_row_read, &reader);
}

static int audit_trim(struct store *base, uint64_t keep)
{
	bind_int(statement(base, AUDIT_TRIM), 1, keep);
	return run(base, AUDIT_TRIM);
}

/* ---- opening ---- */

static void store_close(struct store *base)
{
	struct store_sqlite *s = self(base);

	if (!s)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(s->prepared[i]);
	sqlite3_close(s->db);
	free(s);
}

static const struct store_ops ops = {
	.close = store_close,
	.error = store_error,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.setting_get = setting_get,
	.setting_put = setting_put,
	.nodes_read = nodes_read,
	.node_put = node_put,
	.node_delete = node_delete,
	.tokens_read = tokens_read,
	.token_put = token_put,
	.token_delete = token_delete,
	.removed_read = removed_read,
	.removed_put = removed_put,
	.relays_read = relays_read,
	.relay_put = relay_put,
	.relay_delete = relay_delete,
	.audit_add = audit_add,
	.audit_read = audit_read,
	.audit_trim = audit_trim,
};

static int exec(struct store_sqlite *s, const char *text)
{
	return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(s);
}

static int read_version(struct store_sqlite *s, int *version)
{
	sqlite3_stmt *q = NULL;

	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &q, NULL) != SQLITE_OK ||
	    sqlite3_step(q) != SQLITE_ROW) {
		sqlite3_finalize(q);
		return fail(s);
	}
	*version = sqlite3_column_int(q, 0);
	sqlite3_finalize(q);
	return 0;
}

/* Makes the tables of a new file; refuses those of a newer version. */
static int make_schema(struct store_sqlite *s)
{
	int version = 0;

	int err = read_version(s, &version);
	if (err)
		return err;
	if (version > SCHEMA_VERSION) {
		snprintf(s->failure, sizeof(s->failure),
			 "it was written by a newer version of this program (schema %d, this one "
			 "knows %d): upgrade",
			 version, SCHEMA_VERSION);
		return -EIO;
	}
	if (version == SCHEMA_VERSION)
		return 0;
	err = exec(s, "BEGIN EXCLUSIVE");
	if (err == 0)
		err = exec(s, schema);
	return err ? err : exec(s, "COMMIT");
}

static int check_whole(struct store_sqlite *s)
{
	sqlite3_stmt *q = NULL;
	int err = 0;

	if (sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &q, NULL) != SQLITE_OK ||
	    sqlite3_step(q) != SQLITE_ROW)
		err = fail(s);
	else if (strcmp((const char *)sqlite3_column_text(q, 0), "ok") != 0) {
		snprintf(s->failure, sizeof(s->failure), "it is damaged (%s)",
			 (const char *)sqlite3_column_text(q, 0));
		make_one_line(s->failure);
		err = -EIO;
	}
	sqlite3_finalize(q);
	return err;
}

static int open_tables(struct store_sqlite *s)
{
	sqlite3_busy_timeout(s->db, 2000);
	int err = exec(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
	if (err == 0)
		err = check_whole(s);
	if (err == 0)
		err = make_schema(s);
	for (int i = 0; err == 0 && i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &s->prepared[i], NULL) != SQLITE_OK)
			err = fail(s);
	return err;
}

/* SQLite would make the file with the umask's mode. */
static void make_private(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
}

int store_sqlite_open(const char *path, struct store **out, char error[static STORE_ERROR_LEN])
{
	struct store_sqlite *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->base.ops = &ops;
	make_private(path);
	int err = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) ==
				  SQLITE_OK
			  ? open_tables(s)
			  : fail(s);
	if (err) {
		snprintf(error, STORE_ERROR_LEN,
			 "cannot use the store %.100s: %.90s; restore a copy or move it away", path,
			 s->failure);
		store_close(&s->base);
		return err;
	}
	*out = &s->base;
	return 0;
}
