/* Any bytes as a stream of WebSocket frames, whole and byte by byte: the messages found are the
 * same, and no piece leaves the buffer. The first byte chooses the side. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct found {
	uint64_t hash; /* over message bytes and ends, not over how they were cut */
	int err;
};

static void take_piece(struct found *f, const struct ws_piece *p)
{
	const char *reason;
	size_t reason_len;
	unsigned code;

	for (size_t i = 0; i < p->len; i++)
		f->hash = f->hash * 31 + p->bytes[i];
	if (p->last)
		f->hash = f->hash * 31 + 1000 + p->opcode;
	if (p->opcode == WS_CLOSE)
		(void)!ws_close_decode(p, &code, &reason, &reason_len);
}

/* Feeds n bytes at a time, keeping what was not used. */
static struct found read_stream(enum ws_side side, const uint8_t *data, size_t len, size_t n)
{
	struct found f = {.err = -EAGAIN};
	struct ws_decoder d;
	struct ws_piece p;
	uint8_t *buf = malloc(len + 1);
	size_t start = 0, used;

	if (!buf)
		abort();
	ws_decoder_init(&d, side, 4096);
	for (size_t end = 0; end < len && f.err == -EAGAIN;) {
		size_t take = len - end < n ? len - end : n;

		memcpy(buf + end, data + end, take);
		end += take;
		do {
			f.err = ws_decoder_next(&d, buf + start, end - start, &used, &p);
			if (used > end - start)
				abort();
			start += used;
			if (f.err == 0)
				take_piece(&f, &p);
		} while (f.err == 0);
	}
	free(buf);
	return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	enum ws_side side = data[0] & 1 ? WS_SERVER : WS_CLIENT;
	struct found whole = read_stream(side, data + 1, len - 1, len);
	struct found bytes = read_stream(side, data + 1, len - 1, 1);

	/* Text that is no UTF-8 is found with the piece it stands in, so before it is given. */
	if (whole.err != bytes.err || (whole.err != -EILSEQ && whole.hash != bytes.hash))
		abort();
	return 0;
}
