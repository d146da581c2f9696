#include "agent/wg/hash.h"

#include <string.h>

#include "tests/unit/test.h"

static void check_hex(const uint8_t *got, const char *hex, size_t len)
{
	uint8_t wanted[64];

	test_unhex(hex, wanted, len);
	CHECK_MEM(got, wanted, len);
}

TEST(hashes_the_vector_of_rfc_7693_appendix_b)
{
	struct hash *h = hash_new();
	uint8_t out[HASH_LEN];

	hash_pair(h, "a", 1, "bc", 2, out);
	check_hex(out, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", 32);
	hash_pair(h, NULL, 0, NULL, 0, out);
	check_hex(out, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9", 32);
	hash_free(h);
}

/* The initial chaining key and hash of every WireGuard handshake, as Linux and wireguard-go have
 * them in their sources. */
TEST(hashes_the_protocol_name_and_identifier)
{
	static const char name[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
	static const char id[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
	struct hash *h = hash_new();
	uint8_t out[HASH_LEN];

	hash_pair(h, name, strlen(name), NULL, 0, out);
	check_hex(out, "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36", 32);
	hash_pair(h, out, sizeof(out), id, strlen(id), out);
	check_hex(out, "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3", 32);
	hash_free(h);
}

/* The expected values here and below are from Python 3.11's hashlib and hmac. */
TEST(macs_with_keys_of_16_and_32_bytes)
{
	struct hash *h = hash_new();
	uint8_t key[32], out[HASH_MAC_LEN];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	hash_mac(h, key, 32, "warren", 6, out);
	check_hex(out, "43cba943688cbc592dca3823fba77e8d", 16);
	hash_mac(h, key, 16, "warren", 6, out);
	check_hex(out, "279898f7791b42b0a88cdfbe348c83bb", 16);
	hash_free(h);
}

TEST(hmacs_and_derives_one_two_and_three_keys)
{
	struct hash *h = hash_new();
	uint8_t key[32], one[32], two[32], three[32];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(0xa0 + i);
	hash_hmac(h, key, "warren", 6, one);
	check_hex(one, "02d7f9b06dd63793a24bd9dffb858789b87e2482b902f54a916a11e5d407f211", 32);
	hash_kdf(h, key, "warren", 6, one, two, three);
	check_hex(one, "93b86fff922228e41ad9c9a8c717ff8b8357684262470c9388fed74c661590df", 32);
	check_hex(two, "3e0db0e2c9a0215c4aac66f0d2620777dcaa8d4be234635ab7e0f9e025d44d36", 32);
	check_hex(three, "0c202c7a38bd7b5ed82bd1118088ff31df7a9936aa1be0516fbeb354a328b75b", 32);

	/* As the handshake calls it: output over the key, empty input, fewer outputs. */
	hash_kdf(h, key, NULL, 0, key, two, NULL);
	check_hex(key, "a4fa8351d9c0b2c5ca5a9ca2da2cdacde01d06e8b45ed39ad1393f95f997c904", 32);
	check_hex(two, "1db641463d804bf184eec88d66b50f728aa3d31a942eaa417b7d86b33b1bebb4", 32);
	hash_free(h);
}

TEST(hashes_every_length_up_to_1024_as_it_hashes_two_parts)
{
	struct hash *h = hash_new();
	uint8_t in[1024], whole[HASH_LEN], parts[HASH_LEN];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= sizeof(in); len++) {
		hash_pair(h, in, len, NULL, 0, whole);
		hash_pair(h, in, len / 3, in + len / 3, len - len / 3, parts);
		CHECK_MEM(whole, parts, HASH_LEN);
	}
	hash_free(h);
}
