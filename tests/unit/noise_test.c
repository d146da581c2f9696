#include "agent/wg/noise.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "agent/wg/aead.h"
#include "agent/wg/cookie.h"
#include "agent/wg/keypair.h"
#include "tests/unit/test.h"

/* A handshake between two Linux hosts, captured on 2 March 2018 with both sides' secrets: from the
 * tests of the Wireshark dissector's author (github.com/Lekensteyn/wireguard-dissector,
 * wg_crypto_test.c). The preshared key is zero. */
static const char captured_initiation[] =
	"0100000015cf47c7744fc57d33642a1ca516fd8362a6fb908e4fdc046549d80faaa3704b68c7cb73"
	"ac707e42e7636cfb87fd4d755d68694df1756fe4089a5740df7872310426d434ed384a753935198b"
	"277a6d865a4a597d1a159f8bea3e20b4465399fbe6f2602fa6b657a8896ad6443609cfd6d027f041"
	"b4cae1016f435157037f0ea900000000000000000000000000000000";
static const char captured_response[] =
	"0200000032fa1aac15cf47c7193cbb311b4132235fe178af862fc67d31122abc0f080efafc5ea27a"
	"9a94a10750f40920ef1786e049472e8b03595e65730b94f13b49d294bf85f5cad7f6ef2800000000"
	"000000000000000000000000";
static const char initiator_static[] =
	"8017a7d20d11554391e1e86516459d0dfd7c21cfff971048c5ad4faaf8d3984c";
static const char initiator_ephemeral[] =
	"c06ca097690561d6c958832d12669240030e36e5f5f9bd8467dba6841ea6084a";
static const char responder_static[] =
	"40285a1835de1f7790b1b14086e79435615dabd29fa45df297e7884e365b5c49";
static const char responder_ephemeral[] =
	"10bc21961b1e37083ae05a2cd2a2615db495781736958564a9d9a42f1deb7a48";
static const char captured_stamp[] = "400000005a994d2c3b389469";
enum { CAPTURED_INITIATION_LEN = 148, CAPTURED_RESPONSE_LEN = 92 };
static const uint32_t initiator_index = 0xc747cf15, responder_index = 0xac1afa32;

struct side {
	struct noise_identity id;
	struct noise_peer peer;
};

static void side_init(struct side *s, const char *secret_hex)
{
	struct secret_key secret;

	memset(s, 0, sizeof(*s));
	s->id.hash = hash_new();
	s->id.aead = aead_new();
	test_unhex(secret_hex, secret.b, KEY_LEN);
	noise_identity_set(&s->id, &secret);
}

static void side_wipe(struct side *s)
{
	hash_free(s->id.hash);
	aead_free(s->id.aead);
}

static void pair_init(struct side *initiator, struct side *responder)
{
	side_init(initiator, initiator_static);
	side_init(responder, responder_static);
	initiator->peer.key = responder->id.key;
	responder->peer.key = initiator->id.key;
	CHECK_INT(noise_peer_bind(&initiator->peer, &initiator->id), 0);
	CHECK_INT(noise_peer_bind(&responder->peer, &responder->id), 0);
}

static void initiate(struct side *s, struct noise_initiation *hs, uint8_t *msg)
{
	uint8_t ephemeral[KEY_LEN], stamp[TAI64N_LEN];

	test_unhex(initiator_ephemeral, ephemeral, sizeof(ephemeral));
	test_unhex(captured_stamp, stamp, sizeof(stamp));
	CHECK_INT(noise_create_initiation(&s->id, &s->peer, hs, ephemeral, initiator_index, stamp,
					  msg),
		  0);
}

static void respond(struct side *s, const uint8_t *initiation, uint8_t *msg, struct keypair *kp)
{
	struct noise_opened opened;
	uint8_t ephemeral[KEY_LEN];

	test_unhex(responder_ephemeral, ephemeral, sizeof(ephemeral));
	CHECK_INT(noise_open_initiation(&s->id, initiation, &opened), 0);
	CHECK(public_key_equal(&opened.key, &s->peer.key));
	CHECK(opened.remote_index == initiator_index);
	CHECK_INT(noise_accept_initiation(&s->id, &s->peer, initiation, &opened, 1), 0);
	CHECK_INT(noise_create_response(&s->id, &s->peer, &opened, ephemeral, responder_index, msg,
					kp),
		  0);
}

