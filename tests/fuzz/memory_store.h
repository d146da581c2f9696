/*
 * memory_store: a coordinator's store that keeps nothing, and fails while it is told to: for
 * targets that drive the coordinator's cores a thousand times a second.
 */
#ifndef WARREN_FUZZ_MEMORY_STORE_H
#define WARREN_FUZZ_MEMORY_STORE_H

#include <errno.h>

#include "coordinator/store.h"

struct memory_store {
	struct store store;
	bool fails;
};

static inline int memory_store_result(const struct store *s)
{
	return ((const struct memory_store *)(const void *)s)->fails ? -EIO : 0;
}

static void ms_close(struct store *s)
{
	(void)s;
}

static const char *ms_error(const struct store *s)
{
	(void)s;
	return "the disk is full";
}

static int ms_begin(struct store *s, bool durable)
{
	(void)durable;
	return memory_store_result(s);
}

static int ms_commit(struct store *s)
{
	return memory_store_result(s);
}

static int ms_setting_get(struct store *s, const char *name, char **out)
{
	(void)name;
	*out = NULL;
	return memory_store_result(s);
}

static int ms_setting_put(struct store *s, const char *name, const char *value)
{
	(void)name;
	(void)value;
	return memory_store_result(s);
}

static int ms_nodes_read(struct store *s, int (*each)(void *arg, const struct node *n), void *arg)
{
	(void)each;
	(void)arg;
	return memory_store_result(s);
}

static int ms_node_put(struct store *s, const struct node *n)
{
	(void)n;
	return memory_store_result(s);
}

static int ms_delete(struct store *s, uint32_t id)
{
	(void)id;
	return memory_store_result(s);
}

static int ms_tokens_read(struct store *s, int (*each)(void *arg, const struct token *t), void *arg)
{
	(void)each;
	(void)arg;
	return memory_store_result(s);
}

static int ms_token_put(struct store *s, const struct token *t)
{
	(void)t;
	return memory_store_result(s);
}

static int ms_removed_read(struct store *s, int (*each)(void *arg, const struct removed *r),
			   void *arg)
{
	(void)each;
	(void)arg;
	return memory_store_result(s);
}

static int ms_removed_put(struct store *s, const struct removed *r)
{
	(void)r;
	return memory_store_result(s);
}

static int ms_relays_read(struct store *s, int (*each)(void *arg, const struct added_relay *r),
			  void *arg)
{
	(void)each;
	(void)arg;
	return memory_store_result(s);
}

static int ms_relay_put(struct store *s, const struct added_relay *r)
{
	(void)r;
	return memory_store_result(s);
}

static int ms_audit_add(struct store *s, const struct audit_row *row)
{
	(void)row;
	return memory_store_result(s);
}

static int ms_audit_read(struct store *s, uint64_t after_id, size_t max, bool newest,
			 void (*each)(void *arg, const struct audit_row *row), void *arg)
{
	(void)after_id;
	(void)max;
	(void)newest;
	(void)each;
	(void)arg;
	return memory_store_result(s);
}

static int ms_audit_trim(struct store *s, uint64_t keep)
{
	(void)keep;
	return memory_store_result(s);
}

static const struct store_ops memory_store_ops = {
	.close = ms_close,
	.error = ms_error,
	.begin = ms_begin,
	.commit = ms_commit,
	.rollback = ms_close,
	.setting_get = ms_setting_get,
	.setting_put = ms_setting_put,
	.nodes_read = ms_nodes_read,
	.node_put = ms_node_put,
	.node_delete = ms_delete,
	.tokens_read = ms_tokens_read,
	.token_put = ms_token_put,
	.token_delete = ms_delete,
	.removed_read = ms_removed_read,
	.removed_put = ms_removed_put,
	.relays_read = ms_relays_read,
	.relay_put = ms_relay_put,
	.relay_delete = ms_delete,
	.audit_add = ms_audit_add,
	.audit_read = ms_audit_read,
	.audit_trim = ms_audit_trim,
};

#endif
