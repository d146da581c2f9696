/*
 * store_query: the statements of the SQLite store, prepared once, and the ways to bind, run and
 * read them. For store_sqlite.c and store_rows.c alone.
 */
#ifndef WARREN_STORE_QUERY_H
#define WARREN_STORE_QUERY_H

#include <sqlite3.h>

#include "coordinator/store.h"

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

extern const char *const query_sql[STATEMENTS];

struct store_sqlite {
	struct store base;
	sqlite3 *db;
	sqlite3_stmt *prepared[STATEMENTS];
	bool durable; /* what synchronous is set to */
	char failure[STORE_ERROR_LEN];
};

struct store_sqlite *query_store(struct store *s);
/* Keeps SQLite's word on the failure. -EIO. */
int query_failed(struct store_sqlite *s);
sqlite3_stmt *query_of(struct store *base, enum statement which);

/* Places count from 1. Copies are taken. */
void query_bind_text(sqlite3_stmt *q, int at, const char *text);
void query_bind_int(sqlite3_stmt *q, int at, uint64_t value);
void query_bind_bytes(sqlite3_stmt *q, int at, const void *bytes, size_t len);

/* Places count from 0. A row that does not fit what this program writes makes *bad true. */
uint64_t query_int(sqlite3_stmt *q, int at);
void query_text(sqlite3_stmt *q, int at, char *out, size_t cap, bool *bad);
void query_bytes(sqlite3_stmt *q, int at, void *out, size_t len, bool *bad);

/* Runs a statement that gives no rows. 0 or -EIO. */
int query_run(struct store *base, enum statement which);
/* Calls row for each row until it fails; row returns 0, or -EIO where the row is damaged. */
int query_each(struct store *base, enum statement which, int (*row)(sqlite3_stmt *q, void *arg),
	       void *arg);

#endif
