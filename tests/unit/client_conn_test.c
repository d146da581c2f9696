#include "derp-relay/client_conn.h"

#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/proto/derp.h"
#include "tests/unit/test.h"

static const uint64_t t0 = 1000 * US_PER_S;
static const uint8_t hub_seed[HUB_SEED_LEN] = {1};
static const uint8_t nonce[CLIENT_NONCE_LEN] = {2};

struct lab {
	struct hub *hub;
	struct client_env env;
	struct client_conn conn;
	struct secret_key client;
	struct public_key client_pub;
	uint8_t out[70000];
	size_t out_len;
};

static void lab_init(struct lab *lab)
{
	static const struct endpoint from = {.port = 4242};

	*lab = (struct lab){.hub = hub_new(hub_seed, 1 << 20)};
	lab->env.limits = limits_make(0, 0);
	secret_key_from_random(&lab->env.secret, (const uint8_t[KEY_LEN]){3});
	secret_key_public(&lab->env.secret, &lab->env.pub);
	secret_key_from_random(&lab->client, (const uint8_t[KEY_LEN]){4});
	secret_key_public(&lab->client, &lab->client_pub);
	CHECK(client_conn_init(&lab->conn, 0, &from, 0, nonce, 0, t0) == 0);
}

static void lab_wipe(struct lab *lab)
{
	client_conn_wipe(&lab->conn, lab->hub);
	hub_free(lab->hub);
}

static int give(struct lab *lab, struct writer *w, size_t *used)
{
	return client_conn_on_bytes(&lab->conn, &lab->env, lab->hub, w->buf, w->len, t0, used);
}

static int give_frame(struct lab *lab, const struct derp_frame *f)
{
	static uint8_t buf[DERP_FORWARD_FRAME_MAX];
	struct writer w = writer_init(buf, sizeof(buf));
	size_t used;

	CHECK(derp_frame_encode(f, &w) == 0);
	int err = give(lab, &w, &used);
	CHECK(err < 0 || used == w.len);
	return err;
}

static int give_hex(struct lab *lab, const char *hex)
{
	uint8_t buf[256];
	struct writer w = writer_init(buf, sizeof(buf));
	size_t used;

	w.len = strlen(hex) / 2;
	test_unhex(hex, buf, w.len);
	return give(lab, &w, &used);
}

static void seal_login(struct lab *lab, struct writer *w, const uint8_t *mesh_key)
{
	struct derp_client_info info = {.version = 2, .can_ack_pings = true};

	if (mesh_key) {
		info.has_mesh_key = true;
		memcpy(info.mesh_key, mesh_key, KEY_LEN);
	}
	CHECK(derp_client_info_seal(&info, &lab->client, &lab->env.pub, nonce, w) == 0);
}

static void log_in(struct lab *lab, const uint8_t *mesh_key)
{
	uint8_t buf[512];
	struct writer w = writer_init(buf, sizeof(buf));
	size_t used;

	seal_login(lab, &w, mesh_key);
	CHECK(give(lab, &w, &used) == 0 && used == w.len);
	CHECK(lab->conn.state == CLIENT_ASKING);
	CHECK(client_conn_on_admission(&lab->conn, lab->hub, true, t0) == 0);
}

/* The types of the frames that the connection has to write, as a string of hex bytes. */
static const char *pull_types(struct lab *lab)
{
	static char types[256];
	struct writer w = writer_init(lab->out, sizeof(lab->out));

	types[0] = 0;
	(void)client_conn_pull(&lab->conn, &lab->env, lab->hub, &w, t0);
	struct reader r = reader_init(lab->out, w.len);
	while (reader_left(&r) > 0) {
		sprintf(types + strlen(types), "%02x ", read_u8(&r));
		read_skip(&r, read_u32be(&r));
		CHECK(!r.failed);
	}
	lab->out_len = w.len;
	return types;
}

TEST(greets_with_its_key_and_answers_the_login_once_admitted)
{
	struct lab lab;
	struct derp_server_info info;

	lab_init(&lab);
	CHECK_STR(pull_types(&lab), "01 ");
	uint8_t buf[512];
	struct writer w = writer_init(buf, sizeof(buf));
	size_t used;
	seal_login(&lab, &w, NULL);
	CHECK(give(&lab, &w, &used) == 0 && lab.conn.state == CLIENT_ASKING);
	CHECK_STR(pull_types(&lab), "");
	CHECK(public_key_equal(&lab.conn.hub.key, &lab.client_pub));

	CHECK(client_conn_on_admission(&lab.conn, lab.hub, true, t0) == 0);
	CHECK_STR(pull_types(&lab), "03 ");
	CHECK(derp_server_info_open(lab.out + 5, lab.out_len - 5, &lab.client, &lab.env.pub,
				    &info) == 0);
	CHECK_INT(info.version, 2);
	CHECK_STR(pull_types(&lab), "");
	lab_wipe(&lab);
}

