/*
 * store: what the coordinator keeps on disk, as an interface; store_sqlite is one that fulfils it.
 *
 * The coordinator reads everything once at start and serves from memory; the store takes what
 * changes. Writes stand inside begin and commit. A durable transaction is on the disk when commit
 * returns (keys, nodes, tokens); one that is not may lose its last seconds in a power cut, never
 * its consistency (endpoints, audit). All calls block, on the main thread.
 */
#ifndef WARREN_STORE_H
#define WARREN_STORE_H

#include "coordinator/join.h"
#include "coordinator/registry.h"
#include "coordinator/relay_book.h"
#include "coordinator/token.h"

enum { STORE_ERROR_LEN = 256, AUDIT_WORD_LEN = 32, AUDIT_WHO_LEN = 136, AUDIT_TEXT_LEN = 256 };

struct audit_row {
	uint64_t id; /* only rises; given by the store */
	uint64_t unix_ms;
	char kind[AUDIT_WORD_LEN]; /* "join", "denial", "session", "change", "admin" */
	char who[AUDIT_WHO_LEN];   /* NAME.OWNER, "admin", or where a stranger came from */
	char what[AUDIT_TEXT_LEN];
};

struct store;

/* Every function but close returns 0 or -EIO, with a line from `error`. */
struct store_ops {
	void (*close)(struct store *s);
	const char *(*error)(const struct store *s); /* of the last failure */

	int (*begin)(struct store *s, bool durable);
	int (*commit)(struct store *s);
	void (*rollback)(struct store *s);

	/* Small settings by name; *out is the caller's to free, NULL where absent. */
	int (*setting_get)(struct store *s, const char *name, char **out);
	int (*setting_put)(struct store *s, const char *name, const char *value);

	int (*nodes_read)(struct store *s, int (*each)(void *arg, const struct node *n), void *arg);
	int (*node_put)(struct store *s, const struct node *n);
	int (*node_delete)(struct store *s, uint32_t id);

	int (*tokens_read)(struct store *s, int (*each)(void *arg, const struct token *t),
			   void *arg);
	int (*token_put)(struct store *s, const struct token *t);
	int (*token_delete)(struct store *s, uint32_t id);

	int (*removed_read)(struct store *s, int (*each)(void *arg, const struct removed *r),
			    void *arg);
	int (*removed_put)(struct store *s, const struct removed *r);

	int (*relays_read)(struct store *s, int (*each)(void *arg, const struct added_relay *r),
			   void *arg);
	int (*relay_put)(struct store *s, const struct added_relay *r);
	int (*relay_delete)(struct store *s, uint32_t region);

	int (*audit_add)(struct store *s, const struct audit_row *row);
	/* Rows above after_id, oldest first, max of them at most; the newest max where newest. */
	int (*audit_read)(struct store *s, uint64_t after_id, size_t max, bool newest,
			  void (*each)(void *arg, const struct audit_row *row), void *arg);
	/* Keeps the newest `keep` rows. */
	int (*audit_trim)(struct store *s, uint64_t keep);
};

struct store {
	const struct store_ops *ops;
};

#endif
