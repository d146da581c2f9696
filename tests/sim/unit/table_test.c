#include "tests/sim/table.h"

#include <string.h>

#include "tests/sim/random.h"
#include "tests/unit/test.h"

static struct table_key key_of(uint64_t i)
{
	struct endpoint a = {.port = (uint16_t)i}, b = {.port = (uint16_t)(i >> 16)};

	a.ip.b[3] = (uint8_t)(i * 7);
	return table_key_of(1, &a, &b);
}

TEST(agrees_with_a_plain_array_on_random_input)
{
	enum { KEYS = 500, ROUNDS = 100000 };
	static uint64_t twin[KEYS]; /* 0: not there */
	struct table t = {0};
	struct random r;
	size_t count = 0;

	random_init(&r, 8, 1);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		size_t i = random_below(&r, KEYS);
		struct table_key key = key_of(i);
		struct table_entry *e = table_find(&t, &key);
		CHECK_INT(e ? e->value.number : 0, twin[i]);
		if (random_chance(&r, 0.5)) {
			count += twin[i] == 0;
			table_add(&t, &key)->value.number = twin[i] = round;
		} else {
			CHECK(table_remove(&t, &key) == (twin[i] != 0));
			count -= twin[i] != 0;
			twin[i] = 0;
		}
		CHECK_INT(t.count, count);
	}
	size_t seen = 0;
	struct table_entry *e;
	for (size_t at = 0; (e = table_next(&t, &at));)
		seen += twin[e->key.w[4] >> 16 & 0xffff] == e->value.number;
	CHECK_INT(seen, count);
	table_wipe(&t);
	CHECK(table_next(&t, &(size_t){0}) == NULL);
}

TEST(keys_differ_by_kind_address_and_port)
{
	struct endpoint a = {.port = 1}, b = {.port = 2};
	struct table t = {0};
	struct table_key keys[] = {table_key_of(1, &a, NULL), table_key_of(2, &a, NULL),
				   table_key_of(1, &b, NULL), table_key_of(1, &a, &b),
				   table_key_of(1, &b, &a),   table_key_of_ip(&a.ip)};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		CHECK(table_find(&t, &keys[i]) == NULL);
		table_add(&t, &keys[i])->value.number = i;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		CHECK_INT(table_find(&t, &keys[i])->value.number, i);
	table_wipe(&t);
}
