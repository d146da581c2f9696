#include <errno.h>
#include <string.h>

#include "common/proto/derp.h"
#include "tests/unit/test.h"

/* A keep-alive, an unknown frame of 6 bytes, a ping. */
static const uint8_t stream[] = {0x06, 0,    0, 0, 0, 0x42, 0, 0, 0, 6, 1, 2, 3, 4, 5,
				 6,    0x12, 0, 0, 0, 8,    9, 9, 9, 9, 9, 9, 9, 9};

/* Feeds the stream in pieces of n bytes; the types found, in order. */
static size_t types_found(size_t n, uint8_t types[static 8], uint64_t *skipped)
{
	uint8_t buf[16];
	struct derp_reader r;
	struct derp_raw_frame raw;
	size_t found = 0;

	derp_reader_init(&r, buf, sizeof(buf));
	for (size_t at = 0; at < sizeof(stream);) {
		size_t room = 0;
		uint8_t *space = derp_reader_space(&r, &room);
		size_t take = sizeof(stream) - at;

		take = take < n ? take : n;
		take = take < room ? take : room;
		CHECK(take > 0);
		memcpy(space, stream + at, take);
		derp_reader_fill(&r, take);
		at += take;
		int err;
		while ((err = derp_reader_next(&r, &raw)) == 0)
			types[found++] = raw.type;
		CHECK_INT(err, -EAGAIN);
	}
	CHECK(derp_reader_is_empty(&r));
	*skipped = r.n_skipped;
	return found;
}

TEST(finds_the_same_frames_however_the_stream_is_cut)
{
	for (size_t n = 1; n <= sizeof(stream); n++) {
		uint8_t types[8];
		uint64_t skipped = 0;

		CHECK_INT(types_found(n, types, &skipped), 2);
		CHECK(types[0] == DERP_KEEP_ALIVE && types[1] == DERP_PING && skipped == 1);
	}
}

static int next_after(const uint8_t *bytes, size_t len, struct derp_reader *r, uint8_t *buf,
		      size_t cap, struct derp_raw_frame *raw)
{
	size_t room;

	derp_reader_init(r, buf, cap);
	memcpy(derp_reader_space(r, &room), bytes, len);
	derp_reader_fill(r, len);
	return derp_reader_next(r, raw);
}

TEST(a_known_frame_must_fit_the_buffer)
{
	static const uint8_t ping_11[] = {0x12, 0, 0, 0, 11}, ping_12[] = {0x12, 0, 0, 0, 12};
	struct derp_raw_frame raw;
	struct derp_reader r;
	uint8_t buf[16];

	CHECK_INT(next_after(ping_11, 5, &r, buf, sizeof(buf), &raw), -EAGAIN);
	CHECK_INT(next_after(ping_12, 5, &r, buf, sizeof(buf), &raw), -EMSGSIZE);
}

TEST(an_unknown_frame_is_skipped_up_to_1_MiB)
{
	static const uint8_t most[] = {0x42, 0, 0x10, 0, 0}, more[] = {0x42, 0, 0x10, 0, 1};
	struct derp_raw_frame raw;
	struct derp_reader r;
	uint8_t buf[16];

	CHECK_INT(next_after(most, 5, &r, buf, sizeof(buf), &raw), -EAGAIN);
	CHECK(r.skip == 1 << 20);
	CHECK_INT(next_after(more, 5, &r, buf, sizeof(buf), &raw), -EMSGSIZE);
}

TEST(a_begun_frame_moves_to_another_buffer)
{
	static const uint8_t ping[] = {0x12, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
	struct derp_raw_frame raw;
	struct derp_reader r;
	uint8_t small[16], big[64];
	size_t room;

	CHECK_INT(next_after(ping, 7, &r, small, sizeof(small), &raw), -EAGAIN);
	CHECK(!derp_reader_is_empty(&r));
	CHECK_INT(derp_reader_move(&r, big, 6), -ENOBUFS);
	CHECK_INT(derp_reader_move(&r, big, sizeof(big)), 0);
	memcpy(derp_reader_space(&r, &room), ping + 7, 6);
	CHECK(room == sizeof(big) - 7);
	derp_reader_fill(&r, 6);
	CHECK_INT(derp_reader_next(&r, &raw), 0);
	CHECK(raw.type == DERP_PING && raw.len == 8 && raw.payload == big + 5 &&
	      raw.payload[7] == 8);
}
