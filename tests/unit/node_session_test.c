/* Sessions of fake nodes over the cores and a real store, without a network: what each node is sent
 * is decoded with the protocol's own decoder. */
#include "coordinator/node_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "coordinator/manage.h"
#include "coordinator/store_sqlite.h"
#include "tests/unit/test.h"

enum { INBOX = 32, MAX_FAKES = 8 };

static const struct moment start_time = {.now_us = 1000000, .unix_ms = 1700000000000};

/* One node: its keys, and what it was sent. */
struct fake {
	struct machine_secret secret;
	struct public_key machine;
	struct control_hello hello;
	struct node_session *session;
	uint8_t nonce[CONTROL_NONCE_LEN];
	struct control_message inbox[INBOX];
	size_t n_inbox, n_read;
	bool closed;
};

struct scene {
	struct store *store;
	struct coordinator *c;
	char path[64];
	struct moment now;
	struct fake *fakes[MAX_FAKES];
	size_t n_fakes;
};

static void fake_send(void *link, const char *text, size_t len)
{
	struct fake *f = link;
	char why[128];

	CHECK(f->n_inbox < INBOX);
	CHECK_INT(control_decode(text, len, CONTROL_SERVER_MESSAGE_MAX, &f->inbox[f->n_inbox++],
				 why, sizeof(why)),
		  0);
}

static void fake_close(void *link, const char *reason)
{
	struct fake *f = link;

	(void)reason;
	f->session = NULL;
	f->closed = true;
}

static const struct coordinator_ops ops = {fake_send, fake_close};

static void open_core(struct scene *s)
{
	static const uint8_t random[COORDINATOR_RANDOM_LEN] = {61, 1, 2, 3, 4, 5, 6, 7, 0xfd};
	char error[COORDINATOR_ERROR_LEN] = "";
	struct coordinator_config cfg = {
		.ops = &ops, .now_us = s->now.now_us, .random = random, .spki_hash = {0x5a}};

	CHECK_INT(store_sqlite_open(s->path, &s->store, error), 0);
	cfg.store = s->store;
	CHECK_INT(coordinator_open(&cfg, &s->c, error), 0);
}

static void close_core(struct scene *s)
{
	coordinator_flush(s->c);
	while (s->c->sessions)
		node_session_on_closed(s->c, s->c->sessions, &s->now);
	coordinator_flush(s->c);
	coordinator_free(s->c);
	s->store->ops->close(s->store);
}

static void start(struct scene *s)
{
	*s = (struct scene){.now = start_time};
	snprintf(s->path, sizeof(s->path), "/tmp/session-test-%d.db", (int)getpid());
	unlink(s->path);
	open_core(s);
}

static void fake_forget(struct fake *f)
{
	for (size_t i = 0; i < f->n_inbox; i++)
		control_message_wipe(&f->inbox[i]);
	f->n_inbox = f->n_read = 0;
}

static void end(struct scene *s)
{
	char beside[80];

	close_core(s);
	for (size_t i = 0; i < s->n_fakes; i++) {
		fake_forget(s->fakes[i]);
		free(s->fakes[i]);
	}
	unlink(s->path);
	snprintf(beside, sizeof(beside), "%s-wal", s->path);
	unlink(beside);
	snprintf(beside, sizeof(beside), "%s-shm", s->path);
	unlink(beside);
}

static void make_token(struct scene *s, const char *name, const char *role, bool reusable,
		       char text[static CONTROL_TOKEN_LEN])
{
	static uint8_t random[MANAGE_RANDOM_LEN];
	char error[COORDINATOR_ERROR_LEN];
	struct token_request request = {
		.name = name, .owner = "alice", .role = role, .ttl_s = 60, .reusable = reusable};
	struct token t;

	random[0]++;
	CHECK_INT(manage_token_create(s->c, &request, random, &s->now, text, &t, error), 0);
}

