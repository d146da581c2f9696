#include "common/way.h"

#include "tests/unit/test.h"

TEST(ways_read_as_the_interfaces_say)
{
	char text[WAY_TEXT_LEN];
	struct endpoint addr;

	CHECK(endpoint_parse("[2001:db8::1]:41641", &addr) == 0);
	struct way none = way_none(), direct = way_direct(addr), relay = way_relay(900);

	way_str(&none, text);
	CHECK_STR(text, "none");
	way_str(&direct, text);
	CHECK_STR(text, "direct [2001:db8::1]:41641");
	way_str(&relay, text);
	CHECK_STR(text, "relay 900");
}

TEST(ways_are_equal_by_what_their_kind_uses)
{
	struct way a = way_relay(1), b = way_relay(1), none = way_none();

	b.addr.port = 9; /* means nothing for a relay */
	CHECK(way_equal(&a, &b));
	b.region = 2;
	CHECK(!way_equal(&a, &b) && !way_equal(&a, &none) && way_equal(&none, &none));
}

TEST(finds_a_way_among_others)
{
	const struct way ways[] = {way_relay(1), way_relay(2), way_relay(3)};
	const struct way second = way_relay(2), third = way_relay(3);

	CHECK(way_among(ways, 3, &second));
	CHECK(way_among(ways, 3, &third) && !way_among(ways, 2, &third));
	CHECK(!way_among(ways, 0, &second));
}
