#include "agent/tunnel/inner.h"

#include <errno.h>

static int decode_v4(const uint8_t *pkt, size_t len, struct inner *out)
{
	struct reader r = reader_init(pkt, len);
	struct inner in = {.addr_at = 12, .addr_len = 4};

	in.header_len = (size_t)(read_u8(&r) & 0x0f) * 4;
	read_skip(&r, 1);
	in.len = read_u16be(&r);
	read_skip(&r, 2);
	in.is_fragment = (read_u16be(&r) & 0x3fff) != 0; /* MF or an offset */
	read_skip(&r, 1);
	in.proto = read_u8(&r);
	if (r.failed || in.header_len < INNER_V4_LEN || in.len < in.header_len || in.len > len)
		return -EBADMSG;
	*out = in;
	return 0;
}

static int decode_v6(const uint8_t *pkt, size_t len, struct inner *out)
{
	struct reader r = reader_init(pkt, len);
	struct inner in = {.is_v6 = true, .header_len = INNER_V6_LEN, .addr_at = 8, .addr_len = 16};

	read_skip(&r, 4);
	in.len = INNER_V6_LEN + (size_t)read_u16be(&r);
	in.proto = read_u8(&r);
	if (r.failed || in.len > len)
		return -EBADMSG;
	*out = in;
	return 0;
}

int inner_decode(const uint8_t *pkt, size_t len, struct inner *out)
{
	if (len < 1)
		return -EBADMSG;
	switch (pkt[0] >> 4) {
	case 4:
		return len < INNER_V4_LEN ? -EBADMSG : decode_v4(pkt, len, out);
	case 6:
		return len < INNER_V6_LEN ? -EBADMSG : decode_v6(pkt, len, out);
	default:
		return -EBADMSG;
	}
}

static struct ip_addr address_at(const uint8_t *at, size_t addr_len)
{
	struct ip_addr ip;

	if (addr_len == 4)
		return ip_from_v4(at);
	memcpy(ip.b, at, sizeof(ip.b));
	return ip;
}

struct ip_addr inner_source(const struct inner *in, const uint8_t *pkt)
{
	return address_at(pkt + in->addr_at, in->addr_len);
}

struct ip_addr inner_destination(const struct inner *in, const uint8_t *pkt)
{
	return address_at(pkt + in->addr_at + in->addr_len, in->addr_len);
}
