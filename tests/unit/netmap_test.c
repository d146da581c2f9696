#include "coordinator/netmap.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/unit/test.h"

TEST(gives_each_changed_node_once)
{
	struct netmap *m = netmap_new(40, 100);
	uint32_t *ids;
	size_t count;

	CHECK(netmap_log(m, 7) == 41 && netmap_log(m, 9) == 42);
	CHECK(netmap_log(m, 7) == 43 && netmap_log(m, 3) == 44);
	CHECK_INT(netmap_since(m, 41, &ids, &count), 0);
	CHECK(count == 3 && ids[0] == 3 && ids[1] == 7 && ids[2] == 9);
	free(ids);
	CHECK_INT(netmap_since(m, 44, &ids, &count), 0);
	CHECK_INT(count, 0);
	free(ids);
	netmap_free(m);
}

TEST(asks_for_a_full_map_from_before_its_memory_and_from_the_future)
{
	struct netmap *m = netmap_new(40, 3);
	uint32_t *ids;
	size_t count;

	CHECK_INT(netmap_since(m, 39, &ids, &count), -ESTALE);
	CHECK_INT(netmap_since(m, 41, &ids, &count), -ESTALE);
	for (uint32_t id = 1; id <= 4; id++)
		netmap_log(m, id);
	CHECK_INT(netmap_since(m, 40, &ids, &count), -ESTALE);
	CHECK_INT(netmap_since(m, 41, &ids, &count), 0);
	CHECK(count == 3 && ids[0] == 2 && ids[2] == 4);
	free(ids);
	netmap_free(m);
}

TEST(forgets_everything_when_the_rules_change)
{
	struct netmap *m = netmap_new(0, 10);
	uint32_t *ids;
	size_t count;

	netmap_log(m, 1);
	CHECK(netmap_forget(m) == 2 && netmap_number(m) == 2);
	CHECK_INT(netmap_since(m, 1, &ids, &count), -ESTALE);
	CHECK_INT(netmap_since(m, 2, &ids, &count), 0);
	free(ids);
	netmap_free(m);
}
