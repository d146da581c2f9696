#include "coordinator/store_sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "common/disk.h"
#include "coordinator/store_query.h"
#include "coordinator/store_rows.h"

enum { SCHEMA_VERSION = 1 };

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
		return query_failed(s);
	s->durable = durable;
	return 0;
}

static int begin(struct store *base, bool durable)
{
	int err = set_durable(query_store(base), durable);

	return err ? err : query_run(base, BEGIN);
}

static void rollback(struct store *base)
{
	if (!sqlite3_get_autocommit(query_store(base)->db) && query_run(base, ROLLBACK) != 0)
		sqlite3_interrupt(query_store(base)->db);
}

static int commit(struct store *base)
{
	int err = query_run(base, COMMIT);

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
	query_bind_text(query_of(base, SETTING_GET), 1, name);
	return query_each(base, SETTING_GET, setting_row, out);
}

static int setting_put(struct store *base, const char *name, const char *value)
{
	sqlite3_stmt *q = query_of(base, SETTING_PUT);

	query_bind_text(q, 1, name);
	query_bind_text(q, 2, value);
	return query_run(base, SETTING_PUT);
}

/* ---- opening ---- */

/* SQLite's findings may have several lines; an error of ours has one. */
static void make_one_line(char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			*text = ' ';
}

static void store_close(struct store *base)
{
	struct store_sqlite *s = query_store(base);

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
	.nodes_read = row_nodes_read,
	.node_put = row_node_put,
	.node_delete = row_node_delete,
	.tokens_read = row_tokens_read,
	.token_put = row_token_put,
	.token_delete = row_token_delete,
	.removed_read = row_removed_read,
	.removed_put = row_removed_put,
	.relays_read = row_relays_read,
	.relay_put = row_relay_put,
	.relay_delete = row_relay_delete,
	.audit_add = row_audit_add,
	.audit_read = row_audit_read,
	.audit_trim = row_audit_trim,
};

static int exec(struct store_sqlite *s, const char *text)
{
	return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : query_failed(s);
}

static int read_version(struct store_sqlite *s, int *version)
{
	sqlite3_stmt *q = NULL;

	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &q, NULL) != SQLITE_OK ||
	    sqlite3_step(q) != SQLITE_ROW) {
		sqlite3_finalize(q);
		return query_failed(s);
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
		err = query_failed(s);
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
		if (sqlite3_prepare_v3(s->db, query_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &s->prepared[i], NULL) != SQLITE_OK)
			err = query_failed(s);
	return err;
}

/* SQLite would make the file with the umask's mode. */
static void make_private(const char *path)
{
	int fd;

	if (disk_open(path, DISK_UPDATE, &fd) == 0)
		disk_close(fd);
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
			  : query_failed(s);
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
