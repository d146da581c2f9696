/*
 * token: join tokens: made once, shown once, kept only as a hash.
 *
 * A token's text is NAME.OWNER.SECRET, so that a node can sign its keys for the name before it has
 * asked anybody. A one-time token is spent by the machine key that joins with it, and honoured
 * again for that same key until it expires: an answer lost on the way must not lock a node out. A
 * reusable one joins any number of machines. A pure core: time and random bytes are passed in.
 *
 *	good --joined by a key (one-time)--> spent: good for that key, used for every other
 *	good, spent --time--> expired        good, spent --revoked--> revoked
 */
#ifndef WARREN_TOKEN_H
#define WARREN_TOKEN_H

#include "common/key.h"
#include "common/proto/control.h"

enum { TOKEN_HASH_LEN = 32, TOKEN_RANDOM_LEN = 20 };

/* The table's ceiling; tokens that expired more than a week ago make room. */
enum { TOKEN_TABLE_MAX = 65536 };

struct token {
	uint32_t id;
	char name[CONTROL_NAME_LEN];
	char owner[CONTROL_NAME_LEN];
	bool has_role; /* else the node says at its join which it is */
	enum control_role role;
	bool reusable;	/* a taken name gets -2, -3, … */
	bool ephemeral; /* its nodes are removed some time after they went offline */
	bool revoked;
	uint64_t created_unix_s;
	uint64_t expires_unix_s;
	uint8_t hash[TOKEN_HASH_LEN];
	struct public_key spent_by; /* all zero until a one-time token is spent */
};

enum token_verdict { TOKEN_GOOD, TOKEN_UNKNOWN, TOKEN_EXPIRED, TOKEN_USED, TOKEN_REVOKED };

/* Writes the token's text (a secret) and sets t->hash; t has its name and owner already. */
void token_make(struct token *t, const uint8_t random[static TOKEN_RANDOM_LEN],
		char text[static CONTROL_TOKEN_LEN]);
void token_hash(const char *text, uint8_t hash[static TOKEN_HASH_LEN]);

/* May this machine join with it now? t may be NULL: unknown. */
enum token_verdict token_judge(const struct token *t, const struct public_key *machine,
			       uint64_t now_unix_s);

struct token_table {
	struct token *list; /* owned, in the order of ids */
	size_t count, cap;
};

void token_table_wipe(struct token_table *table);
/* Copies t. -ENOSPC at the ceiling, -ENOMEM. */
MUST_CHECK int token_table_add(struct token_table *table, const struct token *t);
/* Borrowed until the next add or prune. */
struct token *token_table_find(const struct token_table *table, const char *text);
struct token *token_table_find_id(const struct token_table *table, uint32_t id);
/* Revokes what machine has spent, so that a removed node does not return by its old token. True
 * where there was any. */
bool token_table_revoke_spent(struct token_table *table, const struct public_key *machine);
/* True for a token that expired more than a week ago. */
bool token_is_forgotten(const struct token *t, uint64_t now_unix_s);
/* Forgets those. */
void token_table_prune(struct token_table *table, uint64_t now_unix_s);

#endif
