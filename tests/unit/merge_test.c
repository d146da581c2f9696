#include <linux/virtio_net.h>
#include <stdlib.h>

#include "agent/tunnel/checksum.h"
#include "agent/tunnel/merge.h"
#include "agent/tunnel/split.h"
#include "agent/tunnel/tun.h"
#include "tests/unit/test.h"

/* One packet with the room in front that merge wants. */
struct packet {
	uint8_t room[TUN_HDR_LEN];
	uint8_t bytes[2000];
	size_t len;
};

enum { SEGMENTS = 5, PAYLOAD = 1000 };
enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_PSH = 8, FLAG_ACK = 16 };

static struct packet packets[MERGE_PACKETS_MAX + 1];
static struct merge merge;

static size_t put_ip(uint8_t *p, bool v6, uint8_t proto, size_t transport_len)
{
	static const uint8_t v4_header[20] = {0x45, 0, 0,  0, 0, 7, 0x40, 0, 64, 0,
					      0,    0, 10, 0, 0, 1, 10,	  0, 0,	 2};
	static const uint8_t v6_header[40] = {0x60, 0,	0,    0,	0,	     0,
					      0,    64, 0xfd, [23] = 1, [24] = 0xfd, [39] = 2};
	size_t len = v6 ? 40 : 20;

	memcpy(p, v6 ? v6_header : v4_header, len);
	size_t field = v6 ? transport_len : transport_len + 20;
	p[v6 ? 4 : 2] = (uint8_t)(field >> 8);
	p[v6 ? 5 : 3] = (uint8_t)field;
	p[v6 ? 6 : 9] = proto;
	if (!v6)
		checksum_store(p + 10, checksum_finish(checksum_add(0, p, 20)));
	return len;
}

static void finish(uint8_t *p, bool v6, size_t ip, uint8_t proto, size_t len)
{
	uint8_t *field = p + ip + (proto == 6 ? 16 : 6);

	checksum_store(field, 0);
	uint64_t sum = checksum_pseudo(p + (v6 ? 8 : 12), v6 ? 16 : 4, proto, len);
	checksum_store(field, checksum_finish(checksum_add(sum, p + ip, len)));
}

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)((i + seed) * 31 >> 3);
}

/* A TCP segment with a timestamp option, its checksum right. */
static void make_tcp(struct packet *out, bool v6, uint32_t seq, size_t payload_len, uint8_t flags)
{
	uint8_t *p = out->bytes;
	size_t ip = put_ip(p, v6, 6, 32 + payload_len);
	const uint8_t tcp[32] = {4,
				 210,
				 0,
				 22,
				 (uint8_t)(seq >> 24),
				 (uint8_t)(seq >> 16),
				 (uint8_t)(seq >> 8),
				 (uint8_t)seq,
				 0,
				 0,
				 0,
				 77,
				 0x80,
				 flags,
				 1,
				 0,
				 0,
				 0,
				 0,
				 0,
				 1,
				 1,
				 8,
				 10,
				 0,
				 0,
				 0,
				 5,
				 0,
				 0,
				 0,
				 6};

	memcpy(p + ip, tcp, sizeof(tcp));
	fill(p + ip + 32, payload_len, seq);
	finish(p, v6, ip, 6, 32 + payload_len);
	out->len = ip + 32 + payload_len;
}

static void make_udp(struct packet *out, bool v6, size_t payload_len, unsigned seed)
{
	uint8_t *p = out->bytes;
	size_t ip = put_ip(p, v6, 17, 8 + payload_len);
	const uint8_t udp[8] = {
		4, 210, 0, 53, (uint8_t)((8 + payload_len) >> 8), (uint8_t)(8 + payload_len)};

	memcpy(p + ip, udp, sizeof(udp));
	fill(p + ip + 8, payload_len, seed);
	finish(p, v6, ip, 17, 8 + payload_len);
	out->len = ip + 8 + payload_len;
}

static size_t add_all(size_t n)
{
	merge_reset(&merge, true, true);
	for (size_t i = 0; i < n; i++)
		CHECK(merge_add(&merge, packets[i].bytes, packets[i].len));
	return merge.n_groups;
}

