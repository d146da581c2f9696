#include "coordinator/join.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAST_SUFFIX = 99999 };

void removed_table_wipe(struct removed_table *table)
{
	free(table->list);
	*table = (struct removed_table){0};
}

static void drop_at(struct removed_table *table, size_t i)
{
	table->count--;
	memmove(&table->list[i], &table->list[i + 1], (table->count - i) * sizeof(*table->list));
}

int removed_table_add(struct removed_table *table, const struct removed *entry)
{
	const struct removed *old = removed_table_find(table, &entry->machine_key);

	if (old)
		drop_at(table, (size_t)(old - table->list));
	else if (table->count == REMOVED_TABLE_MAX)
		drop_at(table, 0);
	if (table->count == table->cap) {
		size_t cap = table->cap ? table->cap * 2 : 16;
		struct removed *list = reallocarray(table->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		table->list = list;
		table->cap = cap;
	}
	table->list[table->count++] = *entry;
	return 0;
}

const struct removed *removed_table_find(const struct removed_table *table,
					 const struct public_key *machine_key)
{
	for (size_t i = 0; i < table->count; i++)
		if (public_key_equal(&table->list[i].machine_key, machine_key))
			return &table->list[i];
	return NULL;
}

__attribute__((format(printf, 3, 4))) static void
refuse(struct join_verdict *out, enum control_error_code code, const char *format, ...)
{
	va_list args;

	out->kind = JOIN_REFUSED;
	out->code = code;
	va_start(args, format);
	vsnprintf(out->text, sizeof(out->text), format, args);
	va_end(args);
}

static void judge_without_token(const struct registry *registry,
				const struct removed_table *removed,
				const struct control_hello *hello, struct join_verdict *out)
{
	bool name_known = registry_find_name(registry, hello->name, hello->owner) != NULL;

	if (name_known)
		refuse(out, CONTROL_KEY_CHANGED,
		       "%s.%s joined with another machine key: restore this machine's state, or "
		       "remove the node there (node remove %s.%s) and join with a new token",
		       hello->name, hello->owner, hello->name, hello->owner);
	else if (removed_table_find(removed, &hello->machine_key))
		refuse(out, CONTROL_REMOVED,
		       "this node was removed from the mesh: ask for a new invitation to join "
		       "again");
	else
		refuse(out, CONTROL_TOKEN_MISSING,
		       "this machine is not known here: ask for an invitation (warren-coordinator "
		       "token create) and run: warren up INVITATION");
}

static void refuse_token(enum token_verdict verdict, struct join_verdict *out)
{
	switch (verdict) {
	case TOKEN_UNKNOWN:
		refuse(out, CONTROL_TOKEN_UNKNOWN,
		       "the token is not known here: check that it was pasted whole and belongs "
		       "to this coordinator, or ask for a new one");
		return;
	case TOKEN_EXPIRED:
		refuse(out, CONTROL_TOKEN_EXPIRED, "the token has expired: ask for a new one");
		return;
	case TOKEN_USED:
		refuse(out, CONTROL_TOKEN_USED,
		       "the token was used by another machine already: ask for a new one");
		return;
	case TOKEN_REVOKED:
		refuse(out, CONTROL_TOKEN_REVOKED, "the token was revoked: ask for a new one");
		return;
	case TOKEN_GOOD:
		return;
	}
}

/* NAME-2, NAME-3, ...: the first that is free, NAME cut where the suffix needs the room. */
static bool find_free_name(const struct registry *registry, const char *base, const char *owner,
			   char name[static CONTROL_NAME_LEN])
{
	for (unsigned i = 2; i <= LAST_SUFFIX; i++) {
		char suffix[8];
		int len = snprintf(suffix, sizeof(suffix), "-%u", i);

		snprintf(name, CONTROL_NAME_LEN, "%.*s%s", CONTROL_NAME_LEN - 1 - len, base,
			 suffix);
		if (!registry_find_name(registry, name, owner))
			return true;
	}
	return false;
}

static void give_name(const struct registry *registry, struct token *token,
		      struct join_verdict *out)
{
	bool taken = registry_find_name(registry, token->name, token->owner) != NULL;

	snprintf(out->name, sizeof(out->name), "%s", token->name);
	snprintf(out->owner, sizeof(out->owner), "%s", token->owner);
	if (!taken ||
	    (token->reusable && find_free_name(registry, token->name, token->owner, out->name))) {
		out->kind = JOIN_NEW;
		out->token = token;
		return;
	}
	refuse(out, CONTROL_NAME_TAKEN,
	       "the name %s.%s is taken by another machine: ask for a token with another name, or "
	       "remove that node first (node remove %s.%s)",
	       token->name, token->owner, token->name, token->owner);
}

void join_judge(const struct registry *registry, const struct token_table *tokens,
		const struct removed_table *removed, const struct control_hello *hello,
		uint64_t now_unix_s, struct join_verdict *out)
{
	*out = (struct join_verdict){.role = hello->role};

	out->node = registry_find_machine(registry, &hello->machine_key);
	if (out->node) {
		out->kind = JOIN_AGAIN;
		return;
	}
	if (hello->token[0] == '\0') {
		judge_without_token(registry, removed, hello, out);
		return;
	}

	struct token *token = token_table_find(tokens, hello->token);
	enum token_verdict verdict = token_judge(token, &hello->machine_key, now_unix_s);
	const struct removed *gone = removed_table_find(removed, &hello->machine_key);
	bool made_before_removal = token && gone && token->created_unix_s <= gone->unix_s;

	if (verdict == TOKEN_GOOD && made_before_removal)
		verdict = TOKEN_REVOKED;
	if (verdict != TOKEN_GOOD) {
		refuse_token(verdict, out);
		return;
	}
	assert(token); /* only a token that is there is good */
	if (token->has_role)
		out->role = token->role;
	give_name(registry, token, out);
}
