#include "coordinator/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "NAME" or "NAME.OWNER", an owner, or a group. */
enum { WORD_LEN = 2 * CONTROL_NAME_LEN };

struct words {
	char (*list)[WORD_LEN]; /* owned; NULL with count 0 */
	size_t count;
};

struct group {
	char name[CONTROL_NAME_LEN];
	struct words owners;
};

struct side {
	struct words owners; /* those of its groups too */
	struct words names;
	bool names_owners; /* owner or group was given */
	bool has_role;
	enum control_role role;
};

struct rule {
	struct side from, to;
	struct control_rules opens;
};

struct policy {
	bool keeps_default;
	struct group *groups;
	size_t n_groups;
	struct rule *rules;
	size_t n_rules;
};

static void side_wipe(struct side *side)
{
	free(side->owners.list);
	free(side->names.list);
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_groups; i++)
		free(p->groups[i].owners.list);
	for (size_t i = 0; i < p->n_rules; i++) {
		side_wipe(&p->rules[i].from);
		side_wipe(&p->rules[i].to);
	}
	free(p->groups);
	free(p->rules);
	free(p);
}

struct policy *policy_new_default(void)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->keeps_default = true;
	return p;
}

/* ---- reading ---- */

static void refuse_unknown(const struct json_in *obj, const char *const *known, size_t n)
{
	for (size_t i = 0; i < json_count(obj); i++) {
		struct json_in member = json_item(obj, i);
		size_t k = 0;

		while (k < n && strcmp(json_name(&member), known[k]) != 0)
			k++;
		if (k == n)
			json_fail(&member, "not a field of a policy");
	}
}

static void words_add(struct words *w, const struct json_in *at, const char *word)
{
	if (w->count >= POLICY_WORDS_MAX) {
		json_fail(at, "more than 256 words");
		return;
	}
	char(*list)[WORD_LEN] = reallocarray(w->list, w->count + 1, sizeof(*list));
	if (!list)
		abort();
	snprintf(list[w->count], WORD_LEN, "%s", word);
	w->list = list;
	w->count++;
}

/* Calls add for a field that is one word or a list of words. */
static void each_word(const struct json_in *obj, const char *key,
		      void (*add)(void *arg, const struct json_in *at, const char *word), void *arg)
{
	struct json_in at = json_find(obj, key);

	if (!at.node)
		return;
	if (json_count(&at) == 0) {
		add(arg, &at, json_as_str(&at, WORD_LEN - 1));
		return;
	}
	struct json_in list = json_array(obj, key, POLICY_WORDS_MAX);
	for (size_t i = 0; i < json_count(&list); i++) {
		struct json_in item = json_item(&list, i);
		add(arg, &item, json_as_str(&item, WORD_LEN - 1));
	}
}

static void add_owner(void *arg, const struct json_in *at, const char *word)
{
	if (!control_name_valid(word))
		json_fail(at, "not an owner");
	words_add(arg, at, word);
}

static void add_name(void *arg, const struct json_in *at, const char *word)
{
	const char *dot = strchr(word, '.');
	char name[CONTROL_NAME_LEN] = "";

	if (!dot)
		dot = word + strlen(word);
	if (dot - word < CONTROL_NAME_LEN)
		memcpy(name, word, (size_t)(dot - word));
	if (!control_name_valid(name) || (*dot && !control_name_valid(dot + 1)))
		json_fail(at, "not NAME or NAME.OWNER");
	words_add(arg, at, word);
}

struct group_user {
	const struct policy *policy;
	struct words *owners;
};

static void add_group(void *arg, const struct json_in *at, const char *word)
{
	const struct group_user *user = arg;

	for (size_t i = 0; i < user->policy->n_groups; i++) {
		const struct group *g = &user->policy->groups[i];

		if (strcmp(g->name, word) != 0)
			continue;
		for (size_t k = 0; k < g->owners.count; k++)
			words_add(user->owners, at, g->owners.list[k]);
		return;
	}
	json_fail(at, "not a group of this policy");
}

static void read_side(const struct policy *p, const struct json_in *rule, const char *key,
		      struct side *out)
{
	static const char *const known[] = {"owner", "group", "name", "role"};
	struct json_in obj = json_find(rule, key);
	struct group_user user = {p, &out->owners};

	if (!obj.node)
		return; /* anyone */
	obj = json_object(rule, key);
	refuse_unknown(&obj, known, 4);
	out->names_owners = json_has(&obj, "owner") || json_has(&obj, "group");
	each_word(&obj, "owner", add_owner, &out->owners);
	each_word(&obj, "group", add_group, &user);
	each_word(&obj, "name", add_name, &out->names);
	out->has_role = json_has(&obj, "role");
	if (out->has_role && control_role_parse(json_str(&obj, "role", 16), &out->role) != 0)
		json_fail(&obj, "role is \"client\" or \"agent\"");
}

struct ports_user {
	enum control_proto proto;
	struct control_rules *opens;
};

static void add_ports(void *arg, const struct json_in *at, const char *word)
{
	const struct ports_user *user = arg;
	struct control_rule rule = {.proto = user->proto};

	if (user->opens->count == CONTROL_MAX_RULES)
		json_fail(at, "more than 16 port ranges in one rule");
	else if (control_ports_parse(word, &rule) != 0)
		json_fail(at, "not \"22\", \"8000-8100\" or \"*\"");
	else
		user->opens->list[user->opens->count++] = rule;
}

