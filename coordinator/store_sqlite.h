/*
 * store_sqlite: the store in one SQLite file: WAL, prepared statements, a schema number.
 *
 * The only file that knows SQLite. The file is made 0600 where absent.
 */
#ifndef WARREN_STORE_SQLITE_H
#define WARREN_STORE_SQLITE_H

#include "coordinator/store.h"

/* -EIO with one line in error that says what to do: cannot be made, is no database, is damaged, or
 * was written by a newer version. *out is closed by ops->close. */
MUST_CHECK int store_sqlite_open(const char *path, struct store **out,
				 char error[static STORE_ERROR_LEN]);

#endif
