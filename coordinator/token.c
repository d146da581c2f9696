#include "coordinator/token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

static const uint64_t keep_expired_s = 7 * 24 * 3600;

void token_hash(const char *text, uint8_t hash[static TOKEN_HASH_LEN])
{
	crypto_generichash(hash, TOKEN_HASH_LEN, (const uint8_t *)text, strlen(text), NULL, 0);
}

void token_make(struct token *t, const uint8_t random[static TOKEN_RANDOM_LEN],
		char text[static CONTROL_TOKEN_LEN])
{
	char secret[2 * TOKEN_RANDOM_LEN + 1];

	hex_encode(random, TOKEN_RANDOM_LEN, secret);
	snprintf(text, CONTROL_TOKEN_LEN, "%s.%s.%s", t->name, t->owner, secret);
	token_hash(text, t->hash);
	sodium_memzero(secret, sizeof(secret));
}

enum token_verdict token_judge(const struct token *t, const struct public_key *machine,
			       uint64_t now_unix_s)
{
	if (!t)
		return TOKEN_UNKNOWN;
	if (t->revoked)
		return TOKEN_REVOKED;
	if (now_unix_s >= t->expires_unix_s)
		return TOKEN_EXPIRED;

	bool spent = !public_key_is_zero(&t->spent_by);
	if (spent && !public_key_equal(&t->spent_by, machine))
		return TOKEN_USED;
	return TOKEN_GOOD;
}

void token_table_wipe(struct token_table *table)
{
	free(table->list);
	*table = (struct token_table){0};
}

int token_table_add(struct token_table *table, const struct token *t)
{
	if (table->count >= TOKEN_TABLE_MAX)
		return -ENOSPC;
	if (table->count == table->cap) {
		size_t cap = table->cap ? table->cap * 2 : 16;
		struct token *list = reallocarray(table->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		table->list = list;
		table->cap = cap;
	}
	table->list[table->count++] = *t;
	return 0;
}

struct token *token_table_find(const struct token_table *table, const char *text)
{
	uint8_t hash[TOKEN_HASH_LEN];

	token_hash(text, hash);
	for (size_t i = 0; i < table->count; i++)
		if (sodium_memcmp(table->list[i].hash, hash, sizeof(hash)) == 0)
			return &table->list[i];
	return NULL;
}

struct token *token_table_find_id(const struct token_table *table, uint32_t id)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->list[i].id == id)
			return &table->list[i];
	return NULL;
}

bool token_table_revoke_spent(struct token_table *table, const struct public_key *machine)
{
	bool any = false;

	for (size_t i = 0; i < table->count; i++) {
		struct token *t = &table->list[i];

		if (t->revoked || !public_key_equal(&t->spent_by, machine))
			continue;
		t->revoked = true;
		any = true;
	}
	return any;
}

bool token_is_forgotten(const struct token *t, uint64_t now_unix_s)
{
	return now_unix_s >= t->expires_unix_s + keep_expired_s;
}

void token_table_prune(struct token_table *table, uint64_t now_unix_s)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++)
		if (!token_is_forgotten(&table->list[i], now_unix_s))
			table->list[kept++] = table->list[i];
	table->count = kept;
}
