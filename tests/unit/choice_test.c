#include "agent/tunnel/choice.h"
#include "tests/unit/test.h"

static struct endpoint endpoint(uint16_t port)
{
	return (struct endpoint){.ip = ip_from_v4((const uint8_t[]){192, 0, 2, 1}), .port = port};
}

TEST(lanes_read_the_choice_published_last)
{
	struct way direct = way_direct(endpoint(7)), relay = way_relay(3);
	struct choice_slot slot = {NULL};
	struct quiet q;

	quiet_init(&q, 1);
	CHECK(choice_read(&slot) == NULL);
	choice_publish(&slot, &direct, NULL, &q);
	CHECK(way_equal(&choice_read(&slot)->first, &direct));
	CHECK_INT(choice_read(&slot)->copy.kind, WAY_NONE);
	choice_publish(&slot, &relay, &direct, &q);
	CHECK(way_equal(&choice_read(&slot)->first, &relay));
	CHECK(way_equal(&choice_read(&slot)->copy, &direct));
	choice_withdraw(&slot, &q);
	CHECK(choice_read(&slot) == NULL);
	quiet_wipe(&q);
}

TEST(what_a_lane_holds_stays_until_it_passed)
{
	struct way direct = way_direct(endpoint(7)), relay = way_relay(3);
	struct choice_slot slot = {NULL};
	struct quiet q;

	quiet_init(&q, 1);
	choice_publish(&slot, &direct, NULL, &q);
	quiet_wake(&q, 0);
	const struct choice *held = choice_read(&slot);
	choice_publish(&slot, &relay, NULL, &q);
	CHECK_INT(quiet_reclaim(&q), 1);
	CHECK(way_equal(&held->first, &direct));
	quiet_pass(&q, 0);
	CHECK_INT(quiet_reclaim(&q), 0);
	choice_withdraw(&slot, &q);
	quiet_wipe(&q);
}

TEST(the_same_choice_again_retires_nothing)
{
	struct way direct = way_direct(endpoint(7));
	struct choice_slot slot = {NULL};
	struct quiet q;

	quiet_init(&q, 1);
	choice_publish(&slot, &direct, NULL, &q);
	const struct choice *first = choice_read(&slot);
	choice_publish(&slot, &direct, &(struct way){.kind = WAY_NONE}, &q);
	CHECK(choice_read(&slot) == first && q.n_retired == 0);
	choice_withdraw(&slot, &q);
	quiet_wipe(&q);
}
