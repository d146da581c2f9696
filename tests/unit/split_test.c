#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>

#include "agent/tunnel/checksum.h"
#include "agent/tunnel/split.h"
#include "agent/tunnel/tun.h"
#include "tests/unit/test.h"

static const uint8_t udp_packet[32] = {0x45, 0,	 0, 32, 0, 0,  0x40, 0,	  64,  17, 0,
				       0,    10, 0, 0,	1, 10, 0,    0,	  2,   4,  210,
				       0,    53, 0, 12, 0, 0,  'a',  'b', 'c', 'd'};

static size_t frame(uint8_t *buf, const struct virtio_net_hdr *hdr, const uint8_t *pkt, size_t len)
{
	memcpy(buf, hdr, sizeof(*hdr));
	memcpy(buf + sizeof(*hdr), pkt, len);
	return sizeof(*hdr) + len;
}

TEST(a_plain_packet_passes_as_it_is)
{
	uint8_t buf[100], out[100];
	struct virtio_net_hdr hdr = {0};
	struct split s;

	CHECK_INT(split_begin(&s, buf, frame(buf, &hdr, udp_packet, 32)), 0);
	CHECK_INT(split_next_len(&s), 32);
	split_next(&s, out);
	CHECK_MEM(out, udp_packet, 32);
	CHECK_INT(split_next_len(&s), 0);
}

TEST(a_partial_checksum_is_finished)
{
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 20, .csum_offset = 6};
	uint8_t buf[100], pkt[32], out[100];
	struct split s;

	memcpy(pkt, udp_packet, 32);
	checksum_store(pkt + 26, checksum_fold(checksum_pseudo(pkt + 12, 4, 17, 12)));
	CHECK_INT(split_begin(&s, buf, frame(buf, &hdr, pkt, 32)), 0);
	split_next(&s, out);
	CHECK_INT(checksum_finish(checksum_add(checksum_pseudo(out + 12, 4, 17, 12), out + 20, 12)),
		  0);
}

TEST(a_udp_checksum_of_zero_is_sent_as_all_ones)
{
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 20, .csum_offset = 6};
	uint8_t buf[100], pkt[32], out[100];
	struct split s;

	/* The last word makes the whole sum 0xffff. */
	memcpy(pkt, udp_packet, 32);
	checksum_store(pkt + 26, checksum_fold(checksum_pseudo(pkt + 12, 4, 17, 12)));
	memset(pkt + 30, 0, 2);
	checksum_store(pkt + 30, checksum_finish(checksum_add(0, pkt + 20, 12)));
	CHECK_INT(split_begin(&s, buf, frame(buf, &hdr, pkt, 32)), 0);
	split_next(&s, out);
	CHECK(out[26] == 0xff && out[27] == 0xff);
}

/* A TCP super-packet of 250 bytes in segments of 100, with the given flags. */
static size_t make_super(uint8_t *buf, uint8_t flags)
{
	static const uint8_t ip[20] = {0x45, 0, 1,  0x22, 0, 0, 0x40, 0, 64, 6,
				       0,    0, 10, 0,	  0, 1, 10,   0, 0,  2};
	const struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					   .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					   .gso_size = 100,
					   .csum_start = 20,
					   .csum_offset = 16};
	uint8_t pkt[290] = {0};

	memcpy(pkt, ip, sizeof(ip));
	pkt[32] = 0x50;
	pkt[33] = flags;
	return frame(buf, &hdr, pkt, sizeof(pkt));
}

TEST(flags_are_on_the_segments_they_belong_to)
{
	enum { FIN = 0x01, PSH = 0x08, ACK = 0x10, CWR = 0x80 };
	uint8_t buf[400], out[200];
	struct split s;

	CHECK_INT(split_begin(&s, buf, make_super(buf, FIN | PSH | ACK | CWR)), 0);
	split_next(&s, out);
	CHECK_INT(out[33], ACK | CWR);
	split_next(&s, out);
	CHECK_INT(out[33], ACK);
	split_next(&s, out);
	CHECK_INT(out[33], FIN | PSH | ACK);
	CHECK_INT(out[27], 200); /* the sequence number moved on */
	CHECK_INT(split_next_len(&s), 0);
}

/* A datagram whose checksum comes out as zero: the last word of its payload makes it so. */
TEST(a_segments_udp_checksum_of_zero_is_all_ones_too)
{
	const struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					   .gso_type = 5,
					   .gso_size = 4,
					   .csum_start = 20,
					   .csum_offset = 6};
	uint8_t buf[100], pkt[32], out[100];
	struct split s;

	memcpy(pkt, udp_packet, 32);
	memset(pkt + 30, 0, 2);
	uint64_t sum = checksum_add(checksum_pseudo(pkt + 12, 4, 17, 12), pkt + 20, 12);
	checksum_store(pkt + 30, checksum_finish(sum));
	CHECK_INT(split_begin(&s, buf, frame(buf, &hdr, pkt, 32)), 0);
	split_next(&s, out);
	CHECK(out[26] == 0xff && out[27] == 0xff);
}

TEST(refuses_a_checksum_outside_the_packet)
{
	uint8_t buf[100];
	struct split s;

	for (unsigned start = 25; start < 300; start += 5) {
		struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					     .csum_start = (uint16_t)start,
					     .csum_offset = 6};
		CHECK_INT(split_begin(&s, buf, frame(buf, &hdr, udp_packet, 32)), -EBADMSG);
	}
}

TEST(refuses_super_packets_that_are_none)
{
	static const struct virtio_net_hdr bad[] = {
		{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 100}, /* it is UDP */
		{.gso_type = 5, .gso_size = 0},				 /* no size */
		{.gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 100},	 /* never asked for */
		{.gso_type = 9, .gso_size = 100},
	};
	uint8_t buf[100];
	struct split s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(split_begin(&s, buf, frame(buf, &bad[i], udp_packet, 32)), -EBADMSG);
	CHECK_INT(split_begin(&s, buf, 5), -EBADMSG);
}

TEST(no_header_leads_out_of_the_packet)
{
	uint8_t *out = malloc(70000);

	srandom(7);
	for (unsigned round = 0; round < 200000; round++) {
		uint8_t buf[200];
		size_t len = (size_t)random() % sizeof(buf), total = 0, next;
		struct split s;

		for (size_t i = 0; i < len; i++)
			buf[i] = (uint8_t)random();
		if (len > 20) {
			buf[1] = (uint8_t[]){0, 1, 4, 5}[random() % 4];
			buf[3] = buf[5] = buf[7] = buf[9] = 0;
			buf[10] = random() % 2 ? 0x45 : 0x60;
			buf[12] = 0;
			buf[19] = random() % 2 ? 6 : 17;
		}
		uint8_t *exact = malloc(len + 1);
		memcpy(exact, buf, len);
		if (split_begin(&s, exact, len) == 0) {
			while ((next = split_next_len(&s)) > 0) {
				CHECK(next <= len);
				split_next(&s, out);
				CHECK(++total <= 200);
			}
		}
		free(exact);
	}
	free(out);
}
