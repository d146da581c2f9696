#include "agent/wg/rotation.h"

#include "agent/wg/keypair.h"
#include "tests/unit/test.h"

static struct keypair a, b, c, d, e;

static void check_slots(const struct rotation *r, const struct keypair *current,
			const struct keypair *next, const struct keypair *previous,
			const struct keypair *older)
{
	CHECK(r->slot[SLOT_CURRENT] == current);
	CHECK(r->slot[SLOT_NEXT] == next);
	CHECK(r->slot[SLOT_PREVIOUS] == previous);
	CHECK(r->slot[SLOT_OLDER] == older);
}

TEST(initiators_keypairs_pass_from_current_to_dropped_in_three_steps)
{
	struct rotation r = {0};
	struct rotation_drops drops;

	rotation_add_as_initiator(&r, &a, &drops);
	check_slots(&r, &a, NULL, NULL, NULL);
	rotation_add_as_initiator(&r, &b, &drops);
	rotation_add_as_initiator(&r, &c, &drops);
	check_slots(&r, &c, NULL, &b, &a);
	CHECK_INT(drops.n, 0);
	rotation_add_as_initiator(&r, &d, &drops);
	check_slots(&r, &d, NULL, &c, &b);
	CHECK(drops.n == 1 && drops.keypair[0] == &a);
}

TEST(responders_keypair_waits_as_next_for_its_first_packet)
{
	struct rotation r = {0};
	struct rotation_drops drops;

	rotation_add_as_initiator(&r, &a, &drops);
	rotation_add_as_responder(&r, &b, &drops);
	check_slots(&r, &a, &b, NULL, NULL);
	CHECK(!rotation_promote(&r, &a, &drops) && !rotation_promote(&r, NULL, &drops));
	CHECK(rotation_promote(&r, &b, &drops));
	check_slots(&r, &b, NULL, &a, NULL);
	CHECK_INT(drops.n, 0);
	CHECK(!rotation_promote(&r, &b, &drops));
}

TEST(unconfirmed_next_is_replaced_by_a_newer_one)
{
	struct rotation r = {0};
	struct rotation_drops drops;

	rotation_add_as_responder(&r, &a, &drops);
	rotation_add_as_responder(&r, &b, &drops);
	check_slots(&r, NULL, &b, NULL, NULL);
	CHECK(drops.n == 1 && drops.keypair[0] == &a);
}

TEST(crossing_handshakes_keep_both_keypairs_and_the_one_before)
{
	struct rotation r = {0};
	struct rotation_drops drops;

	rotation_add_as_initiator(&r, &a, &drops);
	rotation_add_as_initiator(&r, &b, &drops);
	rotation_add_as_responder(&r, &c, &drops);
	rotation_add_as_initiator(&r, &d, &drops);
	check_slots(&r, &d, NULL, &c, &b);
	CHECK(drops.n == 1 && drops.keypair[0] == &a);
}

TEST(clearing_drops_all)
{
	struct rotation r = {.slot = {&a, &b, &c, &e}};
	struct rotation_drops drops;

	rotation_clear(&r, &drops);
	check_slots(&r, NULL, NULL, NULL, NULL);
	CHECK_INT(drops.n, 4);
}