static void sign_for(struct fake *f, const char *name)
{
	snprintf(f->hello.name, sizeof(f->hello.name), "%s", name);
	snprintf(f->hello.owner, sizeof(f->hello.owner), "alice");
	control_key_sign(CONTROL_NODE_KEY, &f->secret, name, "alice", &f->hello.node_key);
	control_key_sign(CONTROL_DISCO_KEY, &f->secret, name, "alice", &f->hello.disco_key);
}

static struct fake *fake_new(struct scene *s, uint8_t seed, const char *name, const char *token)
{
	struct fake *f = calloc(1, sizeof(*f));

	CHECK(f != NULL);
	machine_secret_from_random(&f->secret, &f->machine, (const uint8_t[32]){seed});
	f->hello.machine_key = f->machine;
	f->hello.node_key = (struct control_key){.key = {{seed, 1}}, .serial = 10};
	f->hello.disco_key = (struct control_key){.key = {{seed, 2}}, .serial = 20};
	f->hello.caps = CONTROL_CAPS_ALL;
	f->hello.role = CONTROL_AGENT;
	snprintf(f->hello.token, sizeof(f->hello.token), "%s", token);
	sign_for(f, name);
	CHECK(s->n_fakes < MAX_FAKES);
	s->fakes[s->n_fakes++] = f;
	return f;
}

static void say(struct scene *s, struct fake *f, const struct control_message *m)
{
	char *text;
	size_t len;

	CHECK_INT(control_encode(m, &text, &len), 0);
	node_session_on_text(s->c, f->session, text, len, &s->now);
	free(text);
}

static void say_hello(struct scene *s, struct fake *f)
{
	static const uint8_t spki[CONTROL_SPKI_HASH_LEN] = {0x5a};
	struct endpoint from = {.port = 4};
	struct control_message m = {.type = CONTROL_HELLO};

	fake_forget(f);
	f->closed = false;
	f->nonce[0]++;
	f->session = node_session_open(s->c, f, &from, f->nonce, &s->now);
	control_proof_sign(&f->secret, f->nonce, spki, f->hello.proof);
	m.hello = f->hello;
	say(s, f, &m);
}

/* The next message, which must be of this type. */
static struct control_message *expect(struct fake *f, enum control_type type)
{
	CHECK(f->n_read < f->n_inbox);
	struct control_message *m = &f->inbox[f->n_read++];
	CHECK_STR(control_type_str(m->type), control_type_str(type));
	return m;
}

static void expect_nothing(const struct fake *f)
{
	CHECK_INT(f->n_inbox, f->n_read);
}

static void expect_error(struct fake *f, enum control_error_code code)
{
	struct control_message *m = expect(f, CONTROL_ERROR);

	CHECK_STR(control_error_str(m->error.code), control_error_str(code));
	CHECK(f->closed);
}

/* Joins by a fresh token and swallows the answer. */
static struct fake *join(struct scene *s, uint8_t seed, const char *name, const char *role)
{
	char token[CONTROL_TOKEN_LEN];

	make_token(s, name, role, false, token);
	struct fake *f = fake_new(s, seed, name, token);
	say_hello(s, f);
	struct control_welcome w = expect(f, CONTROL_WELCOME)->welcome;
	expect(f, CONTROL_RELAYS);
	struct control_map *map = &expect(f, CONTROL_MAP)->map;
	CHECK(map->full);
	f->hello.token[0] = '\0';
	f->hello.epoch = w.epoch;
	f->hello.map_number = map->number;
	return f;
}

