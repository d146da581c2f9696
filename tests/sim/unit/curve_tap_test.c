#include "tests/sim/curve_tap.h"

#include <string.h>

#include <sodium.h>

#include "common/key.h"
#include "tests/sim/world.h"
#include "tests/unit/test.h"

static struct secret_key secret_of(uint8_t seed)
{
	struct secret_key secret;
	uint8_t random[KEY_LEN];

	for (size_t i = 0; i < KEY_LEN; i++)
		random[i] = (uint8_t)(seed + 7 * i);
	secret_key_from_random(&secret, random);
	return secret;
}

static struct public_key public_of(const struct secret_key *secret)
{
	struct public_key pub;

	secret_key_public(secret, &pub);
	return pub;
}

TEST(both_ends_of_a_handshake_share_one_multiplication)
{
	struct secret_key a = secret_of(1), b = secret_of(2);
	uint8_t real[KEY_LEN], first[KEY_LEN], second[KEY_LEN];

	struct world *world = world_new(1);
	struct public_key pub_a = public_of(&a), pub_b = public_of(&b);
	CHECK_INT(__real_crypto_scalarmult(real, a.b, pub_b.b), 0);
	CHECK_INT(crypto_scalarmult(first, a.b, pub_b.b), 0);
	CHECK_INT(curve_tap_spared(), 0);
	CHECK_INT(crypto_scalarmult(second, b.b, pub_a.b), 0);
	CHECK_INT(curve_tap_spared(), 1);
	CHECK_MEM(first, real, KEY_LEN);
	CHECK_MEM(second, real, KEY_LEN);
	world_free(world);
}

TEST(many_keys_push_each_other_out_and_stay_right)
{
	struct secret_key secrets[64];
	struct public_key publics[64];
	uint8_t said[KEY_LEN], real[KEY_LEN];

	struct world *world = world_new(1);
	for (size_t i = 0; i < 64; i++) {
		secrets[i] = secret_of((uint8_t)i);
		publics[i] = public_of(&secrets[i]);
		CHECK_INT(__real_crypto_scalarmult_base(real, secrets[i].b), 0);
		CHECK_MEM(publics[i].b, real, KEY_LEN);
	}
	for (size_t i = 0; i < 64 * 64; i++) {
		const struct secret_key *mine = &secrets[i / 64];
		const struct public_key *theirs = &publics[i % 64];
		CHECK_INT(crypto_scalarmult(said, mine->b, theirs->b), 0);
		CHECK_INT(__real_crypto_scalarmult(real, mine->b, theirs->b), 0);
		CHECK_MEM(said, real, KEY_LEN);
	}
	CHECK(curve_tap_spared() > 0);
	world_free(world);
}

TEST(a_key_of_low_order_is_refused_each_time)
{
	struct secret_key a = secret_of(1);
	uint8_t out[KEY_LEN], low[KEY_LEN] = {0};

	struct world *world = world_new(1);
	(void)public_of(&a);
	CHECK_INT(crypto_scalarmult(out, a.b, low), -1);
	CHECK_INT(crypto_scalarmult(out, a.b, low), -1);
	CHECK_INT(crypto_box_beforenm(out, low, a.b), -1);
	world_free(world);
}

TEST(boxes_are_as_libsodium_makes_them)
{
	struct secret_key a = secret_of(1), b = secret_of(2);
	static const uint8_t nonce[crypto_box_NONCEBYTES] = {7};
	uint8_t text[5] = "hello", plain[5], key[crypto_box_BEFORENMBYTES];
	uint8_t within[crypto_box_MACBYTES + sizeof(text)], without[sizeof(within)];
	struct public_key pub_b = public_of(&b);

	/* This function is not led past the tap: libsodium's own. */
	CHECK_INT(crypto_box_detached(without + crypto_box_MACBYTES, without, text, sizeof(text),
				      nonce, pub_b.b, a.b),
		  0);
	struct world *world = world_new(1);
	struct public_key pub_a = public_of(&a);
	CHECK_INT(crypto_box_easy(within, text, sizeof(text), nonce, pub_b.b, a.b), 0);
	CHECK_MEM(within, without, sizeof(within));
	CHECK_INT(crypto_box_open_easy(plain, within, sizeof(within), nonce, pub_a.b, b.b), 0);
	CHECK_MEM(plain, text, sizeof(text));
	CHECK_INT(crypto_box_beforenm(key, pub_a.b, b.b), 0);
	CHECK_INT(crypto_box_open_easy_afternm(plain, within, sizeof(within), nonce, key), 0);
	world_free(world);
}

TEST(without_a_world_nothing_is_kept)
{
	struct secret_key a = secret_of(1), b = secret_of(2);
	uint8_t ab[KEY_LEN], ba[KEY_LEN];
	struct public_key pub_a = public_of(&a), pub_b = public_of(&b);

	CHECK_INT(crypto_scalarmult(ab, a.b, pub_b.b), 0);
	CHECK_INT(crypto_scalarmult(ba, b.b, pub_a.b), 0);
	CHECK_MEM(ab, ba, KEY_LEN);
}
