#include "agent/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/statefile.h"
#include "tests/unit/test.h"

static struct state open_fresh(void)
{
	struct state s;
	char dir[] = "/tmp/warren-state-XXXXXX";

	CHECK(mkdtemp(dir) != NULL);
	CHECK_INT(state_open(&s, dir), 0);
	return s;
}

static void discard(const struct state *s)
{
	static const char *const names[] = {"identity.json", "map.json",     "relays.json",
					    "trust.json",    "reserve.json", "warm.json",
					    "stopped.json",  "flows"};
	char path[STATE_PATH_LEN];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		state_path(s, names[i], path);
		unlink(path);
	}
	rmdir(s->dir);
}

static void check_same_identity(const struct state_identity *got, const struct state_identity *id)
{
	CHECK_MEM(&got->machine, &id->machine, sizeof(id->machine));
	CHECK_MEM(&got->machine_public, &id->machine_public, sizeof(id->machine_public));
	CHECK_MEM(&got->node, &id->node, sizeof(id->node));
	CHECK_MEM(&got->disco, &id->disco, sizeof(id->disco));
	CHECK_MEM(&got->disco_old, &id->disco_old, sizeof(id->disco_old));
	CHECK_INT(got->node_serial, id->node_serial);
	CHECK_INT(got->disco_serial, id->disco_serial);
	CHECK_INT(got->disco_made_unix_s, id->disco_made_unix_s);
	CHECK_STR(got->url, id->url);
	CHECK(got->has_pin == id->has_pin && got->up == id->up && got->port == id->port);
	CHECK_MEM(got->pin, id->pin, sizeof(id->pin));
	CHECK(got->id == id->id && got->role == id->role);
	CHECK_STR(got->name, id->name);
	CHECK_STR(got->owner, id->owner);
	CHECK(ip_equal(&got->v4, &id->v4) && ip_equal(&got->v6, &id->v6));
	CHECK(prefix_equal(&got->mesh_v4, &id->mesh_v4));
	CHECK(prefix_equal(&got->mesh_v6, &id->mesh_v6));
}

TEST(gives_back_the_identity_it_was_given)
{
	struct state s = open_fresh();
	struct state_identity id, back;
	uint8_t random[96];

	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (uint8_t)i;
	state_identity_new(&id, random);
	strcpy(id.url, "https://192.0.2.1:8443");
	id.has_pin = true;
	id.pin[31] = 7;
	id.up = true;
	id.port = 41641;
	id.id = 3;
	strcpy(id.name, "dev");
	strcpy(id.owner, "alice");
	id.role = CONTROL_AGENT;
	CHECK_INT(ip_parse("10.77.0.3", &id.v4), 0);
	CHECK_INT(prefix_parse("10.77.0.0/16", &id.mesh_v4), 0);
	CHECK_INT(state_save_identity(&s, &id), 0);
	CHECK_INT(state_load_identity(&s, &back), 0);
	check_same_identity(&back, &id);
	discard(&s);
}

TEST(says_that_there_is_nothing_yet)
{
	struct state s = open_fresh();
	struct state_identity id;
	struct state_reserve reserve;

	CHECK_INT(state_load_identity(&s, &id), -ENOENT);
	CHECK_INT(state_load_reserve(&s, &reserve), -ENOENT);
	discard(&s);
}

TEST(names_the_damaged_file_and_what_to_do)
{
	struct state s = open_fresh();
	struct state_identity id;
	char path[STATE_PATH_LEN], text[512];

	state_path(&s, "identity.json", path);
	FILE *f = fopen(path, "w");
	CHECK(f != NULL);
	fputs("{\"machine_secret\": \"00\"", f);
	fclose(f);
	CHECK_INT(state_load_identity(&s, &id), -EBADMSG);
	state_explain_refusal(&s, -EBADMSG, text, sizeof(text));
	CHECK(strstr(text, "identity.json is damaged") != NULL);
	CHECK(strstr(text, "move it away") != NULL);
	discard(&s);
}

