/* Any bytes as a DERP stream, cut at a place that the first byte chooses: the frames found are the
 * same as without the cut, and each that decodes encodes again. Also as the payload of a login. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto/derp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { CAP = 4096 };

static void check_frame(const struct derp_raw_frame *raw)
{
	uint8_t out[CAP + 64];
	struct writer w = writer_init(out, sizeof(out));
	struct derp_frame f, again;

	if (derp_frame_decode(raw->type, raw->payload, raw->len, &f) != 0)
		return;
	if (derp_frame_encode(&f, &w) != 0 ||
	    derp_frame_decode(out[0], out + DERP_HEADER_LEN, w.len - DERP_HEADER_LEN, &again) != 0)
		abort();
}

/* Feeds the stream in two parts; a hash of the frames found. */
static uint64_t read_stream(const uint8_t *data, size_t len, size_t cut)
{
	uint8_t buf[CAP];
	struct derp_reader r;
	struct derp_raw_frame raw;
	uint64_t hash = 0;
	int err = -EAGAIN;

	derp_reader_init(&r, buf, sizeof(buf));
	for (size_t at = 0; at < len && err == -EAGAIN;) {
		size_t room, end = at < cut ? cut : len;
		uint8_t *space = derp_reader_space(&r, &room);
		size_t n = end - at < room ? end - at : room;

		if (n == 0)
			abort(); /* a reader that wants more must have room */
		memcpy(space, data + at, n);
		derp_reader_fill(&r, n);
		at += n;
		while ((err = derp_reader_next(&r, &raw)) == 0) {
			check_frame(&raw);
			hash = hash * 31 + raw.type * 7919U + raw.len;
		}
	}
	return hash * 31 + (err == -EAGAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct secret_key secret = {{1}};
	struct derp_client_info client_info;
	struct derp_server_info server_info;
	struct public_key key = {{9}};

	if (len == 0)
		return 0;
	size_t cut = data[0] % len;
	if (read_stream(data, len, cut) != read_stream(data, len, len))
		abort();
	(void)!derp_client_info_open(data, len, &secret, &key, &client_info);
	(void)!derp_server_info_open(data, len, &secret, &key, &server_info);
	return 0;
}
