#include "agent/wg/source.h"

#include <string.h>

#include "tests/unit/test.h"

static struct wg_source of(const char *text)
{
	struct endpoint ep;

	CHECK_INT(endpoint_parse(text, &ep), 0);
	return wg_source_from_endpoint(&ep);
}

static bool same_bytes(const struct wg_source *a, const struct wg_source *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

TEST(a_network_is_an_ipv4_address_or_an_ipv6_64)
{
	struct wg_source a = of("192.0.2.1:1"), b = of("192.0.2.1:2"), c = of("192.0.2.2:1");
	struct wg_source d = of("[2001:db8::1]:1"), e = of("[2001:db8::ffff:1]:1");
	struct wg_source f = of("[2001:db8:0:1::1]:1");

	CHECK(a.network == b.network && a.network != c.network);
	CHECK(d.network == e.network && d.network != f.network);
}

TEST(cookies_are_bound_to_address_and_port_or_region_and_key)
{
	const struct public_key key = {{1}}, other = {{2}};
	struct wg_source a = of("192.0.2.1:1"), b = of("192.0.2.1:2"), c = of("192.0.2.1:1");
	struct wg_source r = wg_source_from_relay(1, &key), s = wg_source_from_relay(2, &key);
	struct wg_source t = wg_source_from_relay(1, &other);

	CHECK(!same_bytes(&a, &b) && same_bytes(&a, &c));
	CHECK(!same_bytes(&r, &s) && !same_bytes(&r, &t) && r.len == 36);
	CHECK(r.network == s.network && r.network != t.network);
}
