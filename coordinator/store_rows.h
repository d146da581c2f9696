/*
 * store_rows: nodes, tokens, removed keys, relays and audit rows as rows of the SQLite store; the
 * functions of struct store_ops (store.h) that read and write them.
 */
#ifndef WARREN_STORE_ROWS_H
#define WARREN_STORE_ROWS_H

#include "coordinator/store.h"

int row_node_put(struct store *base, const struct node *n);
int row_nodes_read(struct store *base, int (*each)(void *arg, const struct node *n), void *arg);
int row_node_delete(struct store *base, uint32_t id);
int row_token_put(struct store *base, const struct token *t);
int row_tokens_read(struct store *base, int (*each)(void *arg, const struct token *t), void *arg);
int row_token_delete(struct store *base, uint32_t id);
int row_removed_read(struct store *base, int (*each)(void *arg, const struct removed *r),
		     void *arg);
int row_removed_put(struct store *base, const struct removed *r);
int row_relays_read(struct store *base, int (*each)(void *arg, const struct added_relay *r),
		    void *arg);
int row_relay_put(struct store *base, const struct added_relay *r);
int row_relay_delete(struct store *base, uint32_t region);
int row_audit_add(struct store *base, const struct audit_row *row);
int row_audit_read(struct store *base, uint64_t after_id, size_t max, bool newest,
		   void (*each)(void *arg, const struct audit_row *row), void *arg);
int row_audit_trim(struct store *base, uint64_t keep);

#endif
