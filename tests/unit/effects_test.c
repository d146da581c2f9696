#include "agent/wg/effects.h"

#include <stdlib.h>

#include "tests/unit/test.h"

/* Peers are only compared here, never looked into. */
static char places[2];

static struct wg_peer *peer(unsigned i)
{
	return (struct wg_peer *)(void *)&places[i];
}

TEST(come_out_in_order_through_growth_and_wrapping)
{
	struct effects q = {0};
	struct wg_effect e;
	uint64_t in = 0, out = 0;

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 5; i++)
			effects_push(&q, WG_RESERVE, NULL)->unix_us = in++;
		for (unsigned i = 0; i < 3; i++) {
			CHECK(effects_take(&q, &e));
			CHECK(e.unix_us == out++);
		}
	}
	while (effects_take(&q, &e))
		CHECK(e.unix_us == out++);
	CHECK(in == out);
	effects_wipe(&q);
}

TEST(a_peer_that_goes_leaves_only_its_retired_keypairs_in_place)
{
	struct effects q = {0};
	struct wg_effect e;

	effects_push(&q, WG_SEND, peer(0));
	effects_push(&q, WG_RETIRED, peer(0));
	effects_push(&q, WG_CURRENT, peer(1));
	effects_push(&q, WG_KEEPALIVE, peer(0));
	effects_push(&q, WG_RESERVE, NULL);
	effects_forget_peer(&q, peer(0));
	CHECK(effects_take(&q, &e) && e.kind == WG_RETIRED && e.peer == NULL);
	CHECK(effects_take(&q, &e) && e.kind == WG_CURRENT && e.peer == peer(1));
	CHECK(effects_take(&q, &e) && e.kind == WG_RESERVE);
	CHECK(!effects_take(&q, &e));
	effects_wipe(&q);
}
