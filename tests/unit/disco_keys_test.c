#include "agent/disco_keys.h"
#include "tests/unit/test.h"

enum { DAY_S = 86400 };
static const uint64_t made_s = 1700000000;

TEST(a_key_is_good_for_a_week)
{
	CHECK_INT(disco_keys_judge(made_s, false, made_s), DISCO_KEYS_FINE);
	CHECK_INT(disco_keys_judge(made_s, false, made_s + 7 * DAY_S - 1), DISCO_KEYS_FINE);
	CHECK_INT(disco_keys_judge(made_s, false, made_s + 7 * DAY_S), DISCO_KEYS_ROTATE);
}

TEST(the_one_before_it_is_good_for_a_day)
{
	CHECK_INT(disco_keys_judge(made_s, true, made_s + DAY_S - 1), DISCO_KEYS_FINE);
	CHECK_INT(disco_keys_judge(made_s, true, made_s + DAY_S), DISCO_KEYS_FORGET);
	CHECK_INT(disco_keys_judge(made_s, true, made_s + 8 * DAY_S), DISCO_KEYS_FORGET);
}

TEST(an_age_that_is_not_known_counts_from_now)
{
	CHECK_INT(disco_keys_judge(0, false, made_s), DISCO_KEYS_STAMP);
	CHECK_INT(disco_keys_judge(made_s, true, made_s - 1), DISCO_KEYS_STAMP);
}

TEST(public_keys_come_with_the_secret_ones)
{
	struct secret_key none = {{0}}, a, b;
	struct public_key a_public, b_public;
	struct disco_keys keys;

	memset(a.b, 1, sizeof(a.b));
	memset(b.b, 2, sizeof(b.b));
	secret_key_public(&a, &a_public);
	secret_key_public(&b, &b_public);
	disco_keys_set(&keys, &a, &none);
	CHECK(!keys.has_before && public_key_equal(&keys.now.public, &a_public));
	disco_keys_set(&keys, &b, &a);
	CHECK(keys.has_before && public_key_equal(&keys.now.public, &b_public));
	CHECK(public_key_equal(&keys.before.public, &a_public));
}
