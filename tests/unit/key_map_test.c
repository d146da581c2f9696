#include "agent/key_map.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static struct public_key numbered(unsigned n)
{
	struct public_key key = {{0}};

	key.b[0] = (uint8_t)(n % 7); /* many share a home slot */
	key.b[20] = (uint8_t)n;
	return key;
}

TEST(agrees_with_a_plain_array_under_random_use)
{
	struct key_map m = {0};
	int values[100];
	void *naive[100] = {0};

	srand(7);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned n = (unsigned)rand() % 100;
		struct public_key key = numbered(n);

		if (rand() % 2) {
			CHECK_INT(key_map_put(&m, &key, &values[n]), 0);
			naive[n] = &values[n];
		} else {
			key_map_remove(&m, &key);
			naive[n] = NULL;
		}
		n = (unsigned)rand() % 100;
		key = numbered(n);
		CHECK(key_map_find(&m, &key) == naive[n]);
	}
	key_map_free(&m);
}
