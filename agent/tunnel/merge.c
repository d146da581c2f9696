#include "agent/tunnel/merge.h"

#include <linux/virtio_net.h>
#include <string.h>

#include "agent/tunnel/checksum.h"
#include "agent/tunnel/tun.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum {
	TCP_SEQ_AT = 4,
	TCP_ACK_AT = 8,
	TCP_OFFSET_AT = 12,
	TCP_FLAGS_AT = 13,
	TCP_CHECKSUM_AT = 16
};
enum { UDP_LEN_AT = 4, UDP_CHECKSUM_AT = 6 };
enum { V4_LEN_AT = 2, V4_ID_AT = 4, V4_CHECKSUM_AT = 10, V6_LEN_AT = 4 };
enum { FLAG_PSH = 0x08, FLAG_ACK = 0x10 };
enum { SUPER_MAX = 65535 };

/* One packet's part in merging. */
struct segment {
	struct inner inner;
	uint32_t flow, seq;
	size_t headers_len, payload_len;
	bool ends_group; /* PSH: the application is to see it now */
};

void merge_reset(struct merge *m, bool tso, bool uso)
{
	m->tso = tso;
	m->uso = uso;
	m->n_packets = m->n_groups = 0;
}

static uint32_t load_u32(const uint8_t *at)
{
	struct reader r = reader_init(at, 4);

	return read_u32be(&r);
}

/* Only chooses whom to compare with: every bit is compared afterwards. */
static uint32_t flow_hash(const uint8_t *pkt, const struct inner *in)
{
	uint32_t hash = in->proto;

	for (size_t i = 0; i < 2 * in->addr_len; i += 4)
		hash = (hash ^ load_u32(pkt + in->addr_at + i)) * UINT32_C(0x9e3779b1);
	hash = (hash ^ load_u32(pkt + in->header_len)) * UINT32_C(0x9e3779b1);
	return hash | 1;
}

static bool tcp_segment(const uint8_t *pkt, struct segment *s)
{
	size_t ip = s->inner.header_len;

	if (s->inner.len < ip + INNER_TCP_LEN)
		return false;
	size_t tcp_len = (size_t)(pkt[ip + TCP_OFFSET_AT] >> 4) * 4;
	uint8_t flags = pkt[ip + TCP_FLAGS_AT];

	if (tcp_len < INNER_TCP_LEN || s->inner.len <= ip + tcp_len ||
	    (flags & ~FLAG_PSH) != FLAG_ACK)
		return false;
	s->headers_len = ip + tcp_len;
	s->seq = load_u32(pkt + ip + TCP_SEQ_AT);
	s->ends_group = (flags & FLAG_PSH) != 0;
	return true;
}

static bool udp_segment(const uint8_t *pkt, struct segment *s)
{
	const uint8_t *udp = pkt + s->inner.header_len;

	s->headers_len = s->inner.header_len + INNER_UDP_LEN;
	return s->inner.len > s->headers_len &&
	       (size_t)(udp[UDP_LEN_AT] << 8 | udp[UDP_LEN_AT + 1]) ==
		       s->inner.len - s->inner.header_len &&
	       checksum_load(udp + UDP_CHECKSUM_AT) != 0;
}

/* Could this packet be a part of a super-packet at all? s->flow is set for every packet that has
 * ports. */
static bool segment_decode(const struct merge *m, const uint8_t *pkt, size_t len, struct segment *s)
{
	const struct inner *in = &s->inner;

	memset(s, 0, sizeof(*s));
	if (inner_decode(pkt, len, &s->inner) != 0 || in->len != len || in->is_fragment ||
	    (in->proto != INNER_TCP && in->proto != INNER_UDP) ||
	    in->len < in->header_len + INNER_UDP_LEN ||
	    (!in->is_v6 && in->header_len != INNER_V4_LEN))
		return false;
	s->flow = flow_hash(pkt, in);
	bool fits = in->proto == INNER_TCP ? m->tso && tcp_segment(pkt, s)
					   : m->uso && udp_segment(pkt, s);
	s->payload_len = fits ? len - s->headers_len : 0;
	return fits;
}