TEST(answers_a_join_in_one_flight)
{
	struct scene s;
	char token[CONTROL_TOKEN_LEN];

	start(&s);
	make_token(&s, "dev", "agent", false, token);
	struct fake *dev = fake_new(&s, 1, "dev", token);
	say_hello(&s, dev);
	struct control_welcome *w = &expect(dev, CONTROL_WELCOME)->welcome;
	CHECK_STR(w->name, "dev");
	CHECK_STR(w->owner, "alice");
	CHECK(w->id == 1 && w->role == CONTROL_AGENT && w->epoch != 0);
	CHECK(prefix_contains(&w->mesh_v4, &w->v4) && prefix_contains(&w->mesh_v6, &w->v6));
	CHECK(w->unix_ms == start_time.unix_ms);
	CHECK_STR(expect(dev, CONTROL_RELAYS)->relays, "{\"Regions\":{}}");
	struct control_map *map = &expect(dev, CONTROL_MAP)->map;
	CHECK(map->full && map->n_peers == 0);
	expect_nothing(dev);
	end(&s);
}

TEST(introduces_two_nodes_to_each_other_at_once)
{
	struct scene s;

	start(&s);
	struct fake *dev = join(&s, 1, "dev", "agent");
	struct fake *laptop = join(&s, 2, "laptop", "client");
	struct control_map *map = &laptop->inbox[2].map;
	CHECK(map->n_peers == 1 && map->peers[0].online);
	CHECK_STR(map->peers[0].name, "dev");
	CHECK(map->peers[0].access_out.count == 1 && map->peers[0].access_in.count == 0);
	CHECK(control_key_verify(CONTROL_NODE_KEY, &map->peers[0].machine_key, "dev", "alice",
				 &map->peers[0].node_key));
	struct control_map *delta = &expect(dev, CONTROL_MAP)->map;
	CHECK(!delta->full && delta->n_peers == 1 && delta->number > 0);
	CHECK_STR(delta->peers[0].name, "laptop");
	CHECK(delta->peers[0].access_in.count == 1 && delta->peers[0].access_out.count == 0);
	expect_nothing(dev);
	end(&s);
}

TEST(refuses_a_proof_for_another_nonce)
{
	struct scene s;
	char token[CONTROL_TOKEN_LEN];
	static const uint8_t spki[CONTROL_SPKI_HASH_LEN] = {0x5a}, old[CONTROL_NONCE_LEN] = {9};
	struct endpoint from = {.port = 4};
	struct control_message m = {.type = CONTROL_HELLO};

	start(&s);
	make_token(&s, "dev", NULL, false, token);
	struct fake *dev = fake_new(&s, 1, "dev", token);
	dev->session = node_session_open(s.c, dev, &from, dev->nonce, &s.now);
	control_proof_sign(&dev->secret, old, spki, dev->hello.proof);
	m.hello = dev->hello;
	say(&s, dev, &m);
	expect_error(dev, CONTROL_BAD_PROOF);
	CHECK_INT(s.c->n_sessions, 0);
	say_hello(&s, dev);
	expect(dev, CONTROL_WELCOME);
	end(&s);
}

TEST(sends_endpoints_and_home_to_those_who_may_see_them)
{
	struct scene s;
	struct control_message m = {.type = CONTROL_ENDPOINTS, .endpoints.home_region = 900};

	start(&s);
	struct fake *dev = join(&s, 1, "dev", "agent"), *gpu = join(&s, 3, "gpu", "agent");
	struct fake *laptop = join(&s, 2, "laptop", "client");
	expect(dev, CONTROL_MAP);
	expect(gpu, CONTROL_MAP);
	m.endpoints.endpoints.count = 3;
	CHECK_INT(endpoint_parse("198.51.100.7:41641", &m.endpoints.endpoints.list[0].addr), 0);
	m.endpoints.endpoints.list[0].kind = CONTROL_STUN;
	CHECK_INT(endpoint_parse("127.0.0.1:1", &m.endpoints.endpoints.list[1].addr), 0);
	CHECK_INT(endpoint_parse("10.77.0.9:1", &m.endpoints.endpoints.list[2].addr), 0);
	say(&s, dev, &m);
	struct control_peer *p = &expect(laptop, CONTROL_MAP)->map.peers[0];
	CHECK(p->home_region == 900 && p->endpoints.count == 1);
	CHECK(p->endpoints.list[0].kind == CONTROL_STUN);
	expect_nothing(gpu);
	say(&s, dev, &m); /* nothing new */
	expect_nothing(laptop);
	end(&s);
}

