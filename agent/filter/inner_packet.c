#include "agent/filter/inner_packet.h"

#include <errno.h>
#include <netinet/in.h>

enum { V4_HEADER_MIN = 20, TCP_HEADER_MIN = 20, UDP_HEADER_LEN = 8, ICMP_HEADER_LEN = 8 };
enum { EXTENSIONS_MAX = 8 };
enum { V4_OFFSET_MASK = 0x1fff, V4_MORE_FRAGMENTS = 0x2000 };

/* What differs between the two ICMPs (RFC 792, RFC 4443). */
struct icmp_types {
	uint8_t echo_request, echo_reply;
};

static const struct icmp_types icmp_v4 = {8, 0}, icmp_v6 = {128, 129};

static bool is_icmp_error(uint8_t proto, uint8_t type)
{
	if (proto == IPPROTO_ICMPV6)
		return type < 128;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static int decode_ip(struct reader *r, bool quoted, struct inner_packet *out);

static int decode_icmp(struct reader *body, bool quoted, struct inner_packet *out)
{
	const struct icmp_types *types = out->tuple.proto == IPPROTO_ICMP ? &icmp_v4 : &icmp_v6;
	uint8_t type = read_u8(body);

	read_skip(body, 3); /* code, checksum */
	uint16_t id = read_u16be(body);
	read_skip(body, 2);
	if (body->failed)
		return -EBADMSG;

	if (is_icmp_error(out->tuple.proto, type)) {
		struct inner_packet inner = {0};

		if (quoted) /* an error about an error is never sent (RFC 1122 section 3.2.2) */
			return -EBADMSG;
		int rc = decode_ip(body, true, &inner);
		if (rc < 0 || inner.kind != INNER_PLAIN)
			return -EBADMSG;
		out->kind = INNER_ICMP_ERROR;
		out->about = inner.tuple;
		return 0;
	}
	if (type == types->echo_request)
		out->tuple.src_port = id;
	if (type == types->echo_reply) {
		out->tuple.dst_port = id;
		out->can_start = false;
	}
	return 0;
}

static int decode_transport(struct reader *body, bool quoted, struct inner_packet *out)
{
	uint8_t proto = out->tuple.proto;

	out->kind = INNER_PLAIN;
	out->can_start = true;
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		return decode_icmp(body, quoted, out);
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return 0;

	size_t wanted = proto == IPPROTO_TCP && !quoted ? TCP_HEADER_MIN : UDP_HEADER_LEN;
	struct reader header = read_slice(body, wanted);
	out->tuple.src_port = read_u16be(&header);
	out->tuple.dst_port = read_u16be(&header);
	if (proto == IPPROTO_TCP && !quoted) {
		read_skip(&header, 9);
		out->tcp_flags = read_u8(&header);
	}
	return header.failed ? -EBADMSG : 0;
}

/* offset counts units of eight bytes. */
static int note_fragment(struct inner_packet *out, uint16_t offset, bool more, uint8_t proto)
{
	if (offset == 0) {
		out->first_fragment = more;
		return 0;
	}
	/* RFC 1858 section 3: a second fragment here would overwrite the TCP flags just judged. */
	if (offset == 1 && proto == IPPROTO_TCP)
		return -EBADMSG;
	out->kind = INNER_FRAGMENT;
	return 0;
}

static struct ip_addr read_v4(struct reader *r)
{
	uint8_t v4[4];

	read_bytes(r, v4, sizeof(v4));
	return ip_from_v4(v4);
}

static int decode_v4(struct reader *r, bool quoted, struct inner_packet *out)
{
	size_t have = reader_left(r);
	size_t header_len = (size_t)(read_u8(r) & 0x0f) * 4;

	read_skip(r, 1);
	size_t total_len = read_u16be(r);
	out->fragment_id = read_u16be(r);
	uint16_t fragment = read_u16be(r);
	read_skip(r, 1);
	out->tuple.proto = out->fragment_proto = read_u8(r);
	read_skip(r, 2);
	out->tuple.src = read_v4(r);
	out->tuple.dst = read_v4(r);
	if (r->failed || header_len < V4_HEADER_MIN || total_len < header_len)
		return -EBADMSG;
	if (!quoted && total_len > have)
		return -EBADMSG;

	read_skip(r, header_len - V4_HEADER_MIN); /* options */
	size_t body_len = total_len - header_len;
	struct reader body = read_slice(r, quoted ? reader_left(r) : body_len);
	int rc = note_fragment(out, fragment & V4_OFFSET_MASK, fragment & V4_MORE_FRAGMENTS,
			       out->tuple.proto);
	if (rc < 0 || out->kind == INNER_FRAGMENT)
		return rc;
	return decode_transport(&body, quoted, out);
}

enum step { STEP_ON, STEP_TRANSPORT, STEP_FRAGMENT };

/* Follows one IPv6 extension header; *next becomes the header behind it (RFC 8200 section 4). */
static int follow_extension(struct reader *body, uint8_t *next, struct inner_packet *out,
			    enum step *step)
{
	uint8_t type = *next;
	bool is_options = type == IPPROTO_HOPOPTS || type == IPPROTO_DSTOPTS;

	*step = STEP_TRANSPORT;
	if (type == IPPROTO_ROUTING)
		return -EPROTO;
	if (!is_options && type != IPPROTO_FRAGMENT)
		return 0;

	*step = STEP_ON;
	*next = read_u8(body);
	if (is_options) {
		read_skip(body, (size_t)read_u8(body) * 8 + 6);
		return body->failed ? -EBADMSG : 0;
	}
	read_skip(body, 1);
	uint16_t place = read_u16be(body);
	out->fragment_id = read_u32be(body);
	int rc = body->failed ? -EBADMSG : note_fragment(out, place >> 3, place & 1, *next);
	if (out->kind == INNER_FRAGMENT)
		*step = STEP_FRAGMENT;
	return rc;
}

/* IPv4 lives in this space (common/endpoint.h), so IPv6 must not speak for it. */
static bool poses_as_v4(const struct inner_tuple *t)
{
	return ip_is_v4(&t->src) || ip_is_v4(&t->dst);
}

static int decode_v6(struct reader *r, bool quoted, struct inner_packet *out)
{
	read_skip(r, 4);
	size_t body_len = read_u16be(r);
	uint8_t next = read_u8(r);
	read_skip(r, 1);
	read_bytes(r, out->tuple.src.b, sizeof(out->tuple.src.b));
	read_bytes(r, out->tuple.dst.b, sizeof(out->tuple.dst.b));
	struct reader body = read_slice(r, quoted ? reader_left(r) : body_len);
	if (r->failed || poses_as_v4(&out->tuple))
		return -EBADMSG;

	for (unsigned n = 0; n <= EXTENSIONS_MAX; n++) {
		enum step step;
		int rc = follow_extension(&body, &next, out, &step);

		out->tuple.proto = next;
		if (rc < 0 || step == STEP_FRAGMENT)
			return rc;
		if (step == STEP_TRANSPORT)
			return decode_transport(&body, quoted, out);
	}
	return -EPROTO;
}

static int decode_ip(struct reader *r, bool quoted, struct inner_packet *out)
{
	if (reader_left(r) < 1)
		return -EBADMSG;

	switch (r->at[0] >> 4) {
	case 4:
		return decode_v4(r, quoted, out);
	case 6:
		return decode_v6(r, quoted, out);
	default:
		return -EBADMSG;
	}
}

int inner_packet_decode(const uint8_t *pkt, size_t len, struct inner_packet *out)
{
	struct reader r = reader_init(pkt, len);

	*out = (struct inner_packet){0};
	return decode_ip(&r, false, out);
}
