#include "agent/wg/load.h"

#include "tests/unit/test.h"

enum { S = 1000 * 1000 };

TEST(more_than_250_messages_in_a_second_are_load_for_a_second)
{
	struct load l = {0};

	for (unsigned i = 0; i < 250; i++)
		CHECK(!load_on_message(&l, 10 * S + i));
	CHECK(load_on_message(&l, 10 * S + 500000));
	CHECK(load_on_message(&l, 11 * S + 499999));
	CHECK(!load_on_message(&l, 11 * S + 500000));
}

TEST(a_hundred_a_second_never_are)
{
	struct load l = {0};

	for (unsigned i = 0; i < 10000; i++)
		CHECK(!load_on_message(&l, i * UINT64_C(10000)));
}