TEST(resumes_by_number_with_what_was_missed_only)
{
	struct scene s;

	start(&s);
	struct fake *laptop = join(&s, 2, "laptop", "client"), *dev = join(&s, 1, "dev", "agent");
	laptop->hello.map_number = expect(laptop, CONTROL_MAP)->map.number;
	node_session_on_closed(s.c, laptop->session, &s.now);
	CHECK(!expect(dev, CONTROL_MAP)->map.peers[0].online);
	(void)join(&s, 3, "gpu", "agent");
	say_hello(&s, laptop);
	expect(laptop, CONTROL_WELCOME);
	expect(laptop, CONTROL_RELAYS);
	struct control_map *map = &expect(laptop, CONTROL_MAP)->map;
	CHECK(!map->full && map->n_peers == 1 && map->n_removed == 0);
	CHECK_STR(map->peers[0].name, "gpu");
	CHECK(expect(dev, CONTROL_MAP)->map.peers[0].online);

	node_session_on_closed(s.c, laptop->session, &s.now);
	laptop->hello.epoch++;
	say_hello(&s, laptop);
	map = &laptop->inbox[2].map;
	CHECK(map->full && map->n_peers == 2);
	end(&s);
}

TEST(removes_a_node_from_its_peers_and_ends_its_session)
{
	struct scene s;
	char error[COORDINATOR_ERROR_LEN], secret[RELAY_SECRET_LEN];
	static const uint8_t random[MANAGE_RANDOM_LEN] = {3};
	static const char relay[] = "{\"RegionID\":900,\"RegionCode\":\"fra\",\"RegionName\":"
				    "\"Frankfurt\",\"Name\":\"900a\",\"HostName\":\"192.0.2.1\"}";
	uint32_t region;
	bool allow;

	start(&s);
	struct fake *laptop = join(&s, 2, "laptop", "client"), *dev = join(&s, 1, "dev", "agent");
	CHECK_INT(
		manage_relay_add(s.c, relay, strlen(relay), random, &s.now, secret, &region, error),
		0);
	expect(laptop, CONTROL_MAP);
	CHECK(strstr(expect(laptop, CONTROL_RELAYS)->relays, "192.0.2.1") != NULL);
	expect(dev, CONTROL_RELAYS);
	CHECK_INT(manage_admit(s.c, secret, &dev->hello.node_key.key, &allow), 0);
	CHECK(allow);

	CHECK_INT(manage_node_remove(s.c, "dev", &s.now, error), 0);
	struct control_map *map = &expect(laptop, CONTROL_MAP)->map;
	CHECK(map->n_peers == 0 && map->n_removed == 1 && map->removed[0] == 2);
	expect_nothing(laptop);
	expect_error(dev, CONTROL_REMOVED);
	CHECK_INT(manage_admit(s.c, secret, &dev->hello.node_key.key, &allow), 0);
	CHECK(!allow);
	say_hello(&s, dev);
	expect_error(dev, CONTROL_REMOVED);
	end(&s);
}

TEST(refuses_another_machine_under_a_known_name)
{
	struct scene s;
	char token[CONTROL_TOKEN_LEN];

	start(&s);
	struct fake *dev = join(&s, 1, "dev", "agent");
	struct fake *thief = fake_new(&s, 9, "dev", "");
	say_hello(&s, thief);
	expect_error(thief, CONTROL_KEY_CHANGED);
	make_token(&s, "dev", NULL, false, token);
	snprintf(thief->hello.token, sizeof(thief->hello.token), "%s", token);
	say_hello(&s, thief);
	expect_error(thief, CONTROL_NAME_TAKEN);
	expect_nothing(dev);
	end(&s);
}

