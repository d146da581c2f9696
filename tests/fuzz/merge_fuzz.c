/*
 * What peers send through the tunnel, on its way to the TUN: packets are clamped, merged, and cut
 * again as the kernel would. Of each the input says: a byte (bits 0-3: which of the earlier packets
 * it goes on from, if any, bit 6: with its own length), two bytes of length, then its bytes.
 *
 * Must hold: each packet comes out once, in its flow's order, with its payload; super-packets stay
 * within 64 KB.
 */
#include "agent/tunnel/merge.h"

#include "agent/tunnel/checksum.h"
#include "agent/tunnel/mss.h"
#include "agent/tunnel/split.h"
#include "agent/tunnel/tun.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { PACKETS_MAX = 40, LEN_MAX = 1500 };

struct packet {
	uint8_t *bytes; /* TUN_HDR_LEN of room in front */
	size_t len;
};

static struct merge merge;
static uint8_t super[TUN_HDR_LEN + 65535];

/* The right TCP or UDP checksum, without which nothing merges. */
static void sum_up(uint8_t *pkt, size_t len)
{
	struct inner in;

	if (inner_decode(pkt, len, &in) != 0 || in.is_fragment)
		return;
	size_t room = in.len - in.header_len;
	size_t at = in.header_len + (in.proto == INNER_TCP ? 16 : 6);
	if ((in.proto != INNER_TCP || room < INNER_TCP_LEN) &&
	    (in.proto != INNER_UDP || room < INNER_UDP_LEN))
		return;
	checksum_store(pkt + at, 0);
	uint64_t sum = checksum_pseudo(pkt + in.addr_at, in.addr_len, in.proto, room);
	checksum_store(pkt + at, checksum_finish(checksum_add(sum, pkt + in.header_len, room)));
}

static void write_length(uint8_t *field, size_t len)
{
	field[0] = (uint8_t)(len >> 8);
	field[1] = (uint8_t)len;
}

/* The segment behind an earlier one: same header, the sequence number moved on; its own payload, or
 * as long as the other's. */
static void follow(const struct packet *before, struct packet *p, bool keeps_len)
{
	uint8_t *pkt = p->bytes + TUN_HDR_LEN;
	const uint8_t *old = before->bytes + TUN_HDR_LEN;
	struct inner in;

	if (inner_decode(old, before->len, &in) != 0)
		return;
	size_t headers = in.header_len + (in.proto == INNER_TCP ? INNER_TCP_LEN : INNER_UDP_LEN);
	if (p->len < headers || before->len < headers || (!keeps_len && before->len > p->len))
		return;
	memcpy(pkt, old, headers);
	if (!keeps_len)
		p->len = before->len;
	write_length(pkt + (in.is_v6 ? 4 : 2), in.is_v6 ? p->len - in.header_len : p->len);
	if (in.proto == INNER_UDP)
		write_length(pkt + in.header_len + 4, p->len - in.header_len);
	if (in.proto != INNER_TCP || in.len < in.header_len + INNER_TCP_LEN)
		return;
	size_t tcp_len = (size_t)(pkt[in.header_len + 12] >> 4) * 4;
	struct reader r = reader_init(pkt + in.header_len + 4, 4);
	struct writer w = writer_init(pkt + in.header_len + 4, 4);
	uint32_t seq = read_u32be(&r);
	if (in.len >= in.header_len + tcp_len)
		write_u32be(&w, seq + (uint32_t)(in.len - in.header_len - tcp_len));
}

static size_t read_packets(struct script *s, struct packet *list)
{
	size_t n = 0;

	while (n < PACKETS_MAX && script_has_more(s)) {
		uint8_t how = script_byte(s);
		struct packet *p = &list[n];
		const uint8_t *span = script_span(s, LEN_MAX, &p->len);

		p->bytes = calloc(1, TUN_HDR_LEN + p->len);
		MUST(p->bytes);
		if (p->len > 0)
			memcpy(p->bytes + TUN_HDR_LEN, span, p->len);
		if (how & 15 && (how & 15U) <= n)
			follow(&list[n - (how & 15)], p, how & 64);
		if (how & 16)
			mss_clamp(p->bytes + TUN_HDR_LEN, p->len, 1280);
		if (!(how & 32))
			sum_up(p->bytes + TUN_HDR_LEN, p->len);
		n++;
	}
	return n;
}

/* One group written as the TUN gets it, and cut again: how many packets are in it. */
static size_t check_group(size_t i)
{
	struct iovec iov[MERGE_IOV_MAX];
	size_t pieces = merge_pieces(&merge, i, iov), len = 0, n = 0, next;
	uint8_t out[65535];
	struct split s;

	MUST(pieces > 0 && pieces <= MERGE_IOV_MAX);
	for (size_t j = 0; j < pieces; j++) {
		MUST(iov[j].iov_len <= sizeof(super) - len);
		memcpy(super + len, iov[j].iov_base, iov[j].iov_len);
		len += iov[j].iov_len;
	}
	if (pieces == 1)
		return 1;
	MUST(split_begin(&s, super, len) == 0);
	const struct merge_group *g = &merge.groups[i];
	for (uint16_t at = g->first; at != MERGE_NONE; at = merge.packets[at].next) {
		const struct merge_packet *p = &merge.packets[at];

		next = split_next_len(&s);
		MUST(next == p->len && next <= sizeof(out));
		split_next(&s, out);
		MUST(memcmp(out + g->headers_len, p->pkt + g->headers_len, next - g->headers_len) ==
		     0);
		n++;
	}
	MUST(split_next_len(&s) == 0 && n == g->n);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct script s = script_init(data, len);
	struct packet list[PACKETS_MAX];
	uint8_t takes = script_byte(&s);
	size_t n = read_packets(&s, list), came = 0, taken = 0;

	merge_reset(&merge, takes & 1, takes & 2);
	for (size_t i = 0; i < n; i++) {
		struct inner in;

		/* As the lane: what is no packet never gets here, padding is cut. */
		if (inner_decode(list[i].bytes + TUN_HDR_LEN, list[i].len, &in) != 0)
			continue;
		MUST(merge_add(&merge, list[i].bytes + TUN_HDR_LEN, in.len));
		taken++;
	}
	for (size_t i = 0; i < merge.n_groups; i++)
		came += check_group(i);
	MUST(came == taken);
	while (n > 0)
		free(list[--n].bytes);
	return 0;
}
