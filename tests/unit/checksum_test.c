#include <stdlib.h>
#include <string.h>

#include "agent/tunnel/checksum.h"
#include "tests/unit/test.h"

/* RFC 1071 as its section 1 tells it, byte by byte. */
static uint16_t naive(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

static uint16_t stored(uint64_t sum)
{
	uint8_t field[2];

	checksum_store(field, checksum_finish(sum));
	return (uint16_t)(field[0] << 8 | field[1]);
}

TEST(sums_the_example_of_rfc_1071)
{
	/* Section 3: these eight bytes sum to 0xddf2. */
	static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	CHECK_INT(stored(checksum_add(0, bytes, sizeof(bytes))), (uint16_t)~0xddf2);
}

TEST(agrees_with_a_naive_twin_at_every_length)
{
	uint8_t bytes[700];

	srandom(1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random();
	for (size_t len = 0; len <= sizeof(bytes); len++)
		CHECK_INT(stored(checksum_add(0, bytes, len)), naive(bytes, len));
}

TEST(carries_of_all_ones_are_not_lost)
{
	static uint8_t bytes[65536];

	memset(bytes, 0xff, sizeof(bytes));
	for (size_t len = 65000; len <= sizeof(bytes); len++)
		CHECK_INT(stored(checksum_add(0, bytes, len)), naive(bytes, len));
}

TEST(pieces_sum_up_to_the_whole)
{
	uint8_t bytes[256];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37);
	for (size_t cut = 0; cut <= sizeof(bytes); cut += 2) {
		uint64_t sum = checksum_add(0, bytes, cut);
		sum = checksum_add(sum, bytes + cut, sizeof(bytes) - cut);
		CHECK_INT(stored(sum), naive(bytes, sizeof(bytes)));
	}
}

TEST(adjusting_a_word_is_summing_again)
{
	uint8_t bytes[20] = {0x45, 0, 0, 40, 0x12, 0x34, 0x40, 0, 64, 6};

	for (unsigned word = 0; word < 0x10000; word += 251) {
		uint16_t before = naive(bytes, sizeof(bytes));
		uint16_t old_word = (uint16_t)(bytes[4] << 8 | bytes[5]);

		bytes[4] = (uint8_t)(word >> 8);
		bytes[5] = (uint8_t)word;
		CHECK_INT(checksum_adjust(before, old_word, (uint16_t)word),
			  naive(bytes, sizeof(bytes)));
	}
}

TEST(the_pseudo_header_counts_addresses_protocol_and_length)
{
	static const uint8_t v4[] = {192, 0, 2, 1, 192, 0, 2, 2, 0, 6, 0x01, 0x02};
	static const uint8_t addresses[] = {192, 0, 2, 1, 192, 0, 2, 2};

	CHECK_INT(stored(checksum_pseudo(addresses, 4, 6, 0x0102)), naive(v4, sizeof(v4)));
}
