#include "agent/filter/flow_table.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/test.h"

static const uint8_t seed[FLOW_SEED_LEN] = {1, 2, 3};

static struct flow_key key(uint32_t peer, uint16_t port)
{
	struct flow_key k = {.peer_id = peer, .local_port = port, .remote_port = 22};

	k.proto = IPPROTO_TCP;
	k.local = ip_from_v4((const uint8_t[]){10, 77, 0, 1});
	k.remote = ip_from_v4((const uint8_t[]){10, 77, 0, 2});
	return k;
}

static struct flow *add(struct flow_table *t, struct flow_key k, uint64_t now_us)
{
	bool evicted;

	return flow_table_add(t, &k, FILTER_OUT, now_us, &evicted);
}

TEST(finds_a_flow_by_every_part_of_its_key)
{
	struct flow_table *t = flow_table_new(64, seed);
	struct flow_key wanted = key(1, 1000);
	struct flow *flow = add(t, wanted, 0);
	struct flow_key others[] = {wanted, wanted, wanted, wanted, wanted, wanted};

	others[0].peer_id++;
	others[1].local_port++;
	others[2].remote_port++;
	others[3].proto = IPPROTO_UDP;
	others[4].local.b[15]++;
	others[5].remote.b[15]++;
	CHECK(flow_table_find(t, &wanted) == flow);
	for (size_t i = 0; i < 6; i++)
		CHECK(flow_table_find(t, &others[i]) == NULL);
	flow_table_free(t);
}

TEST(uses_a_slot_again_before_it_reaches_for_another)
{
	struct flow_table *t = flow_table_new(64, seed);
	struct flow_key k = key(1, 1);

	CHECK_INT(flow_table_reach(t), 0);
	CHECK(flow_table_find(t, &k) == NULL);
	struct flow *first = add(t, k, 0);
	add(t, key(1, 2), 0);
	CHECK_INT(flow_table_reach(t), 2);
	flow_table_remove(t, first);
	CHECK(flow_table_at(t, 0) == NULL);
	CHECK(add(t, key(1, 3), 0) == first);
	CHECK_INT(flow_table_reach(t), 2);
	flow_table_free(t);
}

TEST(makes_room_by_the_longest_silent_that_is_not_settled)
{
	struct flow_table *t = flow_table_new(3, seed);
	struct flow_key k[4] = {key(1, 1), key(1, 2), key(1, 3), key(1, 4)};
	bool evicted;

	flow_table_touch(t, add(t, k[0], 0), FLOW_BOTH_WAYS, 1); /* the oldest, but settled */
	struct flow *second = add(t, k[1], 2);
	add(t, k[2], 3);
	flow_table_touch(t, second, FLOW_ONE_WAY, 4); /* now the third is the silent one */
	flow_table_add(t, &k[3], FILTER_IN, 5, &evicted);
	CHECK(evicted);
	CHECK(flow_table_find(t, &k[0]) && flow_table_find(t, &k[1]) && flow_table_find(t, &k[3]));
	CHECK(flow_table_find(t, &k[2]) == NULL);
	CHECK_INT(flow_table_count(t), 3);
	flow_table_free(t);
}

TEST(evicts_a_settled_flow_when_all_are)
{
	struct flow_table *t = flow_table_new(2, seed);
	struct flow_key k[3] = {key(1, 1), key(1, 2), key(1, 3)};

	flow_table_touch(t, add(t, k[0], 0), FLOW_BOTH_WAYS, 1);
	flow_table_touch(t, add(t, k[1], 2), FLOW_BOTH_WAYS, 3);
	add(t, k[2], 4);
	CHECK(flow_table_find(t, &k[0]) == NULL && flow_table_find(t, &k[1]) != NULL);
	flow_table_free(t);
}

