#include "common/key.h"

#include <string.h>

#include "tests/unit/test.h"

/* The client pair of the DERP vectors, docs/PROTOCOL.md. */
TEST(derives_the_public_key_of_the_derp_vector)
{
	struct secret_key secret;
	struct public_key pub;
	char text[KEY_HEX_LEN + 1];

	test_unhex("0002030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f60", secret.b,
		   32);
	secret_key_public(&secret, &pub);
	public_key_hex(&pub, text);
	CHECK_STR(text, "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c");
}

TEST(reads_its_own_text_and_no_other)
{
	struct public_key key = {{1, 2, 3}}, back;
	char text[KEY_TEXT_LEN];

	public_key_str(&key, "nodekey", text);
	CHECK(public_key_parse(text, "nodekey", &back) == 0 && public_key_equal(&key, &back));
	CHECK(public_key_parse(text, "discokey", &back) != 0);
	text[strlen(text) - 1] = '\0';
	CHECK(public_key_parse(text, "nodekey", &back) != 0);
}

TEST(signs_and_refuses_a_changed_message)
{
	uint8_t seed[KEY_LEN] = {9}, sig[SIGNATURE_LEN];
	struct machine_secret secret;
	struct public_key pub;

	machine_secret_from_random(&secret, &pub, seed);
	machine_sign(&secret, "hello", 5, sig);
	CHECK(machine_verify(&pub, "hello", 5, sig));
	CHECK(!machine_verify(&pub, "hellp", 5, sig));
}

/* Zero stands for no key at all. As a point it has order 4 (RFC 8032 section 5.1.7): where that
 * were let pass, S = 0 beside the neutral point would sign a quarter of all messages. */
TEST(nobody_signs_with_a_key_of_zeros)
{
	const struct public_key zero = {{0}};
	const uint8_t sig[SIGNATURE_LEN] = {1};

	for (uint8_t message = 0; message < 64; message++)
		CHECK(!machine_verify(&zero, &message, 1, sig));
}
