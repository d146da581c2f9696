#include "coordinator/store_query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const query_sql[STATEMENTS] = {
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

struct store_sqlite *query_store(struct store *s)
{
	return (struct store_sqlite *)(void *)s;
}

int query_failed(struct store_sqlite *s)
{
	snprintf(s->failure, sizeof(s->failure), "%s", sqlite3_errmsg(s->db));
	return -EIO;
}

void query_bind_text(sqlite3_stmt *q, int at, const char *text)
{
	sqlite3_bind_text(q, at, text, -1, SQLITE_TRANSIENT);
}

void query_bind_int(sqlite3_stmt *q, int at, uint64_t value)
{
	sqlite3_bind_int64(q, at, (sqlite3_int64)value);
}

void query_bind_bytes(sqlite3_stmt *q, int at, const void *bytes, size_t len)
{
	sqlite3_bind_blob(q, at, bytes, (int)len, SQLITE_TRANSIENT);
}

uint64_t query_int(sqlite3_stmt *q, int at)
{
	return (uint64_t)sqlite3_column_int64(q, at);
}

void query_text(sqlite3_stmt *q, int at, char *out, size_t cap, bool *bad)
{
	const char *text = (const char *)sqlite3_column_text(q, at);

	if (!text || strlen(text) >= cap) {
		*bad = true;
		text = "";
	}
	snprintf(out, cap, "%s", text);
}

void query_bytes(sqlite3_stmt *q, int at, void *out, size_t len, bool *bad)
{
	const void *bytes = sqlite3_column_blob(q, at);

	if (!bytes || sqlite3_column_bytes(q, at) != (int)len)
		*bad = true;
	else
		memcpy(out, bytes, len);
}

sqlite3_stmt *query_of(struct store *base, enum statement which)
{
	return query_store(base)->prepared[which];
}

int query_run(struct store *base, enum statement which)
{
	struct store_sqlite *s = query_store(base);
	sqlite3_stmt *q = s->prepared[which];

	int rc = sqlite3_step(q);
	int err = rc == SQLITE_DONE ? 0 : query_failed(s);
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return err;
}

int query_each(struct store *base, enum statement which, int (*row)(sqlite3_stmt *q, void *arg),
	       void *arg)
{
	struct store_sqlite *s = query_store(base);
	sqlite3_stmt *q = s->prepared[which];
	int rc = SQLITE_DONE, err = 0;

	while (err == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW)
		err = row(q, arg);
	if (err)
		snprintf(s->failure, sizeof(s->failure), "a row of the store is damaged (%s)",
			 query_sql[which]);
	else if (rc != SQLITE_DONE)
		err = query_failed(s);
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return err;
}
