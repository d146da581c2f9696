/*
 * policy: who may start a flow to whom.
 *
 * Built in, unless the policy says "default": false: an owner's laptops (role client) reach that
 * owner's workspaces (role agent), and workspaces start nothing. A policy file opens more:
 *
 *	{"groups": {"ops": ["alice", "bob"]},
 *	 "rules": [{"from": {"group": "ops", "role": "client"}, "to": {"owner": "ci", "name": "db"},
 *	            "proto": "tcp", "ports": ["5432", "8000-8100"]}]}
 *
 * A side names owners, groups (of owners), names and a role; each field may be one word or a list,
 * a field that is absent allows any, and all fields there must fit. Without "proto" and "ports"
 * everything is open. A pure core: immutable once parsed.
 */
#ifndef WARREN_POLICY_H
#define WARREN_POLICY_H

#include "common/json.h"
#include "coordinator/registry.h"

enum {
	POLICY_TEXT_MAX = 256 << 10,
	POLICY_RULES_MAX = 256,
	POLICY_WORDS_MAX = 256, /* in one field of a side, and in one group */
	POLICY_GROUPS_MAX = 256
};

struct policy;

/* err says which field is wrong: -EBADMSG, -E2BIG; -ENOMEM. An unknown field is an error: a
 * misspelt "ports" must not open everything. */
MUST_CHECK int policy_parse(const char *text, size_t len, struct policy **out,
			    struct json_error *err);
/* The built-in rule alone. */
struct policy *policy_new_default(void);
void policy_free(struct policy *p);

/* What `from` may start to `to`; count 0: nothing. Where more rules meet than a message can carry,
 * the last ones are left out: the error is on the closed side. */
void policy_access(const struct policy *p, const struct node *from, const struct node *to,
		   struct control_rules *out);

/* The owners whose nodes may have to do with n at all, besides n's own. */
struct policy_scope {
	bool everyone;
	const char *owners[POLICY_WORDS_MAX]; /* borrowed from the policy; may repeat */
	size_t count;
};
void policy_scope_of(const struct policy *p, const struct node *n, struct policy_scope *out);

#endif
