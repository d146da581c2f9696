#include <errno.h>

#include "common/proto/disco.h"
#include "tests/unit/test.h"

/* Keys and packet of the reference's vector: client to server, nonce a0..b7. */
static const char client_secret_hex[] =
	"0002030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f60";
static const char client_hex[] = "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c";
static const char server_secret_hex[] =
	"4042434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60";
static const char server_hex[] = "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466";
static const char shared_hex[] = "f8d48c0771b2fab0580110626883f7671e7d0001a6823f3ad9e93d8ef177e8fc";
static const char txid_hex[] = "0f1e2d3c4b5a69788796a5b4";
static const char plain_hex[] = "02000f1e2d3c4b5a69788796a5b400000000000000000000ffffc00002071092";
static const char packet_hex[] =
	"5453f09f92ac07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7ca0a1a2a3a4a5"
	"a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b740a312c023af98b57246f4dcaa91416c04d9c69c10a3ccd78379"
	"c40856ec883addc617655e4ed8b45576dfe02f4d89d0";
enum { VECTOR_LEN = 110 };

struct pair {
	struct public_key client;
	struct disco_shared sending, receiving;
	uint8_t nonce[DISCO_NONCE_LEN];
};

static struct pair pair_init(void)
{
	struct secret_key client, server;
	struct public_key server_public;
	struct pair p;

	test_unhex(client_secret_hex, client.b, KEY_LEN);
	test_unhex(server_secret_hex, server.b, KEY_LEN);
	test_unhex(client_hex, p.client.b, KEY_LEN);
	test_unhex(server_hex, server_public.b, KEY_LEN);
	CHECK(disco_shared_init(&p.sending, &client, &server_public) == 0);
	CHECK(disco_shared_init(&p.receiving, &server, &p.client) == 0);
	for (int i = 0; i < DISCO_NONCE_LEN; i++)
		p.nonce[i] = (uint8_t)(0xa0 + i);
	return p;
}

static struct disco_message vector_pong(void)
{
	struct disco_message m = {.type = DISCO_PONG};

	test_unhex(txid_hex, m.pong.txid, DISCO_TXID_LEN);
	CHECK(endpoint_parse("192.0.2.7:4242", &m.pong.seen) == 0);
	return m;
}

static const struct disco_report some_report = {.serial = 0x0102030405060708,
						.flags = 0x8005,
						.probe = 7,
						.heard_probe = 5,
						.data_sent = {100, 200},
						.data_heard = {0xfffffffe, 3}};

static struct disco_message some_ping(void)
{
	struct disco_message m = {.type = DISCO_PING,
				  .ping = {.txid = {9, 8, 7},
					   .has_node_key = true,
					   .node_key = {{0x42}},
					   .has_report = true,
					   .report = some_report}};
	return m;
}

TEST(both_ends_compute_the_vectors_key)
{
	struct pair p = pair_init();
	uint8_t wanted[KEY_LEN];

	test_unhex(shared_hex, wanted, KEY_LEN);
	CHECK_MEM(p.sending.b, wanted, KEY_LEN);
	CHECK_MEM(p.receiving.b, wanted, KEY_LEN);
}

TEST(a_key_of_low_order_is_refused)
{
	struct secret_key ours = {{1}};
	struct public_key zero = {{0}};
	struct disco_shared shared;

	CHECK_INT(disco_shared_init(&shared, &ours, &zero), -EPROTO);
}

TEST(seals_the_vectors_pong_to_the_byte)
{
	struct pair p = pair_init();
	struct disco_message m = vector_pong();
	uint8_t packet[DISCO_PACKET_MAX], wanted[VECTOR_LEN], plain[64], wanted_plain[32];
	struct writer w = writer_init(plain, sizeof(plain));
	size_t len = 0;

	test_unhex(packet_hex, wanted, sizeof(wanted));
	test_unhex(plain_hex, wanted_plain, sizeof(wanted_plain));
	CHECK_INT(disco_encode(&m, &w), 0);
	CHECK(w.len == sizeof(wanted_plain));
	CHECK_MEM(plain, wanted_plain, sizeof(wanted_plain));
	CHECK_INT(disco_seal(&m, &p.sending, &p.client, p.nonce, packet, sizeof(packet), &len), 0);
	CHECK(len == VECTOR_LEN);
	CHECK_MEM(packet, wanted, sizeof(wanted));
}

