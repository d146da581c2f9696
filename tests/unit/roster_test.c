#include "agent/wg/roster.h"

#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/test.h"

enum { PEERS = 500 };

static uint32_t next_random(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 8;
}

static void set_key(struct wg_peer *p, uint32_t i)
{
	p->noise.key = (struct public_key){{(uint8_t)i, (uint8_t)(i >> 8), 1}};
}

/* The naive twin: the whole list is searched. */
static uint64_t least_deadline_us(const struct roster *r)
{
	uint64_t least_us = US_NEVER;

	for (const struct wg_peer *p = r->first; p; p = p->next)
		if (p->deadline_us < least_us)
			least_us = p->deadline_us;
	return least_us;
}

TEST(finds_by_key_and_by_deadline_through_random_changes)
{
	static const uint8_t hash_key[ROSTER_KEY_LEN] = {1};
	struct wg_peer *peers = calloc(PEERS, sizeof(*peers));
	bool is_in[PEERS] = {false};
	struct roster r;
	uint32_t random = 4;
	size_t count = 0;

	CHECK(peers != NULL);
	roster_init(&r, hash_key);
	CHECK(roster_earliest(&r) == NULL && roster_find(&r, &peers[0].noise.key) == NULL);
	for (uint32_t i = 0; i < PEERS; i++)
		set_key(&peers[i], i);
	for (unsigned step = 0; step < 20000; step++) {
		uint32_t i = next_random(&random) % PEERS;

		if (!is_in[i]) {
			CHECK_INT(roster_add(&r, &peers[i]), 0);
			count++;
			is_in[i] = true;
		} else if (next_random(&random) % 3 == 0) {
			roster_remove(&r, &peers[i]);
			count--;
			is_in[i] = false;
		} else {
			roster_set_deadline(&r, &peers[i], next_random(&random) % 100000);
		}
		CHECK(roster_find(&r, &peers[i].noise.key) == (is_in[i] ? &peers[i] : NULL));
		CHECK_INT(r.count, count);
		if (count > 0)
			CHECK(roster_earliest(&r)->deadline_us == least_deadline_us(&r));
	}
	roster_wipe(&r);
	free(peers);
}
