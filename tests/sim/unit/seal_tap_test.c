#include "tests/sim/seal_tap.h"

#include <string.h>

#include <sodium.h>

#include "tests/sim/world.h"
#include "tests/unit/test.h"

enum { LEN = 40, SEALED = LEN + crypto_box_MACBYTES };

TEST(what_was_sealed_opens_and_nothing_else_does)
{
	uint8_t key[crypto_box_BEFORENMBYTES] = {3}, nonce[crypto_box_NONCEBYTES] = {5};
	uint8_t text[LEN] = "a ping", sealed[SEALED], plain[LEN] = {0};
	struct world *world = world_new(1);

	CHECK_INT(crypto_box_easy_afternm(sealed, text, LEN, nonce, key), 0);
	CHECK_INT(crypto_box_open_easy_afternm(plain, sealed, SEALED, nonce, key), 0);
	CHECK_MEM(plain, text, LEN);
	CHECK_INT(__real_crypto_box_open_easy_afternm(plain, sealed, SEALED, nonce, key), 0);
	CHECK_INT(seal_tap_spared(), 1);
	sealed[SEALED - 1] ^= 1;
	CHECK_INT(crypto_box_open_easy_afternm(plain, sealed, SEALED, nonce, key), -1);
	sealed[SEALED - 1] ^= 1;
	CHECK_INT(crypto_box_open_easy_afternm(plain, sealed, SEALED - 1, nonce, key), -1);
	key[31] ^= 1;
	CHECK_INT(crypto_box_open_easy_afternm(plain, sealed, SEALED, nonce, key), -1);
	key[31] ^= 1;
	nonce[23] ^= 1;
	CHECK_INT(crypto_box_open_easy_afternm(plain, sealed, SEALED, nonce, key), -1);
	CHECK_INT(seal_tap_spared(), 1);
	world_free(world);
}

TEST(what_was_forgotten_opens_still)
{
	uint8_t key[crypto_box_BEFORENMBYTES] = {3}, nonce[crypto_box_NONCEBYTES] = {5};
	uint8_t text[LEN] = "a ping", sealed[SEALED], other[SEALED], plain[LEN] = {0};
	struct world *world = world_new(1);

	CHECK_INT(crypto_box_easy_afternm(sealed, text, LEN, nonce, key), 0);
	nonce[1] = 1; /* the same slot */
	CHECK_INT(crypto_box_easy_afternm(other, text, LEN, nonce, key), 0);
	nonce[1] = 0;
	CHECK_INT(crypto_box_open_easy_afternm(plain, sealed, SEALED, nonce, key), 0);
	CHECK_MEM(plain, text, LEN);
	CHECK_INT(seal_tap_spared(), 0);
	world_free(world);
}

TEST(a_signature_is_good_for_its_text_and_key_alone)
{
	uint8_t seed[crypto_sign_SEEDBYTES] = {9}, pub[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES], sig[crypto_sign_BYTES], text[LEN] = "a key";
	struct world *world = world_new(1);

	crypto_sign_seed_keypair(pub, secret, seed);
	CHECK_INT(crypto_sign_detached(sig, NULL, text, LEN, secret), 0);
	CHECK_INT(crypto_sign_verify_detached(sig, text, LEN, pub), 0);
	CHECK_INT(seal_tap_spared(), 1);
	text[LEN - 1] ^= 1;
	CHECK_INT(crypto_sign_verify_detached(sig, text, LEN, pub), -1);
	text[LEN - 1] ^= 1;
	CHECK_INT(crypto_sign_verify_detached(sig, text, LEN - 1, pub), -1);
	pub[31] ^= 1;
	CHECK_INT(crypto_sign_verify_detached(sig, text, LEN, pub), -1);
	pub[31] ^= 1;
	sig[63] ^= 1;
	CHECK_INT(crypto_sign_verify_detached(sig, text, LEN, pub), -1);
	CHECK_INT(seal_tap_spared(), 1);
	world_free(world);
	sig[63] ^= 1;
	CHECK_INT(crypto_sign_verify_detached(sig, text, LEN, pub), 0); /* without a world */
}