static bool checksum_is_right(const uint8_t *pkt, const struct inner *in)
{
	size_t len = in->len - in->header_len;
	uint64_t sum = checksum_pseudo(pkt + in->addr_at, in->addr_len, in->proto, len);

	return checksum_finish(checksum_add(sum, pkt + in->header_len, len)) == 0;
}

static bool same_but(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

static bool same_ip_header(const uint8_t *a, const uint8_t *b, const struct inner *in)
{
	if (in->is_v6) /* all but the length */
		return same_but(a, b, 0, V6_LEN_AT) && same_but(a, b, V6_LEN_AT + 2, INNER_V6_LEN);
	/* All but length, identification and checksum. */
	return same_but(a, b, 0, V4_LEN_AT) && same_but(a, b, V4_ID_AT + 2, V4_CHECKSUM_AT) &&
	       same_but(a, b, V4_CHECKSUM_AT + 2, INNER_V4_LEN);
}

static bool same_transport(const uint8_t *a, const uint8_t *b, const struct segment *s)
{
	size_t ip = s->inner.header_len;

	if (s->inner.proto == INNER_UDP) /* both ports */
		return same_but(a, b, ip, ip + UDP_LEN_AT);
	/* Ports; acknowledgement and header length; window; options. Flags were judged. */
	return same_but(a, b, ip, ip + TCP_SEQ_AT) &&
	       same_but(a, b, ip + TCP_ACK_AT, ip + TCP_FLAGS_AT) &&
	       same_but(a, b, ip + TCP_FLAGS_AT + 1, ip + TCP_CHECKSUM_AT) &&
	       same_but(a, b, ip + TCP_CHECKSUM_AT + 2, s->headers_len);
}

static bool can_join(const struct merge *m, const struct merge_group *g, const uint8_t *pkt,
		     const struct segment *s)
{
	const uint8_t *first = m->packets[g->first].pkt;
	bool is_next = s->inner.proto == INNER_UDP || s->seq == g->next_seq;
	bool has_room = g->n < MERGE_SEGMENTS_MAX && g->len + s->payload_len <= SUPER_MAX;

	return is_next && has_room && s->payload_len <= g->segment_len &&
	       s->headers_len == g->headers_len && s->inner.is_v6 == g->inner.is_v6 &&
	       s->inner.proto == g->inner.proto && same_ip_header(first, pkt, &s->inner) &&
	       same_transport(first, pkt, s);
}

/* The flow's newest group: an older one may not grow any more, or its packets would overtake. */
static struct merge_group *newest_group(struct merge *m, uint32_t flow)
{
	for (size_t i = m->n_groups; i > 0; i--) {
		if (m->groups[i - 1].flow == flow)
			return &m->groups[i - 1];
	}
	return NULL;
}

static uint16_t append_packet(struct merge *m, uint8_t *pkt, size_t len)
{
	m->packets[m->n_packets] =
		(struct merge_packet){.pkt = pkt, .len = len, .next = MERGE_NONE};
	return (uint16_t)m->n_packets++;
}

static void join(struct merge *m, struct merge_group *g, uint8_t *pkt, const struct segment *s)
{
	uint16_t i = append_packet(m, pkt, s->inner.len);
	uint8_t *first = m->packets[g->first].pkt;

	m->packets[g->last].next = i;
	g->last = i;
	g->n++;
	g->len += s->payload_len;
	g->next_seq += (uint32_t)s->payload_len;
	if (s->ends_group)
		first[g->inner.header_len + TCP_FLAGS_AT] |= FLAG_PSH;
	if (s->ends_group || s->payload_len < g->segment_len)
		g->flow = 0;
}

static void start_group(struct merge *m, uint8_t *pkt, size_t len, const struct segment *s)
{
	uint16_t i = append_packet(m, pkt, len);

	m->groups[m->n_groups++] = (struct merge_group){
		.flow = s->ends_group ? 0 : s->flow,
		.inner = s->inner,
		.headers_len = s->headers_len,
		.segment_len = s->payload_len,
		.len = len,
		.next_seq = s->seq + (uint32_t)s->payload_len,
		.first = i,
		.last = i,
		.n = 1,
	};
}

bool merge_add(struct merge *m, uint8_t *pkt, size_t len)
{
	struct segment s;

	if (m->n_packets == MERGE_PACKETS_MAX)
		return false;
	if (!segment_decode(m, pkt, len, &s)) {
		/* A SYN or FIN does not overtake: groups are written in the order of their first
		 * packets, and no later packet of the flow joins what stands before it. */
		struct merge_group *g = s.flow ? newest_group(m, s.flow) : NULL;
		if (g)
			g->flow = 0;
		s = (struct segment){.ends_group = true};
		start_group(m, pkt, len, &s);
		return true;
	}
	struct merge_group *g = newest_group(m, s.flow);
	if (g && can_join(m, g, pkt, &s) && checksum_is_right(pkt, &s.inner) &&
	    (g->is_checked || checksum_is_right(m->packets[g->first].pkt, &g->inner))) {
		g->is_checked = true;
		join(m, g, pkt, &s);
		return true;
	}
	if (g)
		g->flow = 0;
	start_group(m, pkt, len, &s);
	return true;
}

static void put_u16(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* Makes the first packet's headers those of the whole, with the transport checksum left for the
 * kernel: only the pseudo-header's part is there. */
static void make_super(const struct merge_group *g, uint8_t *pkt, struct virtio_net_hdr *hdr)
{
	size_t ip = g->inner.header_len, transport_len = g->len - ip;
	bool is_tcp = g->inner.proto == INNER_TCP;
	size_t field_at = is_tcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT;

	if (g->inner.is_v6) {
		put_u16(pkt + V6_LEN_AT, g->len - INNER_V6_LEN);
	} else {
		put_u16(pkt + V4_LEN_AT, g->len);
		put_u16(pkt + V4_CHECKSUM_AT, 0);
		checksum_store(pkt + V4_CHECKSUM_AT, checksum_finish(checksum_add(0, pkt, ip)));
	}
	if (!is_tcp)
		put_u16(pkt + ip + UDP_LEN_AT, transport_len);
	checksum_store(pkt + ip + field_at,
		       checksum_fold(checksum_pseudo(pkt + g->inner.addr_at, g->inner.addr_len,
						     g->inner.proto, transport_len)));
	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->gso_type = !is_tcp		 ? VIRTIO_NET_HDR_GSO_UDP_L4
			: g->inner.is_v6 ? VIRTIO_NET_HDR_GSO_TCPV6
					 : VIRTIO_NET_HDR_GSO_TCPV4;
	hdr->gso_size = (uint16_t)g->segment_len;
	hdr->hdr_len = (uint16_t)g->headers_len;
	hdr->csum_start = (uint16_t)ip;
	hdr->csum_offset = (uint16_t)field_at;
}

size_t merge_pieces(struct merge *m, size_t i, struct iovec iov[static MERGE_IOV_MAX])
{
	const struct merge_group *g = &m->groups[i];
	const struct merge_packet *p = &m->packets[g->first];
	struct virtio_net_hdr hdr = {0};
	size_t n = 0;

	if (g->n > 1)
		make_super(g, p->pkt, &hdr);
	memcpy(p->pkt - TUN_HDR_LEN, &hdr, sizeof(hdr));
	iov[n++] = (struct iovec){p->pkt - TUN_HDR_LEN, TUN_HDR_LEN + p->len};
	while (p->next != MERGE_NONE) {
		p = &m->packets[p->next];
		iov[n++] = (struct iovec){p->pkt + g->headers_len, p->len - g->headers_len};
	}
	return n;
}
