#include "common/proto/derp.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/test.h"

/* Keys and frames of the reference's vectors (nonce a0..b7). */
static const char client_secret_hex[] =
	"0002030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f60";
static const char client_hex[] = "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c";
static const char server_secret_hex[] =
	"4042434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60";
static const char server_hex[] = "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466";
/* ClientInfo of {"version":2,"CanAckPings":true}, ServerInfo of {"version":2}. */
static const char client_info_hex[] =
	"020000006807a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7ca0a1a2a3a4a5a6"
	"a7a8a9aaabacadaeafb0b1b2b3b4b5b6b76cffec82736cd2129b825def91dab6667dfbbfe74feceee2842379"
	"acdf7acb5bb387740e0e27b6d3d9ab25945f3ffc3f";
static const char server_info_hex[] =
	"0300000035a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b74e4f3e360f5dfbf335029a77d49e4e"
	"fe7dfbbfe74feceee2842379ac8e";
enum { CLIENT_INFO_LEN = 5 + 104, SERVER_INFO_LEN = 5 + 53 };

struct ends {
	struct secret_key client_secret, server_secret;
	struct public_key client, server;
	uint8_t nonce[DERP_NONCE_LEN];
};

static struct ends ends_init(void)
{
	struct ends e;

	test_unhex(client_secret_hex, e.client_secret.b, KEY_LEN);
	test_unhex(server_secret_hex, e.server_secret.b, KEY_LEN);
	test_unhex(client_hex, e.client.b, KEY_LEN);
	test_unhex(server_hex, e.server.b, KEY_LEN);
	for (int i = 0; i < DERP_NONCE_LEN; i++)
		e.nonce[i] = (uint8_t)(0xa0 + i);
	return e;
}

TEST(seals_the_vectors_client_info_to_the_byte)
{
	struct ends e = ends_init();
	struct derp_client_info info = {.version = 2, .can_ack_pings = true};
	uint8_t frame[256], wanted[CLIENT_INFO_LEN];
	struct writer w = writer_init(frame, sizeof(frame));

	test_unhex(client_info_hex, wanted, sizeof(wanted));
	CHECK_INT(derp_client_info_seal(&info, &e.client_secret, &e.server, e.nonce, &w), 0);
	CHECK_INT(w.len, sizeof(wanted));
	CHECK_MEM(frame, wanted, sizeof(wanted));
}

TEST(opens_the_vectors_client_info)
{
	struct ends e = ends_init();
	struct derp_client_info info;
	struct public_key client;
	uint8_t frame[CLIENT_INFO_LEN];

	test_unhex(client_info_hex, frame, sizeof(frame));
	CHECK_INT(derp_client_info_open(frame + 5, sizeof(frame) - 5, &e.server_secret, &client,
					&info),
		  0);
	CHECK(public_key_equal(&client, &e.client));
	CHECK(info.version == 2 && info.can_ack_pings && !info.is_prober && !info.has_mesh_key);
	CHECK_STR(info.app_name, "");
	frame[CLIENT_INFO_LEN - 1] ^= 1;
	CHECK_INT(derp_client_info_open(frame + 5, sizeof(frame) - 5, &e.server_secret, &client,
					&info),
		  -EACCES);
	CHECK_INT(derp_client_info_open(frame + 5, 55, &e.server_secret, &client, &info), -EBADMSG);
}

TEST(client_info_carries_mesh_key_prober_and_application)
{
	struct ends e = ends_init();
	struct derp_client_info info = {.has_mesh_key = true,
					.mesh_key = {1, 2, 3, [31] = 0xff},
					.version = 2,
					.is_prober = true,
					.app_name = "warren"};
	struct derp_client_info got;
	struct public_key client;
	uint8_t frame[512];
	struct writer w = writer_init(frame, sizeof(frame));

	CHECK_INT(derp_client_info_seal(&info, &e.client_secret, &e.server, e.nonce, &w), 0);
	CHECK_INT(derp_client_info_open(frame + 5, w.len - 5, &e.server_secret, &client, &got), 0);
	CHECK(got.has_mesh_key && got.is_prober && !got.can_ack_pings);
	CHECK_MEM(got.mesh_key, info.mesh_key, KEY_LEN);
	CHECK_STR(got.app_name, "warren");
}

