/* Anything is a policy or is refused with a reason, and what is one can judge. */
#include <stdint.h>
#include <stdlib.h>

#include "coordinator/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct node from = {.name = "laptop", .owner = "alice"};
	static const struct node to = {.name = "db", .owner = "ci", .role = CONTROL_AGENT};
	struct json_error err = {0};
	struct policy_scope scope;
	struct control_rules rules;
	struct policy *p;

	if (policy_parse((const char *)data, len, &p, &err) != 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	policy_access(p, &from, &to, &rules);
	policy_scope_of(p, &from, &scope);
	if (rules.count > CONTROL_MAX_RULES || scope.count > POLICY_WORDS_MAX)
		abort();
	policy_free(p);
	return 0;
}
