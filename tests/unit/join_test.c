#include "coordinator/join.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/test.h"

/* A registry with dev.alice under machine key 1, and a token for NAME.OWNER. */
struct scene {
	struct registry *registry;
	struct token_table tokens;
	struct removed_table removed;
	char text[CONTROL_TOKEN_LEN];
	struct control_hello hello;
	struct join_verdict verdict;
};

static void start(struct scene *s, const char *token_name, bool reusable)
{
	static const uint8_t seed[REGISTRY_SEED_LEN] = {1}, random[TOKEN_RANDOM_LEN] = {2};
	struct node dev = {.id = 1, .name = "dev", .owner = "alice", .machine_key = {{1}}}, *n;
	struct token t = {.id = 1,
			  .owner = "alice",
			  .reusable = reusable,
			  .created_unix_s = 100,
			  .expires_unix_s = 200};

	memset(s, 0, sizeof(*s));
	s->registry = registry_new(seed);
	CHECK_INT(registry_add(s->registry, &dev, &n), 0);
	snprintf(t.name, sizeof(t.name), "%s", token_name);
	token_make(&t, random, s->text);
	CHECK_INT(token_table_add(&s->tokens, &t), 0);
	s->hello.machine_key.b[0] = 2;
	s->hello.role = CONTROL_AGENT;
	memcpy(s->hello.token, s->text, sizeof(s->hello.token));
}

static void judge(struct scene *s, uint64_t now_unix_s)
{
	join_judge(s->registry, &s->tokens, &s->removed, &s->hello, now_unix_s, &s->verdict);
}

static void end(struct scene *s)
{
	registry_free(s->registry);
	token_table_wipe(&s->tokens);
	removed_table_wipe(&s->removed);
}

static void check_refused(const struct scene *s, enum control_error_code code)
{
	CHECK_INT(s->verdict.kind, JOIN_REFUSED);
	CHECK_STR(control_error_str(s->verdict.code), control_error_str(code));
	CHECK(strlen(s->verdict.text) > 10);
}

TEST(knows_a_machine_again_whatever_its_token)
{
	struct scene s;

	start(&s, "gpu", false);
	s.hello.machine_key.b[0] = 1;
	judge(&s, 500);
	CHECK_INT(s.verdict.kind, JOIN_AGAIN);
	CHECK_STR(s.verdict.node->name, "dev");
	end(&s);
}

TEST(gives_a_stranger_the_tokens_name)
{
	struct scene s;

	start(&s, "gpu", false);
	judge(&s, 199);
	CHECK_INT(s.verdict.kind, JOIN_NEW);
	CHECK_STR(s.verdict.name, "gpu");
	CHECK_STR(s.verdict.owner, "alice");
	CHECK_INT(s.verdict.role, CONTROL_AGENT);
	s.tokens.list[0].has_role = true;
	judge(&s, 199);
	CHECK_INT(s.verdict.role, CONTROL_CLIENT);
	end(&s);
}

TEST(says_what_is_wrong_with_a_token)
{
	struct scene s;

	start(&s, "gpu", false);
	judge(&s, 200);
	check_refused(&s, CONTROL_TOKEN_EXPIRED);
	s.tokens.list[0].spent_by.b[0] = 3;
	judge(&s, 150);
	check_refused(&s, CONTROL_TOKEN_USED);
	s.tokens.list[0].revoked = true;
	judge(&s, 150);
	check_refused(&s, CONTROL_TOKEN_REVOKED);
	s.hello.token[strlen(s.hello.token) - 1] = 'x';
	judge(&s, 150);
	check_refused(&s, CONTROL_TOKEN_UNKNOWN);
	end(&s);
}

TEST(refuses_a_taken_name_but_counts_on_for_a_reusable_token)
{
	struct scene s;
	struct node second = {.id = 2, .name = "dev-2", .owner = "alice", .machine_key = {{9}}}, *n;

	start(&s, "dev", false);
	judge(&s, 150);
	check_refused(&s, CONTROL_NAME_TAKEN);
	end(&s);
	start(&s, "dev", true);
	judge(&s, 150);
	CHECK_STR(s.verdict.name, "dev-2");
	CHECK_INT(registry_add(s.registry, &second, &n), 0);
	judge(&s, 150);
	CHECK_STR(s.verdict.name, "dev-3");
	end(&s);
}

TEST(tells_a_changed_key_from_a_missing_token)
{
	struct scene s;

	start(&s, "gpu", false);
	s.hello.token[0] = '\0';
	judge(&s, 150);
	check_refused(&s, CONTROL_TOKEN_MISSING);
	strcpy(s.hello.name, "dev");
	strcpy(s.hello.owner, "alice");
	judge(&s, 150);
	check_refused(&s, CONTROL_KEY_CHANGED);
	end(&s);
}

TEST(lets_a_removed_machine_back_by_a_newer_token_only)
{
	struct scene s;
	struct removed gone = {.machine_key = {{2}}, .unix_s = 120};

	start(&s, "gpu", true);
	CHECK_INT(removed_table_add(&s.removed, &gone), 0);
	judge(&s, 150);
	check_refused(&s, CONTROL_TOKEN_REVOKED);
	s.tokens.list[0].created_unix_s = 121;
	judge(&s, 150);
	CHECK_INT(s.verdict.kind, JOIN_NEW);
	s.hello.token[0] = '\0';
	judge(&s, 150);
	check_refused(&s, CONTROL_REMOVED);
	end(&s);
}
