#include <string.h>

#include "agent/tunnel/resend.h"
#include "tests/unit/test.h"

static uint8_t pkt[2000], out[2000];

static void keep(struct resend *r, uint64_t now_us, uint8_t mark, size_t len)
{
	pkt[0] = mark;
	resend_keep(r, now_us, pkt, len);
}

TEST(small_and_large_come_out_in_the_order_they_went)
{
	struct resend r;

	resend_init(&r);
	keep(&r, 1000, 1, 100);
	keep(&r, 1001, 2, 1400);
	keep(&r, 1002, 3, 100);
	keep(&r, 1003, 4, 1400);
	for (uint8_t i = 1; i <= 4; i++) {
		CHECK_INT(resend_next(&r, 2000, out, sizeof(out)), i % 2 ? 100 : 1400);
		CHECK_INT(out[0], i);
	}
	CHECK_INT(resend_next(&r, 2000, out, sizeof(out)), 0);
	resend_wipe(&r);
}

TEST(nothing_older_than_half_a_second_goes_again)
{
	struct resend r;

	resend_init(&r);
	keep(&r, 1000000, 1, 100);
	keep(&r, 1000001, 2, 1400);
	CHECK_INT(resend_next(&r, 1500001, out, sizeof(out)), 1400);
	CHECK_INT(resend_next(&r, 1500001, out, sizeof(out)), 0);
	resend_wipe(&r);
}

TEST(a_bulk_copy_does_not_push_out_a_keystroke)
{
	struct resend r;
	size_t len, total = 0, n = 0;

	resend_init(&r);
	keep(&r, 1000, 77, 100);
	for (unsigned i = 0; i < 1000; i++)
		keep(&r, 1001, 1, 1400);
	CHECK_INT(resend_next(&r, 2000, out, sizeof(out)), 100);
	CHECK_INT(out[0], 77);
	for (; (len = resend_next(&r, 2000, out, sizeof(out))) > 0; n++)
		total += len;
	CHECK(n >= 10 && total <= RESEND_HALF_BYTES);
	resend_wipe(&r);
}

TEST(a_packet_goes_again_once_and_never_after_clearing)
{
	struct resend r;

	resend_init(&r);
	keep(&r, 1000, 1, 100);
	CHECK_INT(resend_next(&r, 1000, out, sizeof(out)), 100);
	CHECK_INT(resend_next(&r, 1000, out, sizeof(out)), 0);
	keep(&r, 1000, 1, 100);
	keep(&r, 1000, 1, 1400);
	resend_clear(&r);
	CHECK_INT(resend_next(&r, 1000, out, sizeof(out)), 0);
	resend_wipe(&r);
}
