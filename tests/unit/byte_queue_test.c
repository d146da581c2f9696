#include "common/net/byte_queue.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

TEST(gives_bytes_in_order_and_holds_no_storage_when_empty)
{
	struct byte_queue q = {0};

	byte_queue_append(&q, NULL, 0);
	CHECK(q.bytes == NULL);
	byte_queue_append(&q, "abc", 3);
	byte_queue_take(&q, 1);
	byte_queue_append(&q, "de", 2);
	CHECK(byte_queue_len(&q) == 4);
	CHECK_MEM(byte_queue_front(&q), "bcde", 4);
	byte_queue_prepend(&q, "xy", 2);
	CHECK_MEM(byte_queue_front(&q), "xybcde", 6);
	byte_queue_take(&q, 6);
	CHECK(q.bytes == NULL && byte_queue_len(&q) == 0);
	byte_queue_prepend(&q, "z", 1);
	CHECK_MEM(byte_queue_front(&q), "z", 1);
	byte_queue_wipe(&q);
}

TEST(agrees_with_a_plain_array_on_random_use)
{
	static uint8_t plain[1 << 16];
	struct byte_queue q = {0};
	size_t from = 0, to = 0;

	srand(1);
	while (to < sizeof(plain) - 3000) {
		size_t n = (size_t)rand() % 3000;

		for (size_t i = 0; i < n; i++)
			plain[to + i] = (uint8_t)rand();
		byte_queue_append(&q, plain + to, n);
		to += n;
		n = (size_t)rand() % (to - from + 1);
		byte_queue_take(&q, n);
		from += n;
		CHECK(byte_queue_len(&q) == to - from);
		if (to > from)
			CHECK_MEM(byte_queue_front(&q), plain + from, to - from);
	}
	byte_queue_wipe(&q);
}