TEST(honours_a_spent_token_for_the_machine_that_spent_it)
{
	struct scene s;
	char token[CONTROL_TOKEN_LEN];

	start(&s);
	make_token(&s, "dev", NULL, false, token);
	struct fake *dev = fake_new(&s, 1, "dev", token), *other = fake_new(&s, 2, "dev", token);
	say_hello(&s, dev);
	expect(dev, CONTROL_WELCOME);
	node_session_on_closed(s.c, dev->session, &s.now); /* as if the answer was lost */
	say_hello(&s, dev);
	CHECK_INT(expect(dev, CONTROL_WELCOME)->welcome.id, 1);
	say_hello(&s, other);
	expect_error(other, CONTROL_TOKEN_USED);
	end(&s);
}

TEST(publishes_a_renamed_node_once_it_has_signed_its_name)
{
	struct scene s;
	char token[CONTROL_TOKEN_LEN];
	struct control_message m = {.type = CONTROL_KEYS};

	start(&s);
	make_token(&s, "dev", "agent", true, token);
	struct fake *first = fake_new(&s, 1, "dev", token), *second = fake_new(&s, 2, "dev", token);
	struct fake *laptop = join(&s, 3, "laptop", "client");
	say_hello(&s, first);
	expect(laptop, CONTROL_MAP);
	say_hello(&s, second);
	CHECK_STR(expect(second, CONTROL_WELCOME)->welcome.name, "dev-2");
	expect_nothing(laptop);
	m.keys.node_key = second->hello.node_key;
	m.keys.disco_key = second->hello.disco_key;
	control_key_sign(CONTROL_NODE_KEY, &second->secret, "dev-2", "alice", &m.keys.node_key);
	control_key_sign(CONTROL_DISCO_KEY, &second->secret, "dev-2", "alice", &m.keys.disco_key);
	say(&s, second, &m);
	CHECK_STR(expect(laptop, CONTROL_MAP)->map.peers[0].name, "dev-2");
	m.keys.node_key.serial--;
	control_key_sign(CONTROL_NODE_KEY, &second->secret, "dev-2", "alice", &m.keys.node_key);
	second->n_read = second->n_inbox;
	say(&s, second, &m);
	expect_error(second, CONTROL_BAD_SIGNATURE);
	end(&s);
}

TEST(refuses_keys_that_the_machine_did_not_sign)
{
	struct scene s;
	char token[CONTROL_TOKEN_LEN];

	start(&s);
	make_token(&s, "dev", NULL, false, token);
	struct fake *dev = fake_new(&s, 1, "dev", token);
	dev->hello.node_key.sig[0] ^= 1;
	say_hello(&s, dev);
	expect_error(dev, CONTROL_BAD_SIGNATURE);
	CHECK(registry_find_id(s.c->registry, 1) == NULL);
	dev->hello.node_key.sig[0] ^= 1;
	say_hello(&s, dev);
	expect(dev, CONTROL_WELCOME);
	node_session_on_closed(s.c, dev->session, &s.now);
	dev->hello.disco_key.key.b[5] ^= 1;
	say_hello(&s, dev);
	expect_error(dev, CONTROL_BAD_SIGNATURE);
	end(&s);
}

TEST(hands_a_node_to_its_newest_session)
{
	struct scene s;

	start(&s);
	struct fake *laptop = join(&s, 2, "laptop", "client"), *dev = join(&s, 1, "dev", "agent");
	struct fake *again = fake_new(&s, 1, "dev", "");
	expect(laptop, CONTROL_MAP);
	say_hello(&s, again);
	expect(again, CONTROL_WELCOME);
	expect_error(dev, CONTROL_REPLACED);
	CHECK(expect(laptop, CONTROL_MAP)->map.peers[0].online);
	expect_nothing(laptop);
	CHECK_INT(s.c->n_sessions, 2);
	end(&s);
}