TEST(builds_the_captured_initiation_byte_for_byte)
{
	struct side initiator, responder;
	struct noise_initiation hs = {0};
	struct cookie_maker maker = {0};
	uint8_t msg[CAPTURED_INITIATION_LEN], wanted[CAPTURED_INITIATION_LEN];

	pair_init(&initiator, &responder);
	test_unhex(captured_initiation, wanted, sizeof(wanted));
	initiate(&initiator, &hs, msg);
	cookie_keys_set(&maker.keys, initiator.id.hash, &responder.id.key);
	cookie_add_macs(&maker, initiator.id.hash, msg, NOISE_INITIATION_LEN, 1);
	CHECK_MEM(msg, wanted, sizeof(wanted));
	side_wipe(&initiator);
	side_wipe(&responder);
}

TEST(answers_the_captured_initiation_with_the_captured_response)
{
	struct side initiator, responder;
	struct cookie_maker maker = {0};
	struct keypair *kp = keypair_new();
	uint8_t initiation[CAPTURED_INITIATION_LEN];
	uint8_t msg[CAPTURED_RESPONSE_LEN], wanted[CAPTURED_RESPONSE_LEN];
	uint8_t stamp[TAI64N_LEN];

	pair_init(&initiator, &responder);
	test_unhex(captured_initiation, initiation, sizeof(initiation));
	test_unhex(captured_response, wanted, sizeof(wanted));
	test_unhex(captured_stamp, stamp, sizeof(stamp));
	respond(&responder, initiation, msg, kp);
	CHECK_MEM(responder.peer.last_stamp, stamp, sizeof(stamp));
	cookie_keys_set(&maker.keys, responder.id.hash, &initiator.id.key);
	cookie_add_macs(&maker, responder.id.hash, msg, NOISE_RESPONSE_LEN, 1);
	CHECK_MEM(msg, wanted, sizeof(wanted));
	keypair_free(kp);
	side_wipe(&initiator);
	side_wipe(&responder);
}

TEST(both_sides_of_the_captured_handshake_get_the_same_keys)
{
	struct side initiator, responder;
	struct noise_initiation hs = {0};
	struct keypair *ours = keypair_new(), *theirs = keypair_new();
	uint8_t initiation[NOISE_INITIATION_LEN], response[NOISE_RESPONSE_LEN];
	uint8_t captured[CAPTURED_RESPONSE_LEN];

	pair_init(&initiator, &responder);
	initiate(&initiator, &hs, initiation);
	respond(&responder, initiation, response, theirs);
	test_unhex(captured_response, captured, sizeof(captured));
	CHECK_INT(noise_consume_response(&initiator.id, &initiator.peer, &hs, captured, ours), 0);
	CHECK(sodium_is_zero((const uint8_t *)&hs, sizeof(hs)));
	CHECK_MEM(ours->send_key.b, theirs->receive_key.b, KEY_LEN);
	CHECK_MEM(ours->receive_key.b, theirs->send_key.b, KEY_LEN);
	CHECK(memcmp(ours->send_key.b, ours->receive_key.b, KEY_LEN) != 0);
	CHECK(ours->is_initiator && !theirs->is_initiator);
	CHECK(ours->local_index == initiator_index && ours->remote_index == responder_index);
	CHECK(theirs->local_index == responder_index && theirs->remote_index == initiator_index);
	keypair_free(ours);
	keypair_free(theirs);
	side_wipe(&initiator);
	side_wipe(&responder);
}

