#include "agent/tunnel/mss.h"

#include "agent/tunnel/checksum.h"
#include "agent/tunnel/inner.h"

enum { TCP_FLAGS_AT = 13, TCP_CHECKSUM_AT = 16, FLAG_SYN = 0x02 };
enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_MSS = 2, OPTION_MSS_LEN = 4 };

static void lower(uint8_t *tcp, size_t at, uint16_t mss)
{
	/* RFC 1071: swapping bytes of a word swaps those of the sum, so an option at an odd place
	 * is mended as the two even words it straddles would be: bytes exchanged. */
	uint16_t was = (uint16_t)(tcp[at] << 8 | tcp[at + 1]), is = mss;
	uint16_t field = (uint16_t)(tcp[TCP_CHECKSUM_AT] << 8 | tcp[TCP_CHECKSUM_AT + 1]);

	if (at % 2 != 0) {
		was = (uint16_t)(was >> 8 | was << 8);
		is = (uint16_t)(is >> 8 | is << 8);
	}
	field = checksum_adjust(field, was, is);
	tcp[at] = (uint8_t)(mss >> 8);
	tcp[at + 1] = (uint8_t)mss;
	tcp[TCP_CHECKSUM_AT] = (uint8_t)(field >> 8);
	tcp[TCP_CHECKSUM_AT + 1] = (uint8_t)field;
}

static void clamp_options(uint8_t *tcp, size_t header_len, uint16_t mss)
{
	for (size_t at = INNER_TCP_LEN; at < header_len && tcp[at] != OPTION_END;) {
		if (tcp[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (at + 2 > header_len || tcp[at + 1] < 2 || at + tcp[at + 1] > header_len)
			return;
		if (tcp[at] == OPTION_MSS && tcp[at + 1] == OPTION_MSS_LEN &&
		    (tcp[at + 2] << 8 | tcp[at + 3]) > mss)
			lower(tcp, at + 2, mss);
		at += tcp[at + 1];
	}
}

void mss_clamp(uint8_t *pkt, size_t len, unsigned mtu_bytes)
{
	struct inner in;

	if (inner_decode(pkt, len, &in) != 0 || in.proto != INNER_TCP || in.is_fragment ||
	    in.len < in.header_len + INNER_TCP_LEN)
		return;
	uint8_t *tcp = pkt + in.header_len;
	size_t header_len = (size_t)(tcp[12] >> 4) * 4;
	size_t fixed = (in.is_v6 ? INNER_V6_LEN : INNER_V4_LEN) + INNER_TCP_LEN;

	if (!(tcp[TCP_FLAGS_AT] & FLAG_SYN) || header_len > in.len - in.header_len ||
	    mtu_bytes <= fixed)
		return;
	clamp_options(tcp, header_len, (uint16_t)(mtu_bytes - fixed));
}