TEST(ends_sessions_that_say_nothing)
{
	struct scene s;
	struct control_message ping = {.type = CONTROL_PING, .ping = 7};
	struct endpoint from = {.port = 4};

	start(&s);
	struct fake *dev = join(&s, 1, "dev", "agent"), *mute = fake_new(&s, 2, "x", "");
	mute->session = node_session_open(s.c, mute, &from, mute->nonce, &s.now);
	s.now.now_us = 1000000 + 9999999;
	node_session_end_silent(s.c, &s.now);
	CHECK(!mute->closed);
	s.now.now_us++;
	node_session_end_silent(s.c, &s.now);
	CHECK(mute->closed && !dev->closed);
	say(&s, dev, &ping);
	CHECK_INT(expect(dev, CONTROL_PONG)->pong, 7);
	s.now.now_us += 89999999;
	node_session_end_silent(s.c, &s.now);
	CHECK(!dev->closed);
	s.now.now_us++;
	node_session_end_silent(s.c, &s.now);
	CHECK(dev->closed);
	end(&s);
}

TEST(remembers_all_over_a_restart_and_gives_no_number_twice)
{
	struct scene s;

	start(&s);
	struct fake *laptop = join(&s, 2, "laptop", "client");
	(void)join(&s, 1, "dev", "agent");
	uint64_t number = expect(laptop, CONTROL_MAP)->map.number;
	laptop->hello.map_number = number;
	close_core(&s);
	open_core(&s);
	say_hello(&s, laptop);
	struct control_welcome *w = &expect(laptop, CONTROL_WELCOME)->welcome;
	CHECK(w->id == 1 && w->epoch == laptop->hello.epoch);
	expect(laptop, CONTROL_RELAYS);
	struct control_map *map = &expect(laptop, CONTROL_MAP)->map;
	CHECK(map->full && map->n_peers == 1 && map->number > number);
	CHECK(!map->peers[0].online);
	end(&s);
}

TEST(cuts_what_a_new_policy_closes)
{
	static const char closed[] = "{\"default\":false}";
	struct scene s;
	char error[COORDINATOR_ERROR_LEN];

	start(&s);
	struct fake *dev = join(&s, 1, "dev", "agent"), *laptop = join(&s, 2, "laptop", "client");
	expect(dev, CONTROL_MAP);
	CHECK_INT(manage_policy_set(s.c, closed, strlen(closed), false, &s.now, error), 0);
	struct control_map *map = &expect(laptop, CONTROL_MAP)->map;
	CHECK(map->full && map->n_peers == 0);
	CHECK(expect(dev, CONTROL_MAP)->map.full);
	end(&s);
}

static void say_endpoints(struct scene *s, struct fake *f, uint16_t port)
{
	struct control_message m = {.type = CONTROL_ENDPOINTS};

	m.endpoints.endpoints.count = 1;
	m.endpoints.endpoints.list[0].addr = (struct endpoint){
		.ip = ip_from_v4((const uint8_t[]){203, 0, 113, 7}), .port = port};
	say(s, f, &m);
}

TEST(answers_to_many_maps_at_once_send_nobody_away)
{
	struct scene s;
	struct control_message ack = {.type = CONTROL_ACK};
	uint64_t numbers[100];

	start(&s);
	struct fake *laptop = join(&s, 1, "laptop", "client"), *dev = join(&s, 2, "dev", "agent");
	fake_forget(laptop);
	for (uint16_t i = 0; i < 100; i++) {
		s.now.now_us += US_PER_S;
		say_endpoints(&s, dev, (uint16_t)(1000 + i));
		numbers[i] = expect(laptop, CONTROL_MAP)->map.number;
		fake_forget(laptop);
	}
	for (unsigned i = 0; i < 100; i++) {
		ack.ack = numbers[i];
		say(&s, laptop, &ack);
	}
	CHECK(!laptop->closed && laptop->session->acked == numbers[99]);
	for (unsigned i = 0; i < 100 && !laptop->closed; i++) /* but to none that was not sent */
		say(&s, laptop, &ack);
	CHECK(laptop->closed);
	end(&s);
}

