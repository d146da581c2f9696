#include "common/proto/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static const char hello_text[] =
	"{\"type\":\"hello\","
	"\"machine_key\":\"mkey:0101010101010101010101010101010101010101010101010101010101010101\","
	"\"node_key\":{\"key\":\"nodekey:"
	"0202020202020202020202020202020202020202020202020202020202020202\",\"serial\":7,\"sig\":"
	"\"\"},\"disco_key\":{\"key\":\"discokey:"
	"0303030303030303030303030303030303030303030303030303030303030303\",\"serial\":8},"
	"\"proof\":\"0404040404040404040404040404040404040404040404040404040404040404"
	"0404040404040404040404040404040404040404040404040404040404040404\","
	"\"token\":\"dev.alice.5ec3e7\",\"name\":\"dev\",\"owner\":\"alice\",\"role\":\"agent\","
	"\"version\":\"0.1.0\",\"caps\":[\"map-delta\",\"from-the-future\"],"
	"\"epoch\":\"00000000deadbeef\",\"map_number\":42,"
	"\"endpoints\":[{\"addr\":\"192.0.2.7:41641\",\"kind\":\"stun\"}],"
	"\"home_region\":900,\"new_field\":{}}";

static int decode(const char *text, struct control_message *m)
{
	char why[128];

	return control_decode(text, strlen(text), CONTROL_NODE_MESSAGE_MAX, m, why, sizeof(why));
}

TEST(reads_every_field_of_a_hello)
{
	struct control_message m;

	CHECK_INT(decode(hello_text, &m), 0);
	CHECK_INT(m.type, CONTROL_HELLO);
	CHECK_INT(m.hello.machine_key.b[31], 1);
	CHECK(m.hello.node_key.serial == 7 && !control_key_is_signed(&m.hello.node_key));
	CHECK_INT(m.hello.disco_key.key.b[0], 3);
	CHECK_INT(m.hello.proof[63], 4);
	CHECK_STR(m.hello.token, "dev.alice.5ec3e7");
	CHECK_STR(m.hello.owner, "alice");
	CHECK(m.hello.role == CONTROL_AGENT && m.hello.caps == CONTROL_CAP_MAP_DELTA);
	CHECK(m.hello.epoch == 0xdeadbeef && m.hello.map_number == 42);
	CHECK(m.hello.endpoints.count == 1 && m.hello.home_region == 900);
	CHECK(m.hello.endpoints.list[0].kind == CONTROL_STUN);
	CHECK_INT(m.hello.endpoints.list[0].addr.port, 41641);
	control_message_wipe(&m);
	CHECK_STR(m.hello.token, "");
}

/* Encodes, decodes, encodes again: the same text. The caller frees. */
static char *round_trip(const struct control_message *m)
{
	char *first, *second, why[128] = "";
	struct control_message back;
	size_t len, len2;

	CHECK_INT(control_encode(m, &first, &len), 0);
	CHECK_INT(strlen(first), len);
	CHECK_INT(control_decode(first, len, CONTROL_SERVER_MESSAGE_MAX, &back, why, sizeof(why)),
		  0);
	CHECK_INT(control_encode(&back, &second, &len2), 0);
	CHECK_STR(first, second);
	control_message_wipe(&back);
	free(second);
	return first;
}

static struct control_peer example_peer(void)
{
	struct control_peer p = {.id = 3, .name = "dev", .owner = "alice", .role = CONTROL_AGENT};

	CHECK_INT(ip_parse("10.77.0.3", &p.v4), 0);
	CHECK_INT(ip_parse("fd12:3456:789a::3", &p.v6), 0);
	p.machine_key.b[0] = 1;
	p.node_key.serial = control_number_max;
	p.node_key.sig[5] = 9;
	p.endpoints.count = 1;
	CHECK_INT(endpoint_parse("[2001:db8::1]:80", &p.endpoints.list[0].addr), 0);
	p.endpoints.list[0].kind = CONTROL_PORTMAP;
	p.home_region = 901;
	p.caps = CONTROL_CAPS_ALL;
	p.online = true;
	p.access_out.count = 2;
	p.access_out.list[0] = (struct control_rule){CONTROL_ANY, 0, 65535};
	p.access_out.list[1] = (struct control_rule){CONTROL_TCP, 8000, 8100};
	return p;
}

