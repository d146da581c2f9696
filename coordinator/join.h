/*
 * join: who may come in, as which node: the judgement over a hello whose proof was right.
 *
 * A machine key that is known is that node, whatever else the hello says. A stranger needs a token,
 * which names it. A pure core: it changes nothing; the caller carries the verdict out.
 *
 *	machine key known ----------------------------------------> JOIN_AGAIN
 *	no token: its NAME.OWNER is borne by another key ---------> key-changed
 *	          the key was removed ----------------------------> removed
 *	          else -------------------------------------------> token-missing
 *	token good: its name is free -----------------------------> JOIN_NEW
 *	            taken, reusable ------------------------------> JOIN_NEW as NAME-2, NAME-3, ...
 *	            taken, one-time ------------------------------> name-taken
 *	token not good -------------------------------------------> token-unknown, -expired, ...
 */
#ifndef WARREN_JOIN_H
#define WARREN_JOIN_H

#include "coordinator/registry.h"
#include "coordinator/token.h"

enum { REMOVED_TABLE_MAX = 65536 };

/* A machine key whose node was removed: tokens made before that do not bring it back. */
struct removed {
	struct public_key machine_key;
	uint64_t unix_s;
};

struct removed_table {
	struct removed *list; /* owned; by age, the oldest fall out at the ceiling */
	size_t count, cap;
};

void removed_table_wipe(struct removed_table *table);
/* Replaces an earlier entry of the key. -ENOMEM. */
MUST_CHECK int removed_table_add(struct removed_table *table, const struct removed *entry);
const struct removed *removed_table_find(const struct removed_table *table,
					 const struct public_key *machine_key);

enum join_kind { JOIN_REFUSED, JOIN_AGAIN, JOIN_NEW };

struct join_verdict {
	enum join_kind kind;
	enum control_error_code code; /* where refused */
	char text[CONTROL_TEXT_LEN];  /* where refused: for people */
	struct node *node;	      /* JOIN_AGAIN: borrowed */
	struct token *token;	      /* JOIN_NEW: borrowed; to be spent where it is one-time */
	char name[CONTROL_NAME_LEN];  /* JOIN_NEW: the name given */
	char owner[CONTROL_NAME_LEN];
	enum control_role role;
};

void join_judge(const struct registry *registry, const struct token_table *tokens,
		const struct removed_table *removed, const struct control_hello *hello,
		uint64_t now_unix_s, struct join_verdict *out);

#endif