TEST(server_info_matches_the_vector_both_ways)
{
	struct ends e = ends_init();
	struct derp_server_info info = {.version = 2}, got;
	uint8_t frame[256], wanted[SERVER_INFO_LEN];
	struct writer w = writer_init(frame, sizeof(frame));

	test_unhex(server_info_hex, wanted, sizeof(wanted));
	CHECK_INT(derp_server_info_seal(&info, &e.server_secret, &e.client, e.nonce, &w), 0);
	CHECK_INT(w.len, sizeof(wanted));
	CHECK_MEM(frame, wanted, sizeof(wanted));
	CHECK_INT(derp_server_info_open(frame + 5, w.len - 5, &e.client_secret, &e.server, &got),
		  0);
	CHECK(got.version == 2 && got.rate_bytes_per_s == 0 && got.burst_bytes == 0);
	frame[20] ^= 1;
	CHECK_INT(derp_server_info_open(frame + 5, w.len - 5, &e.client_secret, &e.server, &got),
		  -EACCES);
}

TEST(server_info_tells_the_rate)
{
	struct ends e = ends_init();
	struct derp_server_info info = {
		.version = 2, .rate_bytes_per_s = 1000, .burst_bytes = 70000};
	struct derp_server_info got;
	uint8_t frame[256];
	struct writer w = writer_init(frame, sizeof(frame));

	CHECK_INT(derp_server_info_seal(&info, &e.server_secret, &e.client, e.nonce, &w), 0);
	CHECK_INT(derp_server_info_open(frame + 5, w.len - 5, &e.client_secret, &e.server, &got),
		  0);
	CHECK(got.rate_bytes_per_s == 1000 && got.burst_bytes == 70000);
}

TEST(a_login_that_does_not_fit_the_buffer_says_so)
{
	struct ends e = ends_init();
	struct derp_client_info info = {.version = 2, .can_ack_pings = true};
	uint8_t frame[CLIENT_INFO_LEN];
	struct writer w = writer_init(frame, sizeof(frame) - 1);

	CHECK_INT(derp_client_info_seal(&info, &e.client_secret, &e.server, e.nonce, &w), -ENOBUFS);
	w = writer_init(frame, sizeof(frame));
	CHECK_INT(derp_client_info_seal(&info, &e.client_secret, &e.server, e.nonce, &w), 0);
}

/* ---- frames ---- */

/* Every frame as bytes; decoding and encoding again must give the same. */
static const struct {
	const char *hex;
	uint8_t type;
} frames[] = {
	{"0100000028"
	 "44455250f09f9491" /* magic and key */
	 "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466",
	 DERP_SERVER_KEY},
	{"0400000023"
	 "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c"
	 "aabbcc",
	 DERP_SEND_PACKET},
	{"0500000022"
	 "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c"
	 "aabb",
	 DERP_RECV_PACKET},
	{"0600000000", DERP_KEEP_ALIVE},
	{"070000000101", DERP_NOTE_PREFERRED},
	{"070000000100", DERP_NOTE_PREFERRED},
	{"0800000021"
	 "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c"
	 "01",
	 DERP_PEER_GONE},
	{"0900000020"
	 "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c",
	 DERP_PEER_PRESENT},
	{"0900000033"
	 "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c"
	 "00000000000000000000ffffc0000207"
	 "1092"
	 "01",
	 DERP_PEER_PRESENT},
	{"0a00000041"
	 "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c"
	 "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466"
	 "dd",
	 DERP_FORWARD_PACKET},
	{"1000000000", DERP_WATCH_CONNS},
	{"1100000020"
	 "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c",
	 DERP_CLOSE_PEER},
	{"12000000080102030405060708", DERP_PING},
	{"13000000080102030405060708", DERP_PONG},
	{"140000000464756d62", DERP_HEALTH},
	{"1400000000", DERP_HEALTH},
	{"1500000008000003e800000fa0", DERP_RESTARTING},
};

TEST(every_frame_decodes_and_encodes_to_the_same_bytes)
{
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		uint8_t bytes[256], again[256];
		size_t len = strlen(frames[i].hex) / 2;
		struct writer w = writer_init(again, sizeof(again));
		struct derp_frame f;

		test_unhex(frames[i].hex, bytes, len);
		CHECK_INT(bytes[0], frames[i].type);
		CHECK_INT(derp_frame_decode(bytes[0], bytes + 5, len - 5, &f), 0);
		CHECK_INT(derp_frame_encode(&f, &w), 0);
		CHECK_INT(w.len, len);
		CHECK_MEM(again, bytes, len);
	}
}

TEST(fields_come_out_where_they_belong)
{
	uint8_t payload[64] = {0};
	struct derp_frame f;

	test_unhex("000003e800000fa0", payload, 8);
	CHECK_INT(derp_frame_decode(DERP_RESTARTING, payload, 8, &f), 0);
	CHECK(f.restarting.reconnect_in_ms == 1000 && f.restarting.try_for_ms == 4000);
	payload[0] = 7;
	CHECK_INT(derp_frame_decode(DERP_SEND_PACKET, payload, 40, &f), 0);
	CHECK(f.packet.dst.b[0] == 7 && f.packet.len == 8 && f.packet.data == payload + 32);
	CHECK_INT(derp_frame_decode(DERP_NOTE_PREFERRED, (const uint8_t[]){1}, 1, &f), 0);
	CHECK(f.preferred);
}

