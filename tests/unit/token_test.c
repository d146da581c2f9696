#include "coordinator/token.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/test.h"

static const uint8_t random_bytes[TOKEN_RANDOM_LEN] = {0xab, 1};

static struct token make(char text[static CONTROL_TOKEN_LEN])
{
	struct token t = {.id = 1,
			  .name = "dev",
			  .owner = "alice",
			  .created_unix_s = 1000,
			  .expires_unix_s = 2000};

	token_make(&t, random_bytes, text);
	return t;
}

TEST(says_name_owner_and_a_secret_and_keeps_only_the_hash)
{
	char text[CONTROL_TOKEN_LEN];
	struct token t = make(text);
	uint8_t hash[TOKEN_HASH_LEN];

	CHECK_STR(text, "dev.alice.ab01000000000000000000000000000000000000");
	token_hash(text, hash);
	CHECK_MEM(hash, t.hash, sizeof(hash));
}

TEST(is_good_until_it_expires)
{
	char text[CONTROL_TOKEN_LEN];
	struct token t = make(text);
	struct public_key key = {{1}};

	CHECK_INT(token_judge(&t, &key, 1999), TOKEN_GOOD);
	CHECK_INT(token_judge(&t, &key, 2000), TOKEN_EXPIRED);
	CHECK_INT(token_judge(NULL, &key, 1999), TOKEN_UNKNOWN);
	t.revoked = true;
	CHECK_INT(token_judge(&t, &key, 1999), TOKEN_REVOKED);
}

TEST(spent_by_a_key_is_honoured_for_that_key_alone)
{
	char text[CONTROL_TOKEN_LEN];
	struct token t = make(text);
	struct public_key first = {{1}}, second = {{2}};

	t.spent_by = first;
	CHECK_INT(token_judge(&t, &first, 1999), TOKEN_GOOD);
	CHECK_INT(token_judge(&t, &second, 1999), TOKEN_USED);
	CHECK_INT(token_judge(&t, &first, 2000), TOKEN_EXPIRED);
}

TEST(finds_a_token_by_its_whole_text)
{
	char text[CONTROL_TOKEN_LEN];
	struct token_table table = {0};
	struct token t = make(text);

	CHECK_INT(token_table_add(&table, &t), 0);
	CHECK(token_table_find(&table, text) == &table.list[0]);
	text[strlen(text) - 1] = '1';
	CHECK(token_table_find(&table, text) == NULL);
	CHECK(token_table_find_id(&table, 1) && !token_table_find_id(&table, 2));
	token_table_wipe(&table);
}

TEST(revokes_what_a_removed_machine_had_spent)
{
	char text[CONTROL_TOKEN_LEN];
	struct token_table table = {0};
	struct token t = make(text);
	struct public_key key = {{1}};

	CHECK_INT(token_table_add(&table, &t), 0);
	CHECK(!token_table_revoke_spent(&table, &key));
	table.list[0].spent_by = key;
	CHECK(token_table_revoke_spent(&table, &key));
	CHECK(table.list[0].revoked && !token_table_revoke_spent(&table, &key));
	token_table_wipe(&table);
}

TEST(forgets_a_token_a_week_after_its_end)
{
	char text[CONTROL_TOKEN_LEN];
	struct token_table table = {0};
	struct token t = make(text);

	CHECK_INT(token_table_add(&table, &t), 0);
	token_table_prune(&table, 2000 + 604799);
	CHECK_INT(table.count, 1);
	token_table_prune(&table, 2000 + 604800);
	CHECK_INT(table.count, 0);
	token_table_wipe(&table);
}