/* What one writev would hand to the TUN. */
static size_t gather(size_t group, uint8_t *out, size_t cap)
{
	struct iovec iov[MERGE_IOV_MAX];
	size_t n = merge_pieces(&merge, group, iov), len = 0;

	for (size_t i = 0; i < n; i++) {
		CHECK(len + iov[i].iov_len <= cap);
		memcpy(out + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return len;
}

/* Merges what is in packets, splits it again and finds the same bytes, identification included. */
static void check_round_trip(size_t n)
{
	static struct packet before[SEGMENTS];
	static uint8_t super[70000], out[2000];
	struct split s;

	memcpy(before, packets, n * sizeof(*packets));
	CHECK_INT(add_all(n), 1);
	size_t len = gather(0, super, sizeof(super));
	CHECK_INT(split_begin(&s, super, len), 0);
	for (size_t i = 0; i < n; i++) {
		CHECK_INT(split_next_len(&s), before[i].len);
		split_next(&s, out);
		CHECK_MEM(out, before[i].bytes, before[i].len);
	}
	CHECK_INT(split_next_len(&s), 0);
}

/* Numbers IPv4 identifications as a sender would. */
static void set_id(struct packet *p, unsigned id)
{
	p->bytes[4] = (uint8_t)(id >> 8);
	p->bytes[5] = (uint8_t)id;
	checksum_store(p->bytes + 10, 0);
	checksum_store(p->bytes + 10, checksum_finish(checksum_add(0, p->bytes, 20)));
}

TEST(tcp_segments_become_one_and_come_apart_the_same)
{
	for (int v6 = 0; v6 < 2; v6++) {
		for (unsigned i = 0; i < SEGMENTS; i++) {
			bool is_last = i == SEGMENTS - 1;

			make_tcp(&packets[i], v6, 0xfffffe00u + i * PAYLOAD,
				 is_last ? 333 : PAYLOAD, is_last ? FLAG_ACK | FLAG_PSH : FLAG_ACK);
			if (!v6)
				set_id(&packets[i], 0xfffe + i);
		}
		check_round_trip(SEGMENTS);
	}
}

TEST(udp_datagrams_become_one_and_come_apart_the_same)
{
	for (int v6 = 0; v6 < 2; v6++) {
		for (unsigned i = 0; i < SEGMENTS; i++) {
			make_udp(&packets[i], v6, i == SEGMENTS - 1 ? 7 : PAYLOAD, i);
			if (!v6)
				set_id(&packets[i], 9 + i);
		}
		check_round_trip(SEGMENTS);
	}
}

TEST(the_kernel_is_told_where_to_finish_the_checksum)
{
	static uint8_t super[70000];
	struct virtio_net_hdr hdr;

	make_tcp(&packets[0], false, 0, PAYLOAD, FLAG_ACK);
	make_tcp(&packets[1], false, PAYLOAD, PAYLOAD, FLAG_ACK);
	CHECK_INT(add_all(2), 1);
	size_t len = gather(0, super, sizeof(super));
	memcpy(&hdr, super, sizeof(hdr));
	CHECK_INT(len, TUN_HDR_LEN + 52 + 2 * PAYLOAD);
	CHECK(hdr.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM && hdr.gso_type == VIRTIO_NET_HDR_GSO_TCPV4);
	CHECK(hdr.gso_size == PAYLOAD && hdr.hdr_len == 52 && hdr.csum_start == 20 &&
	      hdr.csum_offset == 16);
	CHECK_INT(checksum_load(super + TUN_HDR_LEN + 36),
		  checksum_fold(checksum_pseudo(super + TUN_HDR_LEN + 12, 4, 6, 32 + 2 * PAYLOAD)));
}

TEST(a_gap_in_the_sequence_is_not_closed)
{
	make_tcp(&packets[0], false, 0, PAYLOAD, FLAG_ACK);
	make_tcp(&packets[1], false, 2 * PAYLOAD, PAYLOAD, FLAG_ACK);
	make_tcp(&packets[2], false, PAYLOAD, PAYLOAD, FLAG_ACK);
	CHECK_INT(add_all(3), 3);
}

TEST(a_wrong_checksum_is_not_hidden)
{
	for (size_t wrong = 0; wrong < 2; wrong++) {
		make_tcp(&packets[0], false, 0, PAYLOAD, FLAG_ACK);
		make_tcp(&packets[1], false, PAYLOAD, PAYLOAD, FLAG_ACK);
		packets[wrong].bytes[600] ^= 1;
		CHECK_INT(add_all(2), 2);
	}
}

TEST(different_headers_stay_apart)
{
	static const size_t places[] = {1 /* TOS */,  8 /* TTL */,     20 /* port */,
					28 /* ack */, 34 /* window */, 47 /* option */};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		make_tcp(&packets[0], false, 0, PAYLOAD, FLAG_ACK);
		make_tcp(&packets[1], false, PAYLOAD, PAYLOAD, FLAG_ACK);
		packets[1].bytes[places[i]] ^= 1;
		finish(packets[1].bytes, false, 20, 6, 32 + PAYLOAD);
		CHECK_INT(add_all(2), 2);
	}
}

TEST(psh_and_a_short_segment_end_a_group)
{
	make_tcp(&packets[0], false, 0, PAYLOAD, FLAG_ACK);
	make_tcp(&packets[1], false, PAYLOAD, PAYLOAD, FLAG_ACK | FLAG_PSH);
	make_tcp(&packets[2], false, 2 * PAYLOAD, PAYLOAD, FLAG_ACK);
	CHECK_INT(add_all(3), 2);
	make_tcp(&packets[0], false, 0, PAYLOAD, FLAG_ACK);
	make_tcp(&packets[1], false, PAYLOAD, 10, FLAG_ACK);
	make_tcp(&packets[2], false, PAYLOAD + 10, 10, FLAG_ACK);
	CHECK_INT(add_all(3), 2);
}

TEST(a_longer_segment_starts_a_group_of_its_own)
{
	make_tcp(&packets[0], false, 0, PAYLOAD, FLAG_ACK);
	make_tcp(&packets[1], false, PAYLOAD, PAYLOAD + 1, FLAG_ACK);
	CHECK_INT(add_all(2), 2);
}

TEST(syn_fin_and_bare_acks_pass_unchanged_and_in_order)
{
	static uint8_t out[2000];
	static const uint8_t flags[] = {FLAG_SYN, FLAG_FIN | FLAG_ACK, FLAG_ACK};

	for (size_t i = 0; i < 3; i++) {
		make_tcp(&packets[0], false, 0, PAYLOAD, FLAG_ACK);
		make_tcp(&packets[1], false, PAYLOAD, i == 2 ? 0 : PAYLOAD, flags[i]);
		make_tcp(&packets[2], false, PAYLOAD, PAYLOAD, FLAG_ACK);
		CHECK_INT(add_all(3), 3); /* what comes behind does not join what was before */
		CHECK_INT(gather(1, out, sizeof(out)), TUN_HDR_LEN + packets[1].len);
		CHECK_MEM(out + TUN_HDR_LEN, packets[1].bytes, packets[1].len);
		CHECK(out[0] == 0 && out[1] == 0);
	}
}

TEST(two_flows_merge_side_by_side)
{
	for (unsigned i = 0; i < 8; i++) {
		make_tcp(&packets[i], false, i / 2 * PAYLOAD, PAYLOAD, FLAG_ACK);
		packets[i].bytes[21] = (uint8_t)(i % 2);
		finish(packets[i].bytes, false, 20, 6, 32 + PAYLOAD);
	}
	CHECK_INT(add_all(8), 2);
	CHECK(merge.groups[0].n == 4 && merge.groups[1].n == 4);
}

TEST(says_when_it_is_full_and_never_exceeds_a_super_packet)
{
	merge_reset(&merge, true, true);
	for (unsigned i = 0; i <= MERGE_PACKETS_MAX; i++) {
		make_tcp(&packets[i], false, i * 1400, 1400, FLAG_ACK);
		CHECK_INT(merge_add(&merge, packets[i].bytes, packets[i].len),
			  i < MERGE_PACKETS_MAX);
	}
	for (size_t i = 0; i < merge.n_groups; i++)
		CHECK(merge.groups[i].len <= 65535 && merge.groups[i].n <= MERGE_SEGMENTS_MAX);
	CHECK_INT(merge.n_groups, 3);
}

TEST(merges_nothing_the_tun_does_not_take)
{
	make_udp(&packets[0], false, PAYLOAD, 0);
	make_udp(&packets[1], false, PAYLOAD, 1);
	merge_reset(&merge, true, false);
	CHECK(merge_add(&merge, packets[0].bytes, packets[0].len));
	CHECK(merge_add(&merge, packets[1].bytes, packets[1].len));
	CHECK_INT(merge.n_groups, 2);
}
