#include "agent/wg/ratelimit.h"

#include "tests/unit/test.h"

enum { MS = 1000, S = 1000 * 1000 };
static const uint8_t key[RATELIMIT_KEY_LEN] = {3};

TEST(a_network_gets_5_at_once_and_20_a_second)
{
	struct ratelimit *r = ratelimit_new(key);
	unsigned passed = 0;

	for (unsigned i = 0; i < 5; i++)
		CHECK(ratelimit_allow(r, 7, 100 * S));
	CHECK(!ratelimit_allow(r, 7, 100 * S));
	CHECK(!ratelimit_allow(r, 7, 100 * S + 50 * MS - 1));
	CHECK(ratelimit_allow(r, 7, 100 * S + 50 * MS));
	CHECK(!ratelimit_allow(r, 7, 100 * S + 50 * MS));

	for (unsigned ms = 0; ms < 10000; ms++)
		passed += ratelimit_allow(r, 7, 200 * S + ms * MS);
	CHECK_INT(passed, 5 + 199);
	ratelimit_free(r);
}

TEST(networks_do_not_share_a_bucket)
{
	struct ratelimit *r = ratelimit_new(key);

	for (unsigned i = 0; i < 6; i++)
		(void)ratelimit_allow(r, 1, 100 * S);
	CHECK(!ratelimit_allow(r, 1, 100 * S));
	for (uint64_t network = 2; network < 1000; network++)
		CHECK(ratelimit_allow(r, network, 100 * S));
	ratelimit_free(r);
}

TEST(a_million_networks_fit_and_each_gets_its_first)
{
	struct ratelimit *r = ratelimit_new(key);

	for (uint64_t network = 0; network < 1000000; network++)
		CHECK(ratelimit_allow(r, network, 100 * S + network));
	ratelimit_free(r);
}
