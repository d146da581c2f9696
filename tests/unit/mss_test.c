#include <stdbool.h>
#include <string.h>

#include "agent/tunnel/checksum.h"
#include "agent/tunnel/mss.h"
#include "tests/unit/test.h"

/* A SYN of 10.0.0.1 to 10.0.0.2 with NOP, MSS 1460 at an odd or an even place, window scale. */
static size_t make_syn(uint8_t *pkt, bool odd)
{
	static const uint8_t ip[20] = {0x45, 0, 0,  52, 0, 0, 0x40, 0, 64, 6,
				       0,    0, 10, 0,	0, 1, 10,   0, 0,  2};
	static const uint8_t tcp[20] = {4, 210, 0, 22, 0,    0,	   0,	 9,
					0, 0,	0, 0,  0x80, 0x02, 0xff, 0xff};
	static const uint8_t even_options[12] = {2, 4, 5, 0xb4, 1, 3, 3, 7, 0};
	static const uint8_t odd_options[12] = {1, 2, 4, 5, 0xb4, 3, 3, 7, 0};

	memcpy(pkt, ip, 20);
	memcpy(pkt + 20, tcp, 20);
	memcpy(pkt + 40, odd ? odd_options : even_options, 12);
	checksum_store(pkt + 36, 0);
	checksum_store(pkt + 36, checksum_finish(checksum_add(checksum_pseudo(pkt + 12, 4, 6, 32),
							      pkt + 20, 32)));
	return 52;
}

static bool is_valid(const uint8_t *pkt, size_t len)
{
	return checksum_finish(checksum_add(checksum_pseudo(pkt + 12, 4, 6, len - 20), pkt + 20,
					    len - 20)) == 0;
}

TEST(lowers_the_mss_to_what_the_mtu_allows_and_mends_the_checksum)
{
	uint8_t pkt[52];

	for (size_t odd = 0; odd < 2; odd++) {
		size_t len = make_syn(pkt, odd);

		CHECK(is_valid(pkt, len));
		mss_clamp(pkt, len, 1280);
		CHECK_INT(pkt[42 + odd] << 8 | pkt[43 + odd], 1240);
		CHECK(is_valid(pkt, len));
	}
}

TEST(leaves_a_smaller_mss_alone)
{
	uint8_t pkt[52], before[52];
	size_t len = make_syn(pkt, false);

	memcpy(before, pkt, len);
	mss_clamp(pkt, len, 1500);
	CHECK_MEM(pkt, before, len);
}

TEST(leaves_other_packets_alone)
{
	uint8_t pkt[52], before[52];
	size_t len = make_syn(pkt, false);

	pkt[33] = 0x10; /* no SYN */
	memcpy(before, pkt, len);
	mss_clamp(pkt, len, 1280);
	CHECK_MEM(pkt, before, len);
}

TEST(a_header_longer_than_its_packet_is_left_alone)
{
	uint8_t pkt[52], before[52];
	size_t len = make_syn(pkt, false);

	pkt[32] = 0x90; /* four bytes more than there are */
	memcpy(before, pkt, len);
	mss_clamp(pkt, len, 1280);
	CHECK_MEM(pkt, before, len);
}

TEST(options_that_lie_about_their_length_lead_nowhere)
{
	uint8_t pkt[52], before[52];

	for (unsigned option_len = 0; option_len < 256; option_len++) {
		size_t len = make_syn(pkt, false);

		pkt[40] = 9; /* unknown, in front of what is now its body */
		pkt[41] = (uint8_t)option_len;
		memcpy(before, pkt, len);
		mss_clamp(pkt, len, 1280);
		CHECK_MEM(pkt, before, len);
	}
}
