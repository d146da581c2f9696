#include "agent/tunnel/checksum.h"

#include <string.h>

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t halves(uint64_t v)
{
	return (v & UINT32_MAX) + (v >> 32);
}

uint64_t checksum_add(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t a = 0, b = 0, c = 0, d = 0;

	/* Four sums that do not wait for each other. None can overflow: a packet has at most 64 KB.
	 */
	for (; len >= 32; p += 32, len -= 32) {
		a += halves(load64(p));
		b += halves(load64(p + 8));
		c += halves(load64(p + 16));
		d += halves(load64(p + 24));
	}
	sum += a + b + c + d;
	for (; len >= 8; p += 8, len -= 8)
		sum += halves(load64(p));
	if (len > 0) {
		uint8_t rest[8] = {0};

		memcpy(rest, p, len);
		sum += halves(load64(rest));
	}
	return sum;
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = halves(sum);
	sum = halves(sum);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t checksum_finish(uint64_t sum)
{
	return (uint16_t)~checksum_fold(sum);
}

uint64_t checksum_pseudo(const uint8_t *addresses, size_t addr_len, uint8_t proto, size_t len)
{
	/* The IPv6 form; IPv4's 16-bit length and protocol sum up to the same. */
	const uint8_t tail[8] = {
		0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, proto,
	};

	return checksum_add(checksum_add(0, addresses, 2 * addr_len), tail, sizeof(tail));
}

void checksum_store(uint8_t *field, uint16_t sum)
{
	memcpy(field, &sum, sizeof(sum));
}

uint16_t checksum_load(const uint8_t *field)
{
	uint16_t sum;

	memcpy(&sum, field, sizeof(sum));
	return sum;
}

uint16_t checksum_adjust(uint16_t field, uint16_t old_word, uint16_t new_word)
{
	/* RFC 1624 equation 3: HC' = ~(~HC + ~m + m'). */
	return checksum_finish((uint64_t)(uint16_t)~field + (uint16_t)~old_word + new_word);
}
