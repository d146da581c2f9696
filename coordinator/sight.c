#include "coordinator/sight.h"

#include <string.h>

bool sight_of(const struct policy *p, const struct node *viewer, const struct node *other,
	      struct sight *out)
{
	bool introduced =
		control_key_is_signed(&other->node_key) && control_key_is_signed(&other->disco_key);

	if (!introduced || viewer == other)
		return false;
	policy_access(p, other, viewer, &out->in);
	policy_access(p, viewer, other, &out->out);
	return out->in.count + out->out.count > 0;
}

static void each_of_group(const struct owner_group *group, const struct node *n,
			  void (*see)(void *arg, struct node *other), void *arg)
{
	for (size_t i = 0; group && i < group->count; i++)
		if (group->nodes[i] != n)
			see(arg, group->nodes[i]);
}

static void each_of_all(const struct registry *r, const struct node *n,
			void (*see)(void *arg, struct node *other), void *arg)
{
	size_t count;
	struct node *const *all = registry_all(r, &count);

	for (size_t i = 0; i < count; i++)
		if (all[i] != n)
			see(arg, all[i]);
}

static bool is_repeated(const struct policy_scope *scope, size_t i, const char *own)
{
	if (strcmp(scope->owners[i], own) == 0)
		return true;
	for (size_t k = 0; k < i; k++)
		if (strcmp(scope->owners[k], scope->owners[i]) == 0)
			return true;
	return false;
}

void sight_each_candidate(const struct policy *p, const struct registry *r, const struct node *n,
			  void (*see)(void *arg, struct node *other), void *arg)
{
	struct policy_scope scope;

	policy_scope_of(p, n, &scope);
	if (scope.everyone) {
		each_of_all(r, n, see, arg);
		return;
	}
	each_of_group(registry_owner(r, n->owner), n, see, arg);
	for (size_t i = 0; i < scope.count; i++)
		if (!is_repeated(&scope, i, n->owner))
			each_of_group(registry_owner(r, scope.owners[i]), n, see, arg);
}
