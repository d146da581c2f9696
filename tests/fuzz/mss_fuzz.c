/*
 * mss_fuzz: any packet on its way into or out of the tunnel, at the place where a SYN's segment
 * size is lowered: two bytes of MTU, then the packet.
 *
 * Must hold: no more than MSS options and the checksum change, in place; the sum over the packet
 * stays what it was, so that a good checksum stays good; a second time changes nothing.
 */
#include "agent/tunnel/mss.h"

#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Ten options of four bytes fit into a header; each is lowered. */
enum { MTU_MIN = 576, MTU_SPAN = 9000, CHANGED_MAX = 10 * 2 + 2 };

/* In ones' complement, as RFC 1071 has it: 0 and 65535 are the same. */
static uint64_t sum(const uint8_t *pkt, size_t len)
{
	uint64_t total = 0;

	for (size_t i = 0; i < len; i++)
		total += (uint64_t)pkt[i] << (i % 2 == 0 ? 8 : 0);
	return total % 65535;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct script s = script_init(data, len);
	unsigned mtu_bytes = MTU_MIN + script_u16(&s) % MTU_SPAN;
	size_t n = reader_left(&s.r), changed = 0;

	if (len < 3)
		return 0;
	uint8_t *pkt = malloc(n), *before = malloc(n);
	MUST(pkt && before);
	memcpy(pkt, s.r.at, n);
	memcpy(before, s.r.at, n);
	mss_clamp(pkt, n, mtu_bytes);
	for (size_t i = 0; i < n; i++)
		changed += pkt[i] != before[i];
	MUST(changed <= CHANGED_MAX && sum(pkt, n) == sum(before, n));
	memcpy(before, pkt, n);
	mss_clamp(pkt, n, mtu_bytes);
	MUST(memcmp(pkt, before, n) == 0);
	free(pkt);
	free(before);
	return 0;
}