TEST(old_and_grown_frames_are_taken_by_the_prefix_known)
{
	uint8_t payload[64] = {0};
	struct derp_frame f;

	CHECK_INT(derp_frame_decode(DERP_PEER_GONE, payload, 32, &f), 0); /* no reason: old relay */
	CHECK(f.gone.reason == DERP_GONE_DISCONNECTED);
	payload[32] = 0xf0;
	CHECK_INT(derp_frame_decode(DERP_PEER_GONE, payload, 33, &f), 0);
	CHECK(f.gone.reason == DERP_GONE_DISCONNECTED);
	CHECK_INT(derp_frame_decode(DERP_PEER_PRESENT, payload, 50, &f), 0);
	CHECK(f.present.has_endpoint && !f.present.has_flags);
	CHECK_INT(derp_frame_decode(DERP_PEER_PRESENT, payload, 60, &f), 0);
	CHECK(f.present.has_flags);
	CHECK_INT(derp_frame_decode(DERP_RESTARTING, payload, 12, &f), 0);
	CHECK_INT(derp_frame_decode(DERP_PING, payload, 64, &f), 0);
	memcpy(payload, "DERP\xf0\x9f\x94\x91", 8);
	CHECK_INT(derp_frame_decode(DERP_SERVER_KEY, payload, 64, &f), 0);
}

TEST(wrong_sizes_and_unknown_types_are_told_apart)
{
	static uint8_t big[DERP_PACKET_MAX + KEY_LEN + 1];
	struct derp_frame f;

	CHECK_INT(derp_frame_decode(DERP_NOTE_PREFERRED, big, 2, &f), -EBADMSG);
	CHECK_INT(derp_frame_decode(DERP_NOTE_PREFERRED, big, 0, &f), -EBADMSG);
	CHECK_INT(derp_frame_decode(DERP_WATCH_CONNS, big, 1, &f), -EBADMSG);
	CHECK_INT(derp_frame_decode(DERP_PING, big, 7, &f), -EBADMSG);
	CHECK_INT(derp_frame_decode(DERP_PING, big, 1001, &f), -EMSGSIZE);
	CHECK_INT(derp_frame_decode(DERP_CLIENT_INFO, big, 55, &f), -EBADMSG);
	CHECK_INT(derp_frame_decode(DERP_SERVER_KEY, big, 40, &f), -EBADMSG); /* no magic */
	CHECK_INT(derp_frame_decode(DERP_SEND_PACKET, big, KEY_LEN + DERP_PACKET_MAX, &f), 0);
	CHECK_INT(derp_frame_decode(DERP_SEND_PACKET, big, KEY_LEN + DERP_PACKET_MAX + 1, &f),
		  -EMSGSIZE);
	CHECK_INT(derp_frame_decode(0x42, big, 3, &f), -ENOTSUP);
}

TEST(every_shorter_payload_is_refused_or_a_shorter_frame)
{
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		uint8_t bytes[256];
		size_t len = strlen(frames[i].hex) / 2;
		struct derp_frame f;

		test_unhex(frames[i].hex, bytes, len);
		for (size_t n = 0; n + 5 < len; n++) {
			int err = derp_frame_decode(bytes[0], bytes + 5, n, &f);
			CHECK(err == 0 || err == -EBADMSG);
		}
	}
}

TEST(the_head_of_a_packet_equals_the_frames_own)
{
	struct ends e = ends_init();
	static const uint8_t data[3] = {1, 2, 3};
	static const enum derp_type types[] = {DERP_SEND_PACKET, DERP_RECV_PACKET,
					       DERP_FORWARD_PACKET};

	for (size_t i = 0; i < 3; i++) {
		struct derp_frame f = {.type = types[i],
				       .packet = {.src = e.client,
						  .dst = e.server,
						  .data = data,
						  .len = sizeof(data)}};
		uint8_t whole[128], head[DERP_PACKET_HEAD_MAX];
		struct writer w = writer_init(whole, sizeof(whole));
		size_t head_len =
			derp_packet_head(types[i], &e.client, &e.server, sizeof(data), head);

		CHECK_INT(derp_frame_encode(&f, &w), 0);
		CHECK_INT(head_len + sizeof(data), w.len);
		CHECK_MEM(head, whole, head_len);
	}
}

TEST(disco_is_told_from_other_packets_by_magic_and_length)
{
	uint8_t data[62] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};

	CHECK(derp_packet_is_disco(data, 62));
	CHECK(!derp_packet_is_disco(data, 61));
	data[0] = 4;
	CHECK(!derp_packet_is_disco(data, 62));
}