TEST(a_login_in_pieces_waits_for_its_end_and_what_is_behind_it_for_admission)
{
	struct lab lab;
	uint8_t buf[512];
	struct writer w = writer_init(buf, sizeof(buf));
	size_t used;

	lab_init(&lab);
	seal_login(&lab, &w, NULL);
	size_t login_len = w.len;
	CHECK(derp_frame_encode(
		      &(struct derp_frame){.type = DERP_NOTE_PREFERRED, .preferred = true}, &w) ==
	      0);
	CHECK(client_conn_on_bytes(&lab.conn, &lab.env, NULL, buf, login_len - 1, t0, &used) == 0);
	CHECK(used == 0 && lab.conn.state == CLIENT_LOGIN);
	CHECK(give(&lab, &w, &used) == 0 && used == login_len);
	CHECK(client_conn_on_admission(&lab.conn, lab.hub, true, t0) == 0);
	CHECK(!lab.conn.hub.preferred);
	CHECK(client_conn_on_bytes(&lab.conn, &lab.env, lab.hub, buf + used, w.len - used, t0,
				   &used) == 0);
	CHECK(lab.conn.hub.preferred);
	lab_wipe(&lab);
}

TEST(a_login_that_does_not_open_ends_the_connection)
{
	struct lab lab;
	uint8_t buf[512];
	struct writer w = writer_init(buf, sizeof(buf));
	size_t used;

	lab_init(&lab);
	seal_login(&lab, &w, NULL);
	buf[w.len - 1] ^= 1;
	CHECK_INT(give(&lab, &w, &used), -EACCES);
	CHECK_INT(give_hex(&lab, "0600000000"), -EPROTO); /* a frame before the login */
	CHECK(lab.conn.state == CLIENT_LOGIN);
	lab_wipe(&lab);
}

TEST(refusal_and_silence_end_a_login)
{
	struct lab lab;
	uint8_t buf[512];
	struct writer w = writer_init(buf, sizeof(buf));
	size_t used;

	lab_init(&lab);
	CHECK(client_conn_on_deadline(&lab.conn, t0 + 10 * US_PER_S - 1) == 0);
	CHECK_INT(client_conn_on_deadline(&lab.conn, t0 + 10 * US_PER_S), -ETIMEDOUT);
	seal_login(&lab, &w, NULL);
	CHECK(give(&lab, &w, &used) == 0);
	CHECK(client_conn_on_deadline(&lab.conn, t0 + 60 * US_PER_S - 1) == 0);
	CHECK_INT(client_conn_on_deadline(&lab.conn, t0 + 60 * US_PER_S), -ETIMEDOUT);
	CHECK_INT(client_conn_on_admission(&lab.conn, lab.hub, false, t0), -EACCES);
	lab_wipe(&lab);
}

TEST(answers_the_newest_ping_and_keeps_alive_each_minute)
{
	struct lab lab;

	lab_init(&lab);
	log_in(&lab, NULL);
	(void)pull_types(&lab);
	CHECK(give_hex(&lab, "12000000080102030405060708") == 0);
	CHECK(give_hex(&lab, "120000000a11121314151617189999") ==
	      0); /* longer: the first 8 count */
	CHECK_STR(pull_types(&lab), "13 ");
	CHECK_MEM(lab.out + 5, "\x11\x12\x13\x14\x15\x16\x17\x18", 8);

	CHECK(client_conn_on_deadline(&lab.conn, t0 + 60 * US_PER_S - 1) == 0);
	CHECK_STR(pull_types(&lab), "");
	CHECK(client_conn_on_deadline(&lab.conn, t0 + 60 * US_PER_S) == 0);
	CHECK_STR(pull_types(&lab), "06 ");
	CHECK_INT(lab.conn.due_us, t0 + 120 * US_PER_S);
	lab_wipe(&lab);
}

