#include "agent/filter/flow_snapshot.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <sodium.h>

#include "tests/unit/test.h"

static const uint8_t seed[FLOW_SEED_LEN] = {9};

enum { CAPACITY = 16, BUF_LEN = 8 + CAPACITY * 48 + 16 };

static struct flow_key key(uint16_t port)
{
	struct flow_key k = {.peer_id = 5, .local_port = port, .remote_port = 22};

	k.proto = IPPROTO_TCP;
	k.local = ip_from_v4((const uint8_t[]){10, 77, 0, 1});
	k.remote = ip_from_v4((const uint8_t[]){10, 77, 0, 2});
	return k;
}

static struct flow_table *sample(void)
{
	struct flow_table *t = flow_table_new(CAPACITY, seed);
	bool evicted;

	for (uint16_t port = 1; port <= 6; port++) {
		struct flow_key k = key(port);
		struct flow *flow =
			flow_table_add(t, &k, port % 2 ? FILTER_IN : FILTER_OUT, port, &evicted);

		flow_table_touch(t, flow, (enum flow_state)(port % FLOW_STATES), port);
		flow->fins = port % 4;
	}
	return t;
}

TEST(brings_back_what_it_saved)
{
	uint8_t saved[BUF_LEN], again[BUF_LEN];
	size_t len, again_len;
	struct flow_table *t = sample();
	struct flow_table *back = flow_table_new(CAPACITY, seed);

	CHECK_INT(flow_snapshot_encode(t, saved, sizeof(saved), &len, 1000), 0);
	CHECK_INT(len, 8 + 6 * 48 + 16);
	/* Another clock: the restarted machine's. */
	CHECK_INT(flow_snapshot_decode(back, saved, len, 77000000), 0);
	CHECK_INT(flow_table_count(back), 6);
	CHECK_INT(flow_snapshot_encode(back, again, sizeof(again), &again_len, 77000000), 0);
	CHECK_INT(again_len, len);
	CHECK_MEM(again, saved, len);

	struct flow_key k = key(4);
	struct flow *flow = flow_table_find(back, &k);
	CHECK(flow && flow->state == FLOW_BOTH_WAYS && flow->started == FILTER_OUT);
	CHECK(flow->generation == 0); /* no rules have allowed it yet */
	flow_table_free(t);
	flow_table_free(back);
}

TEST(leaves_out_what_is_dead)
{
	uint8_t saved[BUF_LEN];
	size_t len;
	struct flow_table *t = sample();

	/* After 100 s CLOSING (60 s) is over, ONE_WAY (120 s) and BOTH_WAYS are not. */
	CHECK_INT(flow_snapshot_encode(t, saved, sizeof(saved), &len, 100 * 1000000), 0);
	CHECK_INT(len, 8 + 4 * 48 + 16);
	flow_table_free(t);
}

TEST(refuses_every_single_changed_byte_and_every_length)
{
	uint8_t saved[BUF_LEN];
	size_t len;
	struct flow_table *t = sample();
	struct flow_table *back = flow_table_new(CAPACITY, seed);

	CHECK_INT(flow_snapshot_encode(t, saved, sizeof(saved), &len, 1000), 0);
	for (size_t i = 0; i < len; i++) {
		saved[i] ^= 1;
		CHECK_INT(flow_snapshot_decode(back, saved, len, 1), -EBADMSG);
		saved[i] ^= 1;
		CHECK_INT(flow_snapshot_decode(back, saved, i, 1), -EBADMSG);
		CHECK_INT(flow_table_count(back), 0);
	}
	flow_table_free(t);
	flow_table_free(back);
}

/* Puts the checksum right again, as who forges a snapshot would. */
static void sum(uint8_t *bytes, size_t len)
{
	crypto_generichash(bytes + len - 16, 16, bytes, len - 16, NULL, 0);
}

TEST(refuses_nonsense_under_a_right_checksum)
{
	static const struct {
		size_t at;
		uint8_t value;
	} lies[] = {
		{8 + 5, 3},		 /* no such state */
		{8 + 6, 2},		 /* no such starter */
		{8 + 7, 4},		 /* no such FIN */
		{8 + 8 + 10, 0},	 /* local address not IPv4 any more, remote is */
		{8 + 44, 0xff},		 /* more time left than any flow has */
		{8 + 5, FLOW_BOTH_WAYS}, /* settled before the others */
	};
	uint8_t saved[BUF_LEN], forged[BUF_LEN];
	size_t len;
	struct flow_table *t = sample();
	struct flow_table *back = flow_table_new(CAPACITY, seed);

	CHECK_INT(flow_snapshot_encode(t, saved, sizeof(saved), &len, 1000), 0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		memcpy(forged, saved, len);
		forged[lies[i].at] = lies[i].value;
		sum(forged, len);
		CHECK_INT(flow_snapshot_decode(back, forged, len, 1), -EBADMSG);
	}
	memcpy(forged, saved, len);
	memset(forged + 8 + 44, 0, 4); /* no time left */
	sum(forged, len);
	CHECK_INT(flow_snapshot_decode(back, forged, len, 1), -EBADMSG);
	memcpy(forged, saved, len);
	memcpy(forged + 8 + 48, forged + 8, 48); /* the same flow twice */
	sum(forged, len);
	CHECK_INT(flow_snapshot_decode(back, forged, len, 1), -EBADMSG);
	CHECK_INT(flow_table_count(back), 0);
	sum(saved, len);
	CHECK_INT(flow_snapshot_decode(back, saved, len, 1), 0);
	flow_table_free(t);
	flow_table_free(back);
}

TEST(says_when_there_is_no_room)
{
	uint8_t saved[BUF_LEN];
	size_t len;
	struct flow_table *t = sample();

	CHECK_INT(flow_snapshot_encode(t, saved, 8 + 6 * 48 + 15, &len, 1000), -ENOBUFS);
	CHECK_INT(flow_snapshot_encode(t, saved, 8 + 6 * 48 + 16, &len, 1000), 0);
	CHECK_INT(flow_snapshot_max(6), 8 + 6 * 48 + 16);
	flow_table_free(t);
}

TEST(keeps_the_newest_in_a_smaller_table)
{
	uint8_t saved[BUF_LEN];
	size_t len;
	struct flow_table *t = sample();
	struct flow_table *small = flow_table_new(2, seed);
	struct flow_key settled = key(4), oldest = key(2);

	CHECK_INT(flow_snapshot_encode(t, saved, sizeof(saved), &len, 1000), 0);
	CHECK_INT(flow_snapshot_decode(small, saved, len, 1000), 0);
	CHECK_INT(flow_table_count(small), 2);
	CHECK(flow_table_find(small, &settled) && !flow_table_find(small, &oldest));
	flow_table_free(t);
	flow_table_free(small);
}