TEST(is_patient_by_protocol_and_state)
{
	CHECK_INT(flow_patience_us(IPPROTO_TCP, FLOW_ONE_WAY), 120 * 1000000);
	CHECK(flow_patience_us(IPPROTO_TCP, FLOW_BOTH_WAYS) == 86400ULL * 1000000);
	CHECK_INT(flow_patience_us(IPPROTO_TCP, FLOW_CLOSING), 60 * 1000000);
	CHECK_INT(flow_patience_us(IPPROTO_UDP, FLOW_ONE_WAY), 30 * 1000000);
	CHECK_INT(flow_patience_us(IPPROTO_UDP, FLOW_BOTH_WAYS), 180 * 1000000);
	CHECK_INT(flow_patience_us(IPPROTO_ICMPV6, FLOW_BOTH_WAYS), 30 * 1000000);
	CHECK_INT(flow_patience_us(IPPROTO_GRE, FLOW_BOTH_WAYS), 180 * 1000000);
}

/* The naive twin: an array in order of use, searched from the front. */
struct twin_flow {
	struct flow_key key;
	enum flow_state state;
};

struct twin {
	struct twin_flow flows[8];
	size_t n;
};

enum { TWIN_CAPACITY = 8 };

static size_t twin_find(const struct twin *m, const struct flow_key *k)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->flows[i].key.local_port == k->local_port)
			return i;
	}
	return m->n;
}

static void twin_remove(struct twin *m, size_t i)
{
	for (m->n--; i < m->n; i++)
		m->flows[i] = m->flows[i + 1];
}

static void twin_add(struct twin *m, const struct flow_key *k)
{
	if (m->n == TWIN_CAPACITY) {
		size_t victim = 0;

		while (victim < m->n && m->flows[victim].state == FLOW_BOTH_WAYS)
			victim++;
		twin_remove(m, victim == m->n ? 0 : victim);
	}
	m->flows[m->n++] = (struct twin_flow){*k, FLOW_ONE_WAY};
}

static void twin_touch(struct twin *m, size_t i, enum flow_state state)
{
	struct twin_flow flow = m->flows[i];

	twin_remove(m, i);
	flow.state = state;
	m->flows[m->n++] = flow;
}

TEST(agrees_with_a_naive_twin_on_random_use)
{
	struct flow_table *t = flow_table_new(TWIN_CAPACITY, seed);
	struct twin m = {0};
	uint32_t random = 12345;

	for (int step = 0; step < 200000; step++) {
		random = random * 1664525 + 1013904223;
		struct flow_key k = key(1, (uint16_t)((random >> 8) % 14));
		enum flow_state next = (enum flow_state)((random >> 16) % FLOW_STATES);
		struct flow *flow = flow_table_find(t, &k);
		size_t i = twin_find(&m, &k);

		CHECK((flow != NULL) == (i < m.n));
		if (!flow) {
			add(t, k, (uint64_t)step);
			twin_add(&m, &k);
		} else if (random >> 30 == 0) {
			flow_table_remove(t, flow);
			twin_remove(&m, i);
		} else {
			CHECK_INT(flow->state, m.flows[i].state);
			flow_table_touch(t, flow, next, (uint64_t)step);
			twin_touch(&m, i, next);
		}
		CHECK_INT(flow_table_count(t), m.n);
	}
	flow_table_free(t);
}

TEST(walks_every_flow_once_those_first_that_go_first)
{
	struct flow_table *t = flow_table_new(8, seed);
	uint16_t order[8];
	size_t n = 0;

	flow_table_touch(t, add(t, key(1, 1), 0), FLOW_BOTH_WAYS, 1);
	add(t, key(1, 2), 2);
	add(t, key(1, 3), 3);
	for (const struct flow *f = flow_table_next(t, NULL); f; f = flow_table_next(t, f))
		order[n++] = f->key.local_port;
	CHECK_INT(n, 3);
	CHECK(order[0] == 2 && order[1] == 3 && order[2] == 1);
	flow_table_free(t);
}
