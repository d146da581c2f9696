#include "agent/path/probe.h"

#include "common/clock.h"
#include "tests/unit/test.h"

static const uint8_t one[PROBE_TXID_LEN] = {1}, two[PROBE_TXID_LEN] = {2};

TEST(a_pong_counts_once)
{
	struct probe_table t = {0};

	probe_open(&t, one, 3, 7, 1000);
	CHECK(probe_close(&t, two) == NULL);
	const struct probe *p = probe_close(&t, one);

	CHECK(p && p->slot == 3 && p->number == 7 && p->sent_us == 1000);
	CHECK(probe_close(&t, one) == NULL);
	CHECK(probe_find_number(&t, 3, 7) == p); /* still told by its number */
	CHECK(probe_find_number(&t, 4, 7) == NULL);
}

TEST(a_slot_that_means_another_way_has_no_open_probes)
{
	struct probe_table t = {0};

	probe_open(&t, one, 3, 7, 1000);
	probe_forget_slot(&t, 3);
	CHECK(probe_close(&t, one) == NULL && probe_find_number(&t, 3, 7) == NULL);
}

TEST(the_oldest_gives_way)
{
	struct probe_table t = {0};
	uint8_t txid[PROBE_TXID_LEN] = {0};

	probe_open(&t, one, 0, 1, 1);
	for (unsigned i = 0; i < PROBES_OPEN_MAX; i++) {
		txid[1] = (uint8_t)i;
		txid[2] = 1;
		probe_open(&t, txid, 0, 2 + i, 2);
	}
	CHECK(probe_close(&t, one) == NULL);
	CHECK(probe_close(&t, txid) != NULL);
}

TEST(tells_the_oldest_that_waits_for_its_answer)
{
	struct probe_table t = {0};
	uint8_t txid[PROBE_TXID_LEN] = {0};

	CHECK_INT(probe_first_open(&t), 0);
	probe_open(&t, one, 0, 1, 1);
	probe_open(&t, two, 1, 1, 1);
	CHECK_INT(probe_first_open(&t), 0);
	CHECK(probe_close(&t, one) != NULL);
	CHECK_INT(probe_first_open(&t), 1);
	probe_forget_slot(&t, 1);
	CHECK_INT(probe_first_open(&t), 2);
	for (unsigned i = 0; i < PROBES_OPEN_MAX + 3; i++) {
		txid[1] = (uint8_t)(i + 1);
		probe_open(&t, txid, 2, i, 2);
	}
	CHECK_INT(probe_first_open(&t), 5); /* the ring's oldest */
	t.ring[5].settled = true;
	CHECK_INT(probe_first_open(&t), 6);
}

TEST(tells_what_was_sent_by_a_way_until_then)
{
	struct probe_table t = {0};

	CHECK_INT(probe_number_until(&t, 1, 1000), 0);
	for (uint32_t i = 1; i <= PROBES_OPEN_MAX + 10; i++) {
		uint8_t txid[PROBE_TXID_LEN] = {(uint8_t)i, (uint8_t)(i >> 8)};
		probe_open(&t, txid, (int)(i % 2), i, 10 * i);
	}
	CHECK_INT(probe_number_until(&t, 1, 999), 99);
	CHECK_INT(probe_number_until(&t, 0, 999), 98);
	CHECK_INT(probe_number_until(&t, 0, 980), 98);
	CHECK_INT(probe_number_until(&t, 0, 979), 96);
	CHECK_INT(probe_number_until(&t, 1, 100), 0); /* 9 gave way */
	CHECK_INT(probe_find_number(&t, 1, 99)->sent_us, 990);
	CHECK(probe_find_number(&t, 1, 9) == NULL);
	probe_forget_slot(&t, 1);
	CHECK_INT(probe_number_until(&t, 1, 999), 0);
}

TEST(an_id_is_new_again_after_ten_seconds)
{
	struct probe_seen s = {0};

	CHECK(probe_is_new(&s, one, US_PER_S));
	CHECK(!probe_is_new(&s, one, 11 * US_PER_S - 1));
	CHECK(probe_is_new(&s, two, 11 * US_PER_S - 1));
	CHECK(probe_is_new(&s, one, 11 * US_PER_S));
}