TEST(every_flipped_bit_of_an_initiation_is_refused)
{
	struct side initiator, responder;
	uint8_t msg[CAPTURED_INITIATION_LEN];

	pair_init(&initiator, &responder);
	test_unhex(captured_initiation, msg, sizeof(msg));
	/* Type and index are covered by mac1 only. */
	for (size_t bit = 8 * 8; bit < 8 * NOISE_INITIATION_LEN; bit++) {
		struct noise_opened opened;
		int rc;

		/* X25519 ignores the top bit of a public key, but the hash doesn't. */
		msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rc = noise_open_initiation(&responder.id, msg, &opened);
		if (rc == 0)
			rc = noise_accept_initiation(&responder.id, &responder.peer, msg, &opened,
						     1);
		CHECK_INT(rc, -EBADMSG);
		msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(responder.peer.last_initiation_us == 0);
	side_wipe(&initiator);
	side_wipe(&responder);
}

TEST(every_flipped_bit_of_a_response_is_refused_and_the_true_one_taken_after)
{
	struct side initiator, responder;
	struct noise_initiation hs = {0};
	struct keypair *kp = keypair_new();
	uint8_t initiation[NOISE_INITIATION_LEN], msg[CAPTURED_RESPONSE_LEN];

	pair_init(&initiator, &responder);
	initiate(&initiator, &hs, initiation);
	test_unhex(captured_response, msg, sizeof(msg));
	for (size_t bit = 8 * 12; bit < 8 * NOISE_RESPONSE_LEN; bit++) {
		msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_INT(noise_consume_response(&initiator.id, &initiator.peer, &hs, msg, kp),
			  -EBADMSG);
		msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	initiator.peer.psk.b[31] = 1;
	CHECK_INT(noise_consume_response(&initiator.id, &initiator.peer, &hs, msg, kp), -EBADMSG);
	initiator.peer.psk.b[31] = 0;
	CHECK_INT(noise_consume_response(&initiator.id, &initiator.peer, &hs, msg, kp), 0);
	CHECK_INT(noise_consume_response(&initiator.id, &initiator.peer, &hs, msg, kp), -EBADMSG);
	keypair_free(kp);
	side_wipe(&initiator);
	side_wipe(&responder);
}

TEST(an_initiation_is_accepted_once_and_others_not_within_20_ms)
{
	struct side initiator, responder;
	struct noise_initiation hs = {0};
	struct noise_opened opened;
	uint8_t msg[NOISE_INITIATION_LEN], random[KEY_LEN] = {1}, stamp[TAI64N_LEN] = {0x40};

	pair_init(&initiator, &responder);
	for (uint8_t step = 0; step < 5; step++) {
		static const uint64_t now_us[] = {1000000, 1019999, 1020000, 1040000, 1060000};
		static const uint8_t stamps[] = {5, 6, 7, 7, 6};
		static const int wanted[] = {0, -EAGAIN, 0, -EALREADY, -ESTALE};

		stamp[11] = stamps[step];
		CHECK_INT(noise_create_initiation(&initiator.id, &initiator.peer, &hs, random, 1,
						  stamp, msg),
			  0);
		CHECK_INT(noise_open_initiation(&responder.id, msg, &opened), 0);
		CHECK_INT(noise_accept_initiation(&responder.id, &responder.peer, msg, &opened,
						  now_us[step]),
			  wanted[step]);
	}
	side_wipe(&initiator);
	side_wipe(&responder);
}

/* RFC 7748 section 6.1. */
TEST(shares_the_secret_of_rfc_7748)
{
	struct side bob;
	uint8_t wanted[KEY_LEN];

	side_init(&bob, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	test_unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		   bob.peer.key.b, KEY_LEN);
	test_unhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", wanted,
		   KEY_LEN);
	CHECK_INT(noise_peer_bind(&bob.peer, &bob.id), 0);
	CHECK_MEM(bob.peer.static_shared.b, wanted, KEY_LEN);
	side_wipe(&bob);
}

TEST(peers_of_low_order_or_ourselves_are_not_usable)
{
	struct side s;
	struct noise_initiation hs = {0};
	uint8_t msg[NOISE_INITIATION_LEN], random[KEY_LEN] = {1}, stamp[TAI64N_LEN] = {0};

	side_init(&s, initiator_static);
	CHECK_INT(noise_peer_bind(&s.peer, &s.id), -EINVAL); /* the all-zero key */
	s.peer.key.b[0] = 1;
	CHECK_INT(noise_peer_bind(&s.peer, &s.id), -EINVAL);
	s.peer.key = s.id.key;
	CHECK_INT(noise_peer_bind(&s.peer, &s.id), -EINVAL);
	CHECK_INT(noise_create_initiation(&s.id, &s.peer, &hs, random, 1, stamp, msg), -EINVAL);
	CHECK(!hs.is_waiting);
	noise_identity_set(&s.id, NULL);
	s.peer.key.b[0] ^= 9;
	CHECK_INT(noise_peer_bind(&s.peer, &s.id), -EINVAL);
	side_wipe(&s);
}
