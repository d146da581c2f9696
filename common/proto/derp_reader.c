#include <errno.h>

#include "common/proto/derp.h"

void derp_reader_init(struct derp_reader *r, uint8_t *buf, size_t cap)
{
	*r = (struct derp_reader){.buf = buf, .cap = cap};
}

bool derp_reader_is_empty(const struct derp_reader *r)
{
	return r->start == r->end;
}

uint8_t *derp_reader_space(struct derp_reader *r, size_t *len)
{
	if (r->start > 0) {
		memmove(r->buf, r->buf + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	*len = r->cap - r->end;
	return r->buf + r->end;
}

void derp_reader_fill(struct derp_reader *r, size_t len)
{
	r->end += len;
}

int derp_reader_move(struct derp_reader *r, uint8_t *buf, size_t cap)
{
	size_t held = r->end - r->start;

	if (held > cap)
		return -ENOBUFS;
	if (held > 0)
		memmove(buf, r->buf + r->start, held);
	r->buf = buf;
	r->cap = cap;
	r->start = 0;
	r->end = held;
	return 0;
}

static void skip_held(struct derp_reader *r)
{
	size_t held = r->end - r->start;
	size_t n = r->skip < held ? r->skip : held;

	r->start += n;
	r->skip -= n;
}

int derp_reader_next(struct derp_reader *r, struct derp_raw_frame *out)
{
	for (;;) {
		skip_held(r);
		struct reader in = reader_init(r->buf + r->start, r->end - r->start);
		uint8_t type = read_u8(&in);
		size_t len = read_u32be(&in);

		if (in.failed)
			return -EAGAIN;
		if (derp_type_is_known(type)) {
			if (len > r->cap - DERP_HEADER_LEN)
				return -EMSGSIZE;
			const uint8_t *payload = read_span(&in, len);
			if (!payload)
				return -EAGAIN;
			*out = (struct derp_raw_frame){
				.type = type, .payload = payload, .len = len};
			r->start += DERP_HEADER_LEN + len;
			return 0;
		}
		if (len > DERP_UNKNOWN_MAX)
			return -EMSGSIZE;
		r->start += DERP_HEADER_LEN;
		r->skip = len;
		r->n_skipped++;
	}
}
