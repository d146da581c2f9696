#include "common/wire.h"

#include "tests/unit/test.h"

TEST(fails_once_and_for_good)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct reader r = reader_init(bytes, sizeof(bytes));

	CHECK_INT(read_u16be(&r), 0x0102);
	CHECK_INT(read_u16be(&r), 0);
	CHECK(r.failed);
	CHECK_INT(read_u8(&r), 0); /* one byte is left, but after a failure nothing is read */
	CHECK_INT(reader_left(&r), 0);
}

TEST(keeps_a_slice_inside_its_length)
{
	static const uint8_t bytes[] = {1, 2, 3, 4};
	struct reader r = reader_init(bytes, sizeof(bytes));
	struct reader s = read_slice(&r, 2);

	CHECK_INT(read_u32be(&s), 0);
	CHECK(s.failed && !r.failed);
	CHECK_INT(read_u16be(&r), 0x0304);
}

TEST(writes_nothing_past_its_end)
{
	uint8_t buf[5] = {0};
	struct writer w = writer_init(buf, 4);

	write_u16be(&w, 0xaabb);
	write_u32be(&w, 0xffffffff);
	CHECK(w.failed && w.len <= 4 && buf[4] == 0);
}

TEST(agrees_with_itself_in_both_byte_orders)
{
	uint8_t buf[24];
	struct writer w = writer_init(buf, sizeof(buf));

	write_u64be(&w, 0x0123456789abcdef);
	write_u64le(&w, 0x0123456789abcdef);
	write_u32le(&w, 0xdeadbeef);
	CHECK(buf[0] == 0x01 && buf[8] == 0xef && buf[16] == 0xef);
	struct reader r = reader_init(buf, w.len);
	CHECK(read_u64be(&r) == 0x0123456789abcdef && read_u64le(&r) == 0x0123456789abcdef);
	CHECK(read_u32le(&r) == 0xdeadbeef && !r.failed && reader_left(&r) == 0);
}