TEST(addresses_go_on_behind_the_last_over_a_restart)
{
	struct scene s;
	char error[COORDINATOR_ERROR_LEN];

	start(&s);
	join(&s, 1, "dev", "agent");
	struct fake *ci = join(&s, 2, "ci", "agent");
	CHECK_INT(manage_node_remove(s.c, "ci", &s.now, error), 0);
	CHECK(ci->closed);
	close_core(&s);
	open_core(&s);
	join(&s, 3, "another", "agent");
	CHECK_INT(registry_find_name(s.c->registry, "another", "alice")->v4.b[15], 4);
	end(&s);
}

TEST(who_was_removed_is_invited_again_in_the_same_second)
{
	struct scene s;
	char error[COORDINATOR_ERROR_LEN];

	start(&s);
	struct fake *dev = join(&s, 1, "dev", "agent");
	CHECK_INT(manage_node_remove(s.c, "dev", &s.now, error), 0);
	s.now.unix_ms -= 3600000; /* or an hour before it, by a clock that was set back */
	make_token(&s, "dev", "agent", false, dev->hello.token);
	say_hello(&s, dev);
	expect(dev, CONTROL_WELCOME);
	end(&s);
}

TEST(forgotten_tokens_leave_room_for_new_ones)
{
	struct scene s;
	char token[CONTROL_TOKEN_LEN];
	struct token old = {.name = "old", .owner = "alice", .expires_unix_s = 1};

	start(&s);
	for (uint32_t i = 0; i < TOKEN_TABLE_MAX; i++) {
		old.id = i + 1;
		memcpy(old.hash, &i, sizeof(i));
		CHECK_INT(token_table_add(&s.c->tokens, &old), 0);
	}
	make_token(&s, "dev", "agent", false, token);
	CHECK_INT(s.c->tokens.count, 1);
	end(&s);
}

TEST(removes_ephemeral_nodes_five_minutes_after_they_left)
{
	struct scene s;
	static const uint8_t random[MANAGE_RANDOM_LEN] = {77};
	struct token_request request = {
		.name = "ci", .owner = "alice", .ttl_s = 60, .ephemeral = true};
	char token[CONTROL_TOKEN_LEN], error[COORDINATOR_ERROR_LEN];
	struct token t;

	start(&s);
	CHECK_INT(manage_token_create(s.c, &request, random, &s.now, token, &t, error), 0);
	struct fake *ci = fake_new(&s, 5, "ci", token);
	say_hello(&s, ci);
	s.now.now_us += 1000 * (uint64_t)US_PER_S;
	manage_remove_ephemeral(s.c, &s.now);
	CHECK(registry_find_id(s.c->registry, 1) != NULL);
	node_session_on_closed(s.c, ci->session, &s.now);
	s.now.now_us += 299 * (uint64_t)US_PER_S;
	s.now.unix_ms += 3600000; /* a clock that is put right takes nobody */
	manage_remove_ephemeral(s.c, &s.now);
	CHECK(registry_find_id(s.c->registry, 1) != NULL);
	close_core(&s);
	open_core(&s);
	s.now.unix_ms += 3600000;
	manage_remove_ephemeral(s.c, &s.now);
	CHECK(registry_find_id(s.c->registry, 1) != NULL);
	s.now.now_us += 300 * (uint64_t)US_PER_S;
	manage_remove_ephemeral(s.c, &s.now);
	CHECK(registry_find_id(s.c->registry, 1) == NULL);
	end(&s);
}

TEST(sends_everybody_away_before_it_stops)
{
	struct scene s;

	start(&s);
	struct fake *dev = join(&s, 1, "dev", "agent"), *laptop = join(&s, 2, "laptop", "client");
	expect(dev, CONTROL_MAP);
	node_session_send_all_away(s.c, &s.now);
	CHECK(expect(dev, CONTROL_GOAWAY)->goaway_ms >= 200);
	expect(laptop, CONTROL_GOAWAY);
	expect_nothing(dev);
	expect_nothing(laptop);
	CHECK(dev->closed && laptop->closed && s.c->n_sessions == 0);
	end(&s);
}
