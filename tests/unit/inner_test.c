#include <errno.h>

#include "agent/tunnel/inner.h"
#include "tests/unit/test.h"

static const uint8_t v4[24] = {0x45, 0, 0,  24, 0, 0, 0x40, 0, 64, 17,
			       0,    0, 10, 0,	0, 1, 10,   0, 0,  2};
static const uint8_t v6[44] = {0x60, 0, 0, 0, 0, 4, 6, 64, 0xfd, [23] = 1, [24] = 0xfd, [39] = 2};

TEST(reads_an_ipv4_header)
{
	struct inner in;

	CHECK_INT(inner_decode(v4, sizeof(v4), &in), 0);
	CHECK(!in.is_v6 && !in.is_fragment && in.proto == INNER_UDP);
	CHECK(in.header_len == 20 && in.len == 24);
	struct ip_addr from = inner_source(&in, v4), to = inner_destination(&in, v4);
	CHECK(from.b[15] == 1 && to.b[15] == 2 && ip_is_v4(&from));
}

TEST(reads_an_ipv6_header)
{
	struct inner in;

	CHECK_INT(inner_decode(v6, sizeof(v6), &in), 0);
	CHECK(in.is_v6 && in.proto == INNER_TCP && in.header_len == 40 && in.len == 44);
	struct ip_addr from = inner_source(&in, v6), to = inner_destination(&in, v6);
	CHECK(from.b[0] == 0xfd && from.b[15] == 1 && to.b[15] == 2);
}

TEST(padding_behind_the_packet_is_left_out)
{
	uint8_t padded[48] = {0};
	struct inner in;

	memcpy(padded, v4, sizeof(v4));
	CHECK_INT(inner_decode(padded, sizeof(padded), &in), 0);
	CHECK_INT(in.len, 24);
}

TEST(refuses_what_is_cut_short)
{
	struct inner in;

	for (size_t len = 0; len < sizeof(v4); len++)
		CHECK_INT(inner_decode(v4, len, &in), -EBADMSG);
	for (size_t len = 0; len < sizeof(v6); len++)
		CHECK_INT(inner_decode(v6, len, &in), -EBADMSG);
}

TEST(refuses_lengths_that_lie)
{
	uint8_t pkt[24];
	struct inner in;

	memcpy(pkt, v4, sizeof(v4));
	pkt[0] = 0x44; /* a header of 16 bytes */
	CHECK_INT(inner_decode(pkt, sizeof(pkt), &in), -EBADMSG);
	memcpy(pkt, v4, sizeof(v4));
	pkt[3] = 19; /* shorter than its header */
	CHECK_INT(inner_decode(pkt, sizeof(pkt), &in), -EBADMSG);
	memcpy(pkt, v4, sizeof(v4));
	pkt[0] = 0x55; /* version 5 */
	CHECK_INT(inner_decode(pkt, sizeof(pkt), &in), -EBADMSG);
}

TEST(knows_fragments)
{
	uint8_t pkt[24];
	struct inner in;

	memcpy(pkt, v4, sizeof(v4));
	pkt[6] = 0x20; /* more fragments */
	CHECK(inner_decode(pkt, sizeof(pkt), &in) == 0 && in.is_fragment);
	pkt[6] = 0;
	pkt[7] = 1; /* an offset */
	CHECK(inner_decode(pkt, sizeof(pkt), &in) == 0 && in.is_fragment);
}