TEST(writes_a_map_and_reads_the_same_back)
{
	struct control_peer peer = example_peer();
	uint32_t removed[] = {17, 4294967295};
	struct control_message m = {.type = CONTROL_MAP,
				    .map = {.number = 99,
					    .full = true,
					    .peers = &peer,
					    .n_peers = 1,
					    .removed = removed,
					    .n_removed = 2}};
	struct control_message back;
	char *text = round_trip(&m);

	CHECK(strstr(text, "{\"proto\":\"tcp\",\"ports\":\"8000-8100\"}") != NULL);
	CHECK_INT(control_decode(text, strlen(text), CONTROL_SERVER_MESSAGE_MAX, &back,
				 (char[8]){0}, 8),
		  0);
	CHECK(back.map.number == 99 && back.map.full && back.map.n_peers == 1);
	CHECK(back.map.n_removed == 2 && back.map.removed[1] == 4294967295);
	CHECK_MEM(&back.map.peers[0].v6, &peer.v6, sizeof(peer.v6));
	CHECK(back.map.peers[0].node_key.serial == control_number_max);
	CHECK(back.map.peers[0].access_in.count == 0 && back.map.peers[0].access_out.count == 2);
	control_message_wipe(&back);
	free(text);
}

TEST(writes_the_small_messages_and_reads_the_same_back)
{
	const struct control_message cases[] = {
		{.type = CONTROL_ACK, .ack = 5},
		{.type = CONTROL_PING, .ping = 6},
		{.type = CONTROL_PONG, .pong = 7},
		{.type = CONTROL_GOAWAY, .goaway_ms = 8},
		{.type = CONTROL_KEYS, .keys = {.node_key.serial = 9, .disco_key.sig = {1}}},
		{.type = CONTROL_ENDPOINTS, .endpoints = {.home_region = 10}},
		{.type = CONTROL_ERROR, .error = {CONTROL_TOKEN_USED, "say \"please\""}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		free(round_trip(&cases[i]));
}

TEST(writes_a_welcome_and_a_relay_map)
{
	struct control_message welcome = {
		.type = CONTROL_WELCOME,
		.welcome = {.id = 1, .name = "a", .owner = "b", .epoch = UINT64_MAX}};
	char map[] = "{\"Regions\":{}}";
	struct control_message relays = {.type = CONTROL_RELAYS, .relays = map};

	CHECK_INT(ip_parse("10.1.0.2", &welcome.welcome.v4), 0);
	CHECK_INT(ip_parse("fd00::2", &welcome.welcome.v6), 0);
	CHECK_INT(prefix_parse("10.1.0.0/16", &welcome.welcome.mesh_v4), 0);
	CHECK_INT(prefix_parse("fd00::/48", &welcome.welcome.mesh_v6), 0);
	char *text = round_trip(&welcome);
	CHECK(strstr(text, "\"epoch\":\"ffffffffffffffff\"") != NULL);
	free(text);
	free(round_trip(&relays));
}

TEST(refuses_what_is_wrong_and_says_where)
{
	static const struct {
		const char *text;
		int err;
		const char *why;
	} cases[] = {
		{"", -EBADMSG, ""},
		{"[]", -EBADMSG, ""},
		{"{}", -EBADMSG, "type"},
		{"{\"type\":\"dance\"}", -EPROTO, ""},
		{"{\"type\":\"ack\"}", -EBADMSG, "number"},
		{"{\"type\":\"ack\",\"number\":9007199254740992}", -EBADMSG, "number"},
		{"{\"type\":\"ack\",\"number\":-1}", -EBADMSG, "number"},
		{"{\"type\":\"ack\",\"number\":1.5}", -EBADMSG, "number"},
		{"{\"type\":\"map\",\"number\":1,\"removed\":[0]}", -EBADMSG, "removed[0]"},
		{"{\"type\":\"map\",\"number\":1,\"peers\":[{\"id\":1}]}", -EBADMSG, "peers[0]"},
		{"{\"type\":\"endpoints\",\"endpoints\":[{\"addr\":\"1.2.3.4:0\",\"kind\":"
		 "\"stun\"}]}",
		 -EBADMSG, "endpoints[0].addr"},
		{"{\"type\":\"endpoints\",\"endpoints\":[{\"addr\":\"1.2.3.4:1\",\"kind\":"
		 "\"magic\"}]}",
		 -EBADMSG, "endpoints[0].kind"},
		{"{\"type\":\"endpoints\"}", -EBADMSG, "endpoints"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct control_message m;
		char why[128] = "";

		CHECK_INT(control_decode(cases[i].text, strlen(cases[i].text),
					 CONTROL_NODE_MESSAGE_MAX, &m, why, sizeof(why)),
			  cases[i].err);
		CHECK(strstr(why, cases[i].why) != NULL);
	}
}

TEST(refuses_a_text_beyond_the_cap_before_reading_it)
{
	struct control_message m;
	char why[64];

	CHECK_INT(control_decode("{\"type\":\"ack\",\"number\":1}", 25, 24, &m, why, sizeof(why)),
		  -EMSGSIZE);
}

TEST(knows_an_error_code_of_a_later_version_as_other)
{
	struct control_message m;

	CHECK_INT(decode("{\"type\":\"error\",\"code\":\"moon-phase\",\"text\":\"wait\"}", &m), 0);
	CHECK_INT(m.error.code, CONTROL_ERROR_OTHER);
	CHECK_STR(m.error.text, "wait");
}

TEST(binds_a_key_to_its_machine_name_owner_serial_and_kind)
{
	struct machine_secret machine, other;
	struct public_key pub, other_pub;
	struct control_key k = {.key = {{42}}, .serial = 5};

	machine_secret_from_random(&machine, &pub, (const uint8_t[32]){1});
	machine_secret_from_random(&other, &other_pub, (const uint8_t[32]){2});
	CHECK(!control_key_is_signed(&k));
	control_key_sign(CONTROL_NODE_KEY, &machine, "dev", "alice", &k);
	CHECK(control_key_is_signed(&k));
	CHECK(control_key_verify(CONTROL_NODE_KEY, &pub, "dev", "alice", &k));
	CHECK(!control_key_verify(CONTROL_DISCO_KEY, &pub, "dev", "alice", &k));
	CHECK(!control_key_verify(CONTROL_NODE_KEY, &other_pub, "dev", "alice", &k));
	CHECK(!control_key_verify(CONTROL_NODE_KEY, &pub, "dev-2", "alice", &k));
	CHECK(!control_key_verify(CONTROL_NODE_KEY, &pub, "dev", "bob", &k));
	k.serial = 6;
	CHECK(!control_key_verify(CONTROL_NODE_KEY, &pub, "dev", "alice", &k));
}

/* The text, byte by byte, so that another implementation can sign the same. */
TEST(signs_the_text_that_the_protocol_writes_down)
{
	static const uint8_t text[] = "warren-disco-key-v1\0\0\0\0\0\0\0\1\2dev\0alice\0"
				      "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK";
	struct machine_secret machine;
	struct public_key pub;
	struct control_key k = {.serial = 0x102};

	memset(k.key.b, 'K', sizeof(k.key.b));
	machine_secret_from_random(&machine, &pub, (const uint8_t[32]){1});
	control_key_sign(CONTROL_DISCO_KEY, &machine, "dev", "alice", &k);
	CHECK(machine_verify(&pub, text, sizeof(text) - 1, k.sig));
}

TEST(proves_a_session_for_one_nonce_and_one_server_key)
{
	struct machine_secret machine;
	struct public_key pub;
	uint8_t nonce[32] = {1}, spki[32] = {2}, proof[64];
	uint8_t text[18 + 64] = "warren-session-v1";

	machine_secret_from_random(&machine, &pub, (const uint8_t[32]){1});
	control_proof_sign(&machine, nonce, spki, proof);
	CHECK(control_proof_verify(&pub, nonce, spki, proof));
	CHECK(!control_proof_verify(&pub, spki, nonce, proof));
	text[18] = 1;
	text[50] = 2;
	CHECK(machine_verify(&pub, text, sizeof(text), proof));
}

TEST(takes_a_token_apart)
{
	char name[CONTROL_NAME_LEN], owner[CONTROL_NAME_LEN], secret[CONTROL_SECRET_LEN];

	CHECK_INT(control_token_split("dev-2.alice.abc", name, owner, secret), 0);
	CHECK_STR(name, "dev-2");
	CHECK_STR(owner, "alice");
	CHECK_STR(secret, "abc");
	CHECK_INT(control_token_split("dev-2.alice.abc", name, owner, NULL), 0);
	CHECK_INT(control_token_split("dev.alice", name, owner, secret), -EBADMSG);
	CHECK_INT(control_token_split("dev.alice.", name, owner, secret), -EBADMSG);
	CHECK_INT(control_token_split("dev.alice.a.b", name, owner, secret), -EBADMSG);
	CHECK_INT(control_token_split("Dev.alice.a", name, owner, secret), -EBADMSG);
	CHECK_INT(control_token_split("-dev.alice.a", name, owner, secret), -EBADMSG);
}

TEST(reads_ports_and_names_strictly)
{
	struct control_rule r;

	CHECK_INT(control_ports_parse("22", &r), 0);
	CHECK(r.port_first == 22 && r.port_last == 22);
	CHECK_INT(control_ports_parse("8000-8100", &r), 0);
	CHECK(r.port_first == 8000 && r.port_last == 8100);
	CHECK_INT(control_ports_parse("*", &r), 0);
	CHECK(r.port_first == 0 && r.port_last == 65535);
	CHECK_INT(control_ports_parse("65536", &r), -EINVAL);
	CHECK_INT(control_ports_parse("9-8", &r), -EINVAL);
	CHECK_INT(control_ports_parse("", &r), -EINVAL);
	CHECK_INT(control_ports_parse("1-", &r), -EINVAL);
	CHECK_INT(control_ports_parse(" 1", &r), -EINVAL);
	CHECK(control_name_valid("a") && control_name_valid("dev-2"));
	CHECK(!control_name_valid("") && !control_name_valid("a.b") && !control_name_valid("a-"));
	CHECK(control_name_valid(
		"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"));
	CHECK(!control_name_valid(
		"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01"));
}