/* The saved identity with its first `from` turned into `to`. */
static int load_changed(const char *from, const char *to)
{
	struct state s = open_fresh();
	struct state_identity id;
	uint8_t random[96] = {3};
	char path[STATE_PATH_LEN], *text;
	size_t len;

	state_identity_new(&id, random);
	id.id = 7;
	snprintf(id.name, sizeof(id.name), "laptop");
	snprintf(id.owner, sizeof(id.owner), "alice");
	CHECK_INT(state_save_identity(&s, &id), 0);
	state_path(&s, "identity.json", path);
	CHECK_INT(statefile_read(path, 1 << 16, &text, &len), 0);
	char *at = strstr(text, from);
	CHECK(at && strlen(from) == strlen(to));
	memcpy(at, to, strlen(to));
	CHECK_INT(statefile_write(path, text, len), 0);
	free(text);
	int rc = state_load_identity(&s, &id);
	discard(&s);
	return rc;
}

TEST(takes_no_identity_that_is_wrong_in_itself)
{
	CHECK_INT(load_changed("laptop", "mobile"), 0);
	CHECK_INT(load_changed("\"laptop\"", "\"\"      "), -EBADMSG);
	CHECK_INT(load_changed("\"0300", "\"0301"), -EBADMSG); /* the seed of the machine key */
}

TEST(keeps_the_map_for_a_start_without_a_coordinator)
{
	struct state s = open_fresh();
	struct control_peer peer = {.id = 9, .name = "dev", .owner = "alice"};
	struct state_map map = {.epoch = 0xf00000000000000d, .heard_unix_s = 1000}, back;

	CHECK_INT(ip_parse("10.77.0.9", &peer.v4), 0);
	CHECK_INT(ip_parse("fd00::9", &peer.v6), 0);
	peer.machine_key.b[0] = peer.node_key.key.b[0] = peer.disco_key.key.b[0] = 1;
	peer.node_key.serial = peer.disco_key.serial = 1;
	map.map = (struct control_map){.number = 12, .full = true, .peers = &peer, .n_peers = 1};
	CHECK_INT(state_save_map(&s, &map), 0);
	CHECK_INT(state_load_map(&s, &back), 0);
	CHECK(back.epoch == 0xf00000000000000d && back.map.number == 12 && back.map.n_peers == 1);
	CHECK_STR(back.map.peers[0].name, "dev");
	state_map_wipe(&back);
	discard(&s);
}

TEST(remembers_who_was_warm)
{
	struct state s = open_fresh();
	struct state_warm list[2] = {{.id = 1, .active_unix_s = 10},
				     {.id = 2, .active_unix_s = 20}};
	struct state_warm back[4];
	size_t n = 4;

	CHECK_INT(endpoint_parse("203.0.113.20:41641", &list[0].endpoint), 0);
	CHECK_INT(state_save_warm(&s, list, 2), 0);
	CHECK_INT(state_load_warm(&s, back, &n), 0);
	CHECK_INT(n, 2);
	for (size_t i = 0; i < n; i++) { /* by field: nothing says what is between them */
		CHECK_INT(back[i].id, list[i].id);
		CHECK_INT(back[i].active_unix_s, list[i].active_unix_s);
		CHECK(endpoint_equal(&back[i].endpoint, &list[i].endpoint));
	}
	discard(&s);
}

TEST(a_process_that_ended_well_says_when)
{
	struct state s = open_fresh();

	CHECK_INT(state_load_stopped(&s), 0);
	CHECK_INT(state_save_stopped(&s, 1700000000000000), 0);
	CHECK_INT(state_load_stopped(&s), 1700000000000000);
	CHECK_INT(state_save_stopped(&s, 0), 0);
	CHECK_INT(state_load_stopped(&s), 0);
	discard(&s);
}

TEST(remembers_machine_keys_but_no_offers)
{
	struct state s = open_fresh();
	struct trust_book book = {0}, back = {0};
	struct introduction in = {.name = "dev", .owner = "alice", .node_serial = 3};

	in.machine_key.b[5] = 5;
	CHECK_INT(trust_judge(&book, &in), TRUST_USED);
	in.machine_key.b[5] = 6;
	CHECK_INT(trust_judge(&book, &in), TRUST_KEY_CHANGED);
	CHECK_INT(state_save_trust(&s, &book), 0);
	CHECK_INT(state_load_trust(&s, &back), 0);
	CHECK(back.count == 1 && back.entries[0].known.machine_key.b[5] == 5);
	trust_book_free(&book);
	trust_book_free(&back);
	discard(&s);
}