TEST(wrong_sizes_end_the_connection)
{
	static const char *const bad[] = {
		"07000000020100",			      /* preferred is one byte */
		"120000000701020304050607",		      /* a ping of seven */
		"0400000010000102030405060708090a0b0c0d0e0f", /* no room for a key */
		"0400020000",				      /* a packet above 64 KiB */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lab lab;

		lab_init(&lab);
		log_in(&lab, NULL);
		CHECK(give_hex(&lab, bad[i]) < 0);
		lab_wipe(&lab);
	}
}

TEST(unknown_frames_are_skipped_however_they_are_cut)
{
	struct lab lab;

	lab_init(&lab);
	log_in(&lab, NULL);
	(void)pull_types(&lab);
	CHECK(give_hex(&lab, "7700000004aabb") == 0);
	CHECK_INT(lab.conn.skip_bytes, 2);
	CHECK(give_hex(&lab, "ccdd12000000080102030405060708") == 0);
	CHECK_STR(pull_types(&lab), "13 ");
	lab_wipe(&lab);
}

TEST(only_the_mesh_key_lets_watch_forward_and_close)
{
	static const uint8_t mesh_key[KEY_LEN] = {9, 9}, wrong[KEY_LEN] = {9, 8};
	const struct derp_frame watch = {.type = DERP_WATCH_CONNS};
	struct lab lab;

	lab_init(&lab);
	log_in(&lab, mesh_key); /* a relay without one takes nobody's */
	CHECK_INT(give_frame(&lab, &watch), -EACCES);
	lab_wipe(&lab);

	lab_init(&lab);
	lab.env.has_mesh_key = true;
	memcpy(lab.env.mesh_key, mesh_key, KEY_LEN);
	log_in(&lab, wrong);
	CHECK_INT(give_frame(&lab, &watch), -EACCES);
	CHECK_INT(give_frame(&lab, &(struct derp_frame){.type = DERP_CLOSE_PEER}), -EACCES);
	CHECK_INT(give_frame(&lab, &(struct derp_frame){.type = DERP_FORWARD_PACKET}), -EACCES);
	lab_wipe(&lab);

	lab_init(&lab);
	lab.env.has_mesh_key = true;
	memcpy(lab.env.mesh_key, mesh_key, KEY_LEN);
	log_in(&lab, mesh_key);
	CHECK_INT(lab.conn.hub.flags, DERP_PRESENT_MESH);
	(void)pull_types(&lab);
	CHECK(give_frame(&lab, &watch) == 0);
	CHECK_STR(pull_types(&lab), "09 ");
	CHECK(give_frame(&lab, &(struct derp_frame){.type = DERP_CLOSE_PEER,
						    .close_peer = lab.client_pub}) == 0);
	CHECK(lab.conn.hub.port.close);
	lab_wipe(&lab);
}

TEST(the_rate_limit_stops_reading_and_loses_nothing)
{
	struct lab lab;
	static uint8_t buf[4 * 30037];
	struct writer w = writer_init(buf, sizeof(buf));
	static uint8_t data[30000];
	struct derp_frame f = {.type = DERP_SEND_PACKET,
			       .packet = {.data = data, .len = sizeof(data)}};
	size_t used;

	lab_init(&lab);
	lab.env.limits = limits_make(30037, 0);
	log_in(&lab, NULL);
	for (int i = 0; i < 4; i++)
		CHECK(derp_frame_encode(&f, &w) == 0);
	/* The burst of 65,568 holds two; the third is over it, and the fourth must wait. */
	CHECK(give(&lab, &w, &used) == 0);
	CHECK_INT(used, 3 * 30037);
	CHECK(lab.conn.read_after_us > t0 + 810000 && lab.conn.read_after_us < t0 + 820000);
	struct writer rest = {.buf = buf + used, .len = w.len - used};
	CHECK(client_conn_on_bytes(&lab.conn, &lab.env, lab.hub, rest.buf, rest.len,
				   lab.conn.read_after_us, &used) == 0);
	CHECK_INT(used, 30037);
	lab_wipe(&lab);
}

TEST(a_drain_is_announced)
{
	struct lab lab;

	lab_init(&lab);
	log_in(&lab, NULL);
	(void)pull_types(&lab);
	client_conn_on_drain(&lab.conn);
	CHECK_STR(pull_types(&lab), "15 ");
	CHECK_INT(lab.out_len, 13);
	lab_wipe(&lab);
}