TEST(opens_the_vectors_pong)
{
	struct pair p = pair_init();
	struct disco_message m, wanted = vector_pong();
	struct public_key sender;
	uint8_t packet[VECTOR_LEN];

	test_unhex(packet_hex, packet, sizeof(packet));
	CHECK(disco_is_disco(packet, sizeof(packet)));
	CHECK_INT(disco_sender(packet, sizeof(packet), &sender), 0);
	CHECK(public_key_equal(&sender, &p.client));
	CHECK_INT(disco_open(packet, sizeof(packet), &p.receiving, &m), 0);
	CHECK(m.type == DISCO_PONG && !m.pong.has_report);
	CHECK_MEM(m.pong.txid, wanted.pong.txid, DISCO_TXID_LEN);
	CHECK(endpoint_equal(&m.pong.seen, &wanted.pong.seen));
}

TEST(every_flipped_bit_breaks_the_seal_or_the_magic)
{
	struct pair p = pair_init();
	struct disco_message m;
	uint8_t packet[VECTOR_LEN];

	for (size_t i = 0; i < sizeof(packet); i++) {
		bool in_sender = i >= DISCO_MAGIC_LEN && i < DISCO_MAGIC_LEN + KEY_LEN;

		test_unhex(packet_hex, packet, sizeof(packet));
		packet[i] ^= 1;
		if (!in_sender) /* the claimed sender is not sealed; it chooses the key */
			CHECK_INT(disco_open(packet, sizeof(packet), &p.receiving, &m),
				  i < DISCO_MAGIC_LEN ? -EBADMSG : -EACCES);
	}
}

TEST(every_shorter_packet_is_refused)
{
	struct pair p = pair_init();
	struct disco_message m;
	uint8_t packet[VECTOR_LEN];

	test_unhex(packet_hex, packet, sizeof(packet));
	for (size_t len = 0; len < sizeof(packet); len++)
		CHECK(disco_open(packet, len, &p.receiving, &m) != 0);
}

TEST(a_packet_longer_than_any_message_is_refused_before_cryptography)
{
	struct pair p = pair_init();
	struct disco_message m;
	uint8_t packet[DISCO_PACKET_MAX + 1] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};

	CHECK_INT(disco_open(packet, sizeof(packet), &p.receiving, &m), -EBADMSG);
	CHECK_INT(disco_open(packet, sizeof(packet) - 1, &p.receiving, &m), -EACCES);
}

TEST(a_ping_carries_report_and_node_key_there_and_back)
{
	struct pair p = pair_init();
	struct disco_message m = some_ping(), got;
	uint8_t packet[DISCO_PACKET_MAX];
	size_t len = 0;

	CHECK_INT(disco_seal(&m, &p.sending, &p.client, p.nonce, packet, sizeof(packet), &len), 0);
	CHECK_INT(len, 124 + 36); /* a deployed full ping, and our report */
	CHECK_INT(disco_open(packet, len, &p.receiving, &got), 0);
	CHECK(got.ping.has_node_key && got.ping.has_report);
	CHECK(public_key_equal(&got.ping.node_key, &m.ping.node_key));
	CHECK(got.ping.report.serial == 0x0102030405060708);
	CHECK_INT(got.ping.report.flags, 0x8005);
	CHECK(got.ping.report.probe == 7 && got.ping.report.heard_probe == 5);
	CHECK(got.ping.report.data_sent[DISCO_WAY_DIRECT] == 100);
	CHECK(got.ping.report.data_sent[DISCO_WAY_RELAY] == 200);
	CHECK(got.ping.report.data_heard[DISCO_WAY_DIRECT] == 0xfffffffe);
	CHECK(got.ping.report.data_heard[DISCO_WAY_RELAY] == 3);
}

static int decode_cut(const struct disco_message *m, size_t cut, struct disco_message *out)
{
	uint8_t plain[DISCO_BODY_MAX];
	struct writer w = writer_init(plain, sizeof(plain));

	CHECK_INT(disco_encode(m, &w), 0);
	return disco_decode(plain, w.len - cut, out);
}

TEST(a_deployed_ping_has_no_report_with_or_without_node_key_and_padding)
{
	struct disco_message got;
	uint8_t plain[2 + DISCO_TXID_LEN + KEY_LEN + 64] = {DISCO_PING, 0, 1};

	CHECK_INT(disco_decode(plain, 2 + DISCO_TXID_LEN, &got), 0);
	CHECK(!got.ping.has_node_key && !got.ping.has_report);
	CHECK_INT(disco_decode(plain, 2 + DISCO_TXID_LEN + KEY_LEN, &got), 0);
	CHECK(got.ping.has_node_key && !got.ping.has_report);
	CHECK_INT(disco_decode(plain, sizeof(plain), &got), 0); /* zero padding */
	CHECK(got.ping.has_node_key && !got.ping.has_report);
	CHECK_INT(disco_decode(plain, 2 + DISCO_TXID_LEN - 1, &got), -EBADMSG);
}

