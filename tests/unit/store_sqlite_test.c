#include "coordinator/store_sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/test.h"

static void make_path(char path[static 64])
{
	snprintf(path, 64, "/tmp/store-test-%d.db", (int)getpid());
	unlink(path);
}

static void remove_store(const char *path)
{
	char beside[80];

	unlink(path);
	snprintf(beside, sizeof(beside), "%s-wal", path);
	unlink(beside);
	snprintf(beside, sizeof(beside), "%s-shm", path);
	unlink(beside);
}

static struct store *open_store(const char *path)
{
	char error[STORE_ERROR_LEN];
	struct store *s;

	CHECK_INT(store_sqlite_open(path, &s, error), 0);
	return s;
}

static struct node example_node(void)
{
	struct node n = {.id = 4294967295,
			 .name = "dev",
			 .owner = "alice",
			 .role = CONTROL_AGENT,
			 .ephemeral = true,
			 .token_id = 3,
			 .joined_unix_s = 100,
			 .seen_unix_s = 200,
			 .machine_key = {{1}},
			 .node_key = {{{2}}, 5, {6}},
			 .disco_key = {{{3}}, 7, {8}},
			 .version = "0.1.0",
			 .caps = CONTROL_CAPS_ALL,
			 .home_region = 900};

	CHECK_INT(ip_parse("10.77.0.2", &n.v4), 0);
	CHECK_INT(ip_parse("fd12::2", &n.v6), 0);
	n.endpoints.count = 2;
	CHECK_INT(endpoint_parse("192.0.2.1:41641", &n.endpoints.list[0].addr), 0);
	n.endpoints.list[0].kind = CONTROL_STUN;
	CHECK_INT(endpoint_parse("[2001:db8::1]:1", &n.endpoints.list[1].addr), 0);
	return n;
}

static void check_same_key(const struct control_key *got, const struct control_key *key)
{
	CHECK_MEM(got->key.b, key->key.b, sizeof(key->key.b));
	CHECK_INT(got->serial, key->serial);
	CHECK_MEM(got->sig, key->sig, sizeof(key->sig));
}

static void check_same_node(const struct node *got, const struct node *n)
{
	CHECK_INT(got->id, n->id);
	CHECK_STR(got->name, n->name);
	CHECK_STR(got->owner, n->owner);
	CHECK(got->role == n->role && got->ephemeral == n->ephemeral);
	CHECK_INT(got->token_id, n->token_id);
	CHECK(got->joined_unix_s == n->joined_unix_s && got->seen_unix_s == n->seen_unix_s);
	CHECK(ip_equal(&got->v4, &n->v4) && ip_equal(&got->v6, &n->v6));
	CHECK_MEM(got->machine_key.b, n->machine_key.b, sizeof(n->machine_key.b));
	check_same_key(&got->node_key, &n->node_key);
	check_same_key(&got->disco_key, &n->disco_key);
	CHECK_STR(got->version, n->version);
	CHECK(got->caps == n->caps && got->home_region == n->home_region);
	CHECK_INT(got->endpoints.count, n->endpoints.count);
	for (size_t i = 0; i < n->endpoints.count; i++) {
		CHECK(endpoint_equal(&got->endpoints.list[i].addr, &n->endpoints.list[i].addr));
		CHECK_INT(got->endpoints.list[i].kind, n->endpoints.list[i].kind);
	}
}

static int take_node(void *arg, const struct node *n)
{
	*(struct node *)arg = *n;
	return 0;
}

static int take_token(void *arg, const struct token *t)
{
	*(struct token *)arg = *t;
	return 0;
}

static int count_removed(void *arg, const struct removed *r)
{
	*(uint64_t *)arg += r->unix_s;
	return 0;
}

static int take_relay(void *arg, const struct added_relay *r)
{
	snprintf(arg, 128, "%u %s %s", r->region, r->name, r->json);
	return 0;
}

static void take_row(void *arg, const struct audit_row *row)
{
	*(struct audit_row *)arg = *row;
}

