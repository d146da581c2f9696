#include "agent/wg/source.h"

#include <string.h>

struct wg_source wg_source_from_endpoint(const struct endpoint *ep)
{
	struct wg_source source = {0};
	struct writer w = writer_init(source.bytes, sizeof(source.bytes));
	/* IPv4 stands in the last four bytes of the mapped form, an IPv6 /64 in the first eight. */
	struct reader network = reader_init(ep->ip.b + (ip_is_v4(&ep->ip) ? 8 : 0), 8);

	write_endpoint(&w, ep);
	source.len = (uint8_t)w.len;
	source.network = read_u64be(&network);
	return source;
}

struct wg_source wg_source_from_relay(uint32_t region, const struct public_key *key)
{
	struct wg_source source = {0};
	struct writer w = writer_init(source.bytes, sizeof(source.bytes));
	struct reader network = reader_init(key->b, 8);

	write_u32be(&w, region);
	write_bytes(&w, key->b, sizeof(key->b));
	source.len = (uint8_t)w.len;
	source.network = read_u64be(&network);
	return source;
}