TEST(a_report_cut_short_is_no_report)
{
	struct disco_message m = some_ping(), got;

	CHECK_INT(decode_cut(&m, 1, &got), 0);
	CHECK(!got.ping.has_report && got.ping.report.serial == 0);
}

TEST(a_longer_report_of_a_newer_version_is_taken_by_its_known_prefix)
{
	struct disco_message m = some_ping(), got;
	uint8_t plain[DISCO_BODY_MAX] = {0};
	struct writer w = writer_init(plain, sizeof(plain));

	CHECK_INT(disco_encode(&m, &w), 0);
	plain[2 + DISCO_TXID_LEN + KEY_LEN + 1] += 4;
	CHECK_INT(disco_decode(plain, w.len + 4, &got), 0);
	CHECK(got.ping.has_report && got.ping.report.probe == 7);
}

TEST(a_report_without_a_node_key_before_it_cannot_be_written)
{
	struct disco_message m = some_ping();
	uint8_t plain[DISCO_BODY_MAX];
	struct writer w = writer_init(plain, sizeof(plain));

	m.ping.has_node_key = false;
	CHECK_INT(disco_encode(&m, &w), -EINVAL);
}

TEST(call_me_maybe_lists_endpoints_and_a_bad_length_is_an_empty_list)
{
	struct disco_message m = {.type = DISCO_CALL_ME_MAYBE}, got;

	CHECK_INT(decode_cut(&m, 0, &got), 0);
	CHECK(got.call_me_maybe.n == 0);
	CHECK(endpoint_parse("192.0.2.1:1", &m.call_me_maybe.endpoints[0]) == 0);
	CHECK(endpoint_parse("[2001:db8::1]:65535", &m.call_me_maybe.endpoints[1]) == 0);
	m.call_me_maybe.n = 2;
	CHECK_INT(decode_cut(&m, 0, &got), 0);
	CHECK(got.call_me_maybe.n == 2);
	CHECK(endpoint_equal(&got.call_me_maybe.endpoints[1], &m.call_me_maybe.endpoints[1]));
	CHECK_INT(decode_cut(&m, 1, &got), 0);
	CHECK(got.call_me_maybe.n == 0);
}

TEST(call_me_maybe_beyond_64_endpoints_is_read_up_to_there)
{
	uint8_t plain[2 + 65 * 18] = {DISCO_CALL_ME_MAYBE, 0};
	struct disco_message got;

	CHECK_INT(disco_decode(plain, sizeof(plain), &got), 0);
	CHECK(got.call_me_maybe.n == 64);
}

TEST(call_me_maybe_of_another_version_is_an_empty_list)
{
	uint8_t plain[2 + 18] = {DISCO_CALL_ME_MAYBE, 1};
	struct disco_message got;

	CHECK_INT(disco_decode(plain, sizeof(plain), &got), 0);
	CHECK(got.call_me_maybe.n == 0);
}

TEST(a_notice_says_reason_and_way)
{
	struct disco_message m = {.type = DISCO_NOTICE,
				  .notice = {.serial = 77,
					     .reason = DISCO_NOT_HEARING,
					     .way = DISCO_WAY_RELAY,
					     .region = 3}};
	struct disco_message got;

	CHECK_INT(decode_cut(&m, 0, &got), 0);
	CHECK(got.notice.serial == 77 && got.notice.reason == DISCO_NOT_HEARING);
	CHECK(got.notice.way == DISCO_WAY_RELAY && got.notice.region == 3);
	CHECK_INT(decode_cut(&m, 1, &got), -EBADMSG);
	m.notice.reason = 9;
	CHECK_INT(decode_cut(&m, 0, &got), -ENOTSUP);
	m.notice.reason = DISCO_LEAVING;
	m.notice.way = 2;
	CHECK_INT(decode_cut(&m, 0, &got), -EBADMSG);
}

TEST(a_type_not_known_is_told_apart_from_garbage)
{
	struct disco_message got;
	const uint8_t bind[74] = {0x04, 0}; /* a deployed message of peer relays */

	CHECK_INT(disco_decode(bind, sizeof(bind), &got), -ENOTSUP);
	CHECK_INT(disco_decode(bind, 1, &got), -EBADMSG);
}

TEST(a_buffer_too_small_is_told_and_nothing_is_written_behind_it)
{
	struct pair p = pair_init();
	struct disco_message m = some_ping();
	uint8_t packet[160];
	size_t len = 0;

	memset(packet, 0xee, sizeof(packet));
	CHECK_INT(disco_seal(&m, &p.sending, &p.client, p.nonce, packet, 159, &len), -ENOBUFS);
	CHECK(packet[159] == 0xee && len == 0);
	CHECK_INT(disco_seal(&m, &p.sending, &p.client, p.nonce, packet, 160, &len), 0);
}