TEST(keeps_everything_over_a_reopening)
{
	char path[64], *setting, relay[128];
	struct node n = example_node(), node_back;
	struct token t = {.id = 9,
			  .name = "a",
			  .owner = "b",
			  .has_role = true,
			  .role = CONTROL_AGENT,
			  .created_unix_s = 1,
			  .expires_unix_s = 2,
			  .hash = {3},
			  .spent_by = {{4}}},
		     token_back;
	struct removed gone = {{{5}}, 77};
	struct added_relay r = {.region = 900, .name = "900a", .json = (char[]){"{}"}};
	struct audit_row row = {.unix_ms = 5, .kind = "join", .who = "dev.alice", .what = "x"};
	uint64_t sum = 0;
	struct stat st;

	make_path(path);
	struct store *s = open_store(path);
	CHECK_INT(s->ops->begin(s, true), 0);
	CHECK_INT(s->ops->node_put(s, &n), 0);
	CHECK_INT(s->ops->token_put(s, &t), 0);
	CHECK_INT(s->ops->removed_put(s, &gone), 0);
	CHECK_INT(s->ops->relay_put(s, &r), 0);
	CHECK_INT(s->ops->setting_put(s, "epoch", "12"), 0);
	CHECK_INT(s->ops->audit_add(s, &row), 0);
	CHECK_INT(s->ops->commit(s), 0);
	s->ops->close(s);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);

	s = open_store(path);
	memset(&node_back, 0, sizeof(node_back));
	CHECK_INT(s->ops->nodes_read(s, take_node, &node_back), 0);
	check_same_node(&node_back, &n);
	CHECK_INT(s->ops->tokens_read(s, take_token, &token_back), 0);
	CHECK(token_back.has_role && token_back.role == CONTROL_AGENT && token_back.id == 9);
	CHECK(token_back.hash[0] == 3 && token_back.spent_by.b[0] == 4);
	CHECK_INT(s->ops->removed_read(s, count_removed, &sum), 0);
	CHECK_INT(sum, 77);
	CHECK_INT(s->ops->relays_read(s, take_relay, relay), 0);
	CHECK_STR(relay, "900 900a {}");
	CHECK_INT(s->ops->setting_get(s, "epoch", &setting), 0);
	CHECK_STR(setting, "12");
	free(setting);
	CHECK_INT(s->ops->audit_read(s, 0, 10, false, take_row, &row), 0);
	CHECK(row.id == 1 && row.unix_ms == 5);
	s->ops->close(s);
	remove_store(path);
}

TEST(leaves_nothing_of_a_transaction_rolled_back)
{
	char path[64], *setting;

	make_path(path);
	struct store *s = open_store(path);
	CHECK_INT(s->ops->begin(s, false), 0);
	CHECK_INT(s->ops->setting_put(s, "x", "1"), 0);
	s->ops->rollback(s);
	s->ops->rollback(s); /* harmless outside of one */
	CHECK_INT(s->ops->setting_get(s, "x", &setting), 0);
	CHECK(setting == NULL);
	s->ops->close(s);
	remove_store(path);
}

TEST(reads_the_newest_audit_rows_and_trims_the_oldest)
{
	char path[64];
	struct audit_row row = {.kind = "x"};

	make_path(path);
	struct store *s = open_store(path);
	for (row.unix_ms = 1; row.unix_ms <= 10; row.unix_ms++)
		CHECK_INT(s->ops->audit_add(s, &row), 0);
	CHECK_INT(s->ops->audit_read(s, 0, 3, false, take_row, &row), 0);
	CHECK(row.id == 3);
	CHECK_INT(s->ops->audit_read(s, 0, 3, true, take_row, &row), 0);
	CHECK(row.id == 10);
	CHECK_INT(s->ops->audit_trim(s, 2), 0);
	CHECK_INT(s->ops->audit_read(s, 0, 1, false, take_row, &row), 0);
	CHECK(row.id == 9);
	s->ops->close(s);
	remove_store(path);
}

TEST(says_what_is_wrong_with_a_file_that_is_no_store)
{
	char path[64], error[STORE_ERROR_LEN];
	struct store *s;

	make_path(path);
	FILE *f = fopen(path, "w");
	for (int i = 0; i < 2000; i++)
		fputs("not a database ", f);
	fclose(f);
	CHECK_INT(store_sqlite_open(path, &s, error), -EIO);
	CHECK(strstr(error, path) && strstr(error, "not a database"));
	remove_store(path);
	CHECK_INT(store_sqlite_open("/proc/none/x.db", &s, error), -EIO);
	CHECK(strstr(error, "/proc/none/x.db") != NULL);
}
