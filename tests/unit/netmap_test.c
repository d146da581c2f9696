#include "coordinator/netmap.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/unit/test.h"

TEST(numbers_every_change_and_tells_what_was_removed_since)
{
	struct netmap *m = netmap_new(40, 100);
	uint32_t *ids;
	size_t count;

	CHECK(netmap_next(m) == 41 && netmap_log_removal(m, 7) == 42);
	CHECK(netmap_next(m) == 43 && netmap_log_removal(m, 8) == 44 && netmap_next(m) == 45);
	CHECK_INT(netmap_removed_since(m, 41, &ids, &count), 0);
	CHECK(count == 2 && ids[0] == 7 && ids[1] == 8);
	free(ids);
	CHECK_INT(netmap_removed_since(m, 42, &ids, &count), 0);
	CHECK(count == 1 && ids[0] == 8);
	free(ids);
	CHECK_INT(netmap_removed_since(m, 45, &ids, &count), 0);
	CHECK_INT(count, 0);
	free(ids);
	netmap_free(m);
}

TEST(asks_for_a_full_map_from_before_its_memory_and_from_the_future)
{
	struct netmap *m = netmap_new(40, 3);
	uint32_t *ids;
	size_t count;

	CHECK_INT(netmap_removed_since(m, 39, &ids, &count), -ESTALE);
	CHECK_INT(netmap_removed_since(m, 41, &ids, &count), -ESTALE);
	for (uint32_t id = 1; id <= 3; id++)
		netmap_log_removal(m, id);
	CHECK_INT(netmap_removed_since(m, 40, &ids, &count), 0);
	CHECK_INT(count, 3);
	free(ids);
	netmap_log_removal(m, 4);
	CHECK_INT(netmap_removed_since(m, 40, &ids, &count), -ESTALE);
	CHECK_INT(netmap_removed_since(m, 41, &ids, &count), 0);
	CHECK(count == 3 && ids[0] == 2 && ids[2] == 4);
	free(ids);
	netmap_free(m);
}

TEST(forgets_everything_when_the_rules_change)
{
	struct netmap *m = netmap_new(0, 10);
	uint32_t *ids;
	size_t count;

	netmap_log_removal(m, 1);
	CHECK(netmap_forget(m) == 2 && netmap_number(m) == 2);
	CHECK_INT(netmap_removed_since(m, 1, &ids, &count), -ESTALE);
	CHECK_INT(netmap_removed_since(m, 2, &ids, &count), 0);
	CHECK_INT(count, 0);
	free(ids);
	netmap_free(m);
}