static void read_rule(const struct policy *p, const struct json_in *in, struct rule *out)
{
	static const char *const known[] = {"from", "to", "proto", "ports", "comment"};
	struct ports_user user = {.opens = &out->opens};
	struct json_in where = json_find(in, "proto");

	refuse_unknown(in, known, 5);
	read_side(p, in, "from", &out->from);
	read_side(p, in, "to", &out->to);
	if (control_proto_parse(json_opt_str(in, "proto", 16, "any"), &user.proto) != 0)
		json_fail(&where, "not \"any\", \"tcp\", \"udp\" or \"icmp\"");
	if (json_has(in, "ports"))
		each_word(in, "ports", add_ports, &user);
	else
		add_ports(&user, in, "*");
}

static void read_groups(const struct json_in *root, struct policy *p)
{
	struct json_in groups = json_find(root, "groups");

	if (!groups.node)
		return;
	groups = json_object(root, "groups");
	if (json_count(&groups) > POLICY_GROUPS_MAX)
		json_fail(&groups, "more than 256 groups");
	p->groups = calloc(json_count(&groups) + 1, sizeof(*p->groups));
	if (!p->groups)
		abort();
	for (size_t i = 0; i < json_count(&groups); i++) {
		struct json_in member = json_item(&groups, i);
		struct group *g = &p->groups[p->n_groups++];

		if (!control_name_valid(json_name(&member)))
			json_fail(&member, "not a group's name");
		snprintf(g->name, sizeof(g->name), "%s", json_name(&member));
		each_word(&groups, json_name(&member), add_owner, &g->owners);
	}
}

static void read_policy(const struct json_in *root, struct policy *p)
{
	static const char *const known[] = {"default", "groups", "rules", "comment"};
	struct json_in rules = json_opt_array(root, "rules", POLICY_RULES_MAX);

	if (!json_is_object(root))
		json_fail(root, "a policy is an object");
	refuse_unknown(root, known, 4);
	p->keeps_default = json_opt_bool(root, "default", true);
	read_groups(root, p);
	p->rules = calloc(json_count(&rules) + 1, sizeof(*p->rules));
	if (!p->rules)
		abort();
	for (size_t i = 0; i < json_count(&rules); i++) {
		struct json_in rule = json_item(&rules, i);
		read_rule(p, &rule, &p->rules[p->n_rules++]);
	}
}

int policy_parse(const char *text, size_t len, struct policy **out, struct json_error *err)
{
	struct json *tree;

	int rc = json_parse(text, len, POLICY_TEXT_MAX, &tree, err);
	if (rc)
		return rc;
	struct json_in root = json_root(tree, err);
	struct policy *p = policy_new_default();
	read_policy(&root, p);
	json_free(tree);
	if (err->failed) {
		policy_free(p);
		return -EBADMSG;
	}
	*out = p;
	return 0;
}

/* ---- judging ---- */

static bool is_named(const struct words *names, const struct node *n)
{
	size_t len = strlen(n->name);

	for (size_t i = 0; i < names->count; i++) {
		const char *word = names->list[i];

		if (strncmp(word, n->name, len) != 0)
			continue;
		if (word[len] == '\0' ||
		    (word[len] == '.' && strcmp(word + len + 1, n->owner) == 0))
			return true;
	}
	return false;
}

static bool is_owned(const struct words *owners, const struct node *n)
{
	for (size_t i = 0; i < owners->count; i++)
		if (strcmp(owners->list[i], n->owner) == 0)
			return true;
	return false;
}

static bool side_fits(const struct side *side, const struct node *n)
{
	bool owner_fits = !side->names_owners || is_owned(&side->owners, n);
	bool name_fits = side->names.count == 0 || is_named(&side->names, n);
	bool role_fits = !side->has_role || side->role == n->role;

	return owner_fits && name_fits && role_fits;
}

static bool covers(const struct control_rule *wide, const struct control_rule *narrow)
{
	bool proto_fits = wide->proto == CONTROL_ANY || wide->proto == narrow->proto;

	return proto_fits && wide->port_first <= narrow->port_first &&
	       wide->port_last >= narrow->port_last;
}

static void open_rule(struct control_rules *out, const struct control_rule *rule)
{
	for (size_t i = 0; i < out->count; i++)
		if (covers(&out->list[i], rule))
			return;
	if (out->count < CONTROL_MAX_RULES)
		out->list[out->count++] = *rule;
}

void policy_access(const struct policy *p, const struct node *from, const struct node *to,
		   struct control_rules *out)
{
	static const struct control_rule everything = {CONTROL_ANY, 0, UINT16_MAX};
	bool laptop_to_own_workspace = from->role == CONTROL_CLIENT && to->role == CONTROL_AGENT &&
				       strcmp(from->owner, to->owner) == 0;

	out->count = 0;
	if (p->keeps_default && laptop_to_own_workspace)
		open_rule(out, &everything);
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *r = &p->rules[i];

		if (!side_fits(&r->from, from) || !side_fits(&r->to, to))
			continue;
		for (size_t k = 0; k < r->opens.count; k++)
			open_rule(out, &r->opens.list[k]);
	}
}

static void scope_add(struct policy_scope *scope, const struct side *side)
{
	if (!side->names_owners || scope->count + side->owners.count > POLICY_WORDS_MAX) {
		scope->everyone = true;
		return;
	}
	for (size_t i = 0; i < side->owners.count; i++)
		scope->owners[scope->count++] = side->owners.list[i];
}

void policy_scope_of(const struct policy *p, const struct node *n, struct policy_scope *out)
{
	out->everyone = false;
	out->count = 0;
	for (size_t i = 0; i < p->n_rules; i++) {
		if (side_fits(&p->rules[i].from, n))
			scope_add(out, &p->rules[i].to);
		if (side_fits(&p->rules[i].to, n))
			scope_add(out, &p->rules[i].from);
	}
}
