#include "agent/tunnel/split.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "agent/tunnel/checksum.h"
#include "agent/tunnel/tun.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum { TCP_SEQ_AT = 4, TCP_OFFSET_AT = 12, TCP_FLAGS_AT = 13, TCP_CHECKSUM_AT = 16 };
enum { UDP_LEN_AT = 4, UDP_CHECKSUM_AT = 6 };
enum { V4_LEN_AT = 2, V4_ID_AT = 4, V4_CHECKSUM_AT = 10, V6_LEN_AT = 4 };
enum { FLAG_FIN = 0x01, FLAG_PSH = 0x08, FLAG_CWR = 0x80 };

static void put_u16(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* Where the checksum goes lies inside the packet. */
static int begin_single(struct split *s, const struct virtio_net_hdr *hdr)
{
	s->finish_csum = (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
	s->csum_start = hdr->csum_start;
	s->csum_offset = hdr->csum_offset;
	if (s->finish_csum && s->csum_start + s->csum_offset + 2 > s->inner.len)
		return -EBADMSG;
	s->headers_len = 0;
	s->segment_len = s->inner.len;
	return 0;
}

static int begin_tcp(struct split *s)
{
	size_t ip = s->inner.header_len;

	if (s->inner.proto != INNER_TCP || s->inner.len < ip + INNER_TCP_LEN)
		return -EBADMSG;
	size_t tcp_len = (size_t)(s->pkt[ip + TCP_OFFSET_AT] >> 4) * 4;
	if (tcp_len < INNER_TCP_LEN || s->inner.len <= ip + tcp_len)
		return -EBADMSG;
	s->headers_len = ip + tcp_len;
	return 0;
}

static int begin_udp(struct split *s)
{
	size_t headers_len = s->inner.header_len + INNER_UDP_LEN;

	if (s->inner.proto != INNER_UDP || s->inner.len <= headers_len)
		return -EBADMSG;
	s->headers_len = headers_len;
	return 0;
}

/* A super-packet's IP length field may be void (IPv6 jumbo is 0): what was read is its length. */
static int decode_super(struct split *s, const uint8_t *pkt, size_t len)
{
	int err = inner_decode(pkt, len, &s->inner);

	s->inner.len = len;
	return err;
}

int split_begin(struct split *s, const uint8_t *buf, size_t len)
{
	struct virtio_net_hdr hdr;
	int err;

	if (len < TUN_HDR_LEN)
		return -EBADMSG;
	memcpy(&hdr, buf, sizeof(hdr));
	memset(s, 0, sizeof(*s));
	s->pkt = buf + TUN_HDR_LEN;
	len -= TUN_HDR_LEN;

	uint8_t kind = hdr.gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	if (kind == VIRTIO_NET_HDR_GSO_NONE) {
		err = inner_decode(s->pkt, len, &s->inner);
		return err ? err : begin_single(s, &hdr);
	}
	err = decode_super(s, s->pkt, len);
	if (err)
		return err;
	s->segment_len = hdr.gso_size;
	if (s->segment_len == 0)
		return -EBADMSG;
	if (kind == VIRTIO_NET_HDR_GSO_TCPV4 || kind == VIRTIO_NET_HDR_GSO_TCPV6)
		return begin_tcp(s);
	if (kind == VIRTIO_NET_HDR_GSO_UDP_L4)
		return begin_udp(s);
	return -EBADMSG;
}

static size_t payload_left(const struct split *s)
{
	size_t left = s->inner.len - s->headers_len - s->at;

	return left < s->segment_len ? left : s->segment_len;
}

size_t split_next_len(const struct split *s)
{
	return s->is_done ? 0 : s->headers_len + payload_left(s);
}

static void finish_single(const struct split *s, uint8_t *out)
{
	uint64_t sum = checksum_add(0, out + s->csum_start, s->inner.len - s->csum_start);
	uint16_t field = checksum_finish(sum);

	/* RFC 768: a UDP checksum of zero would mean "none". For TCP both zeros are the same. */
	checksum_store(out + s->csum_start + s->csum_offset, field ? field : UINT16_MAX);
}

static void mend_ip(const struct split *s, uint8_t *out, size_t len)
{
	if (s->inner.is_v6) {
		put_u16(out + V6_LEN_AT, len - INNER_V6_LEN);
		return;
	}
	size_t id = (size_t)(out[V4_ID_AT] << 8 | out[V4_ID_AT + 1]) + s->n;

	put_u16(out + V4_LEN_AT, len);
	put_u16(out + V4_ID_AT, id);
	put_u16(out + V4_CHECKSUM_AT, 0);
	checksum_store(out + V4_CHECKSUM_AT,
		       checksum_finish(checksum_add(0, out, s->inner.header_len)));
}

static void mend_tcp(const struct split *s, uint8_t *tcp, bool is_last)
{
	struct reader r = reader_init(tcp + TCP_SEQ_AT, 4);
	uint32_t seq = read_u32be(&r) + (uint32_t)s->at;
	struct writer w = writer_init(tcp + TCP_SEQ_AT, 4);

	write_u32be(&w, seq);
	if (!is_last)
		tcp[TCP_FLAGS_AT] &= (uint8_t) ~(FLAG_FIN | FLAG_PSH);
	if (s->n > 0) /* RFC 3168 section 6.1.2: said once */
		tcp[TCP_FLAGS_AT] &= (uint8_t)~FLAG_CWR;
}

static void mend_transport(const struct split *s, uint8_t *out, size_t len, bool is_last)
{
	size_t ip = s->inner.header_len, transport_len = len - ip;
	uint8_t *field = out + ip;

	if (s->inner.proto == INNER_TCP) {
		mend_tcp(s, out + ip, is_last);
		field += TCP_CHECKSUM_AT;
	} else {
		put_u16(out + ip + UDP_LEN_AT, transport_len);
		field += UDP_CHECKSUM_AT;
	}
	put_u16(field, 0);
	uint64_t sum = checksum_pseudo(out + s->inner.addr_at, s->inner.addr_len, s->inner.proto,
				       transport_len);
	uint16_t finished = checksum_finish(checksum_add(sum, out + ip, transport_len));
	checksum_store(field, finished ? finished : UINT16_MAX);
}

void split_next(struct split *s, uint8_t *out)
{
	size_t payload_len = payload_left(s);
	bool is_last = s->headers_len + s->at + payload_len == s->inner.len;

	if (s->headers_len == 0) {
		memcpy(out, s->pkt, s->inner.len);
		if (s->finish_csum)
			finish_single(s, out);
	} else {
		memcpy(out, s->pkt, s->headers_len);
		memcpy(out + s->headers_len, s->pkt + s->headers_len + s->at, payload_len);
		mend_ip(s, out, s->headers_len + payload_len);
		mend_transport(s, out, s->headers_len + payload_len, is_last);
	}
	s->at += payload_len;
	s->n++;
	s->is_done = is_last;
}
