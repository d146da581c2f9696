#include "coordinator/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/test.h"

static struct node node(const char *name, const char *owner, enum control_role role)
{
	struct node n = {.role = role};

	snprintf(n.name, sizeof(n.name), "%s", name);
	snprintf(n.owner, sizeof(n.owner), "%s", owner);
	return n;
}

static struct policy *parse(const char *text)
{
	struct json_error err = {0};
	struct policy *p;

	CHECK_INT(policy_parse(text, strlen(text), &p, &err), 0);
	return p;
}

static unsigned opened(const struct policy *p, const struct node *from, const struct node *to)
{
	struct control_rules rules;

	policy_access(p, from, to, &rules);
	return rules.count;
}

TEST(lets_laptops_reach_their_owners_workspaces_and_nothing_else)
{
	struct policy *p = policy_new_default();
	struct node laptop = node("laptop", "alice", CONTROL_CLIENT);
	struct node phone = node("phone", "alice", CONTROL_CLIENT);
	struct node dev = node("dev", "alice", CONTROL_AGENT);
	struct node gpu = node("gpu", "alice", CONTROL_AGENT);
	struct node foreign = node("dev", "bob", CONTROL_AGENT);
	struct control_rules rules;

	policy_access(p, &laptop, &dev, &rules);
	CHECK(rules.count == 1 && rules.list[0].proto == CONTROL_ANY);
	CHECK(rules.list[0].port_first == 0 && rules.list[0].port_last == 65535);
	CHECK_INT(opened(p, &dev, &laptop), 0);
	CHECK_INT(opened(p, &dev, &gpu), 0);
	CHECK_INT(opened(p, &laptop, &phone), 0);
	CHECK_INT(opened(p, &laptop, &foreign), 0);
	policy_free(p);
}

TEST(opens_ports_to_a_group)
{
	struct policy *p =
		parse("{\"groups\":{\"ops\":[\"alice\",\"bob\"]},\"rules\":[{\"from\":{\"group\":"
		      "\"ops\",\"role\":\"client\"},\"to\":{\"owner\":\"ci\",\"name\":\"db\"},"
		      "\"proto\":\"tcp\",\"ports\":[\"5432\",\"8000-8100\"]}]}");
	struct node bob = node("laptop", "bob", CONTROL_CLIENT),
		    db = node("db", "ci", CONTROL_AGENT);
	struct node carol = node("laptop", "carol", CONTROL_CLIENT);
	struct node other = node("web", "ci", CONTROL_AGENT);
	struct node agent = node("dev", "bob", CONTROL_AGENT);
	struct control_rules rules;

	policy_access(p, &bob, &db, &rules);
	CHECK(rules.count == 2 && rules.list[0].proto == CONTROL_TCP);
	CHECK(rules.list[0].port_first == 5432 && rules.list[1].port_last == 8100);
	CHECK_INT(opened(p, &carol, &db), 0);
	CHECK_INT(opened(p, &bob, &other), 0);
	CHECK_INT(opened(p, &agent, &db), 0);
	CHECK_INT(opened(p, &db, &bob), 0);
	policy_free(p);
}

TEST(may_close_the_built_in_rule)
{
	struct policy *p = parse("{\"default\":false}");
	struct node laptop = node("laptop", "alice", CONTROL_CLIENT);
	struct node dev = node("dev", "alice", CONTROL_AGENT);

	CHECK_INT(opened(p, &laptop, &dev), 0);
	policy_free(p);
}

TEST(names_a_node_by_name_and_owner)
{
	struct policy *p = parse("{\"default\":false,\"rules\":[{\"to\":{\"name\":\"db.ci\"}}]}");
	struct node anyone = node("x", "y", CONTROL_AGENT), db = node("db", "ci", CONTROL_AGENT);
	struct node foreign = node("db", "alice", CONTROL_AGENT);

	CHECK_INT(opened(p, &anyone, &db), 1);
	CHECK_INT(opened(p, &anyone, &foreign), 0);
	policy_free(p);
}

TEST(says_whom_a_node_may_have_to_do_with)
{
	struct policy *p = parse("{\"rules\":[{\"from\":{\"owner\":\"alice\"},\"to\":{\"owner\":"
				 "\"ci\"}},{\"from\":{\"owner\":\"root\"},\"to\":{}}]}");
	struct node alice = node("a", "alice", CONTROL_CLIENT), ci = node("c", "ci", CONTROL_AGENT);
	struct node root = node("r", "root", CONTROL_CLIENT);
	struct policy_scope scope;

	policy_scope_of(p, &alice, &scope);
	CHECK(!scope.everyone && scope.count == 2);
	CHECK_STR(scope.owners[0], "ci");
	CHECK_STR(scope.owners[1], "root");
	policy_scope_of(p, &ci, &scope);
	CHECK(!scope.everyone && scope.count == 2);
	policy_scope_of(p, &root, &scope);
	CHECK(scope.everyone);
	policy_free(p);
}

TEST(refuses_what_is_misspelt_or_out_of_range)
{
	static const char *const cases[] = {
		"[]",
		"{\"rule\":[]}",
		"{\"rules\":[{\"port\":\"22\"}]}",
		"{\"rules\":[{\"proto\":\"sctp\"}]}",
		"{\"rules\":[{\"ports\":[]}]}",
		"{\"rules\":[{\"ports\":\"70000\"}]}",
		"{\"rules\":[{\"ports\":22}]}",
		"{\"rules\":[{\"from\":{\"group\":\"none\"}}]}",
		"{\"rules\":[{\"from\":{\"owner\":[]}}]}",
		"{\"rules\":[{\"from\":{\"owner\":\"Alice\"}}]}",
		"{\"rules\":[{\"from\":{\"role\":\"boss\"}}]}",
		"{\"rules\":[{\"from\":\"alice\"}]}",
		"{\"default\":\"yes\"}",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_error err = {0};
		struct policy *p;

		CHECK_INT(policy_parse(cases[i], strlen(cases[i]), &p, &err), -EBADMSG);
		CHECK(err.text[0] != '\0');
	}
}
