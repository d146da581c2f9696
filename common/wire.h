/*
 * wire: a bounded reader and writer, the only way to touch wire bytes.
 *
 * Failure is sticky: after the first overrun a reader gives zeros and a writer writes nothing more,
 * so that a decoder reads straight down and checks `failed` once, at its end. A nested length
 * becomes a slice, which cannot be left. All integers are big-endian unless the name says le.
 */
#ifndef WARREN_WIRE_H
#define WARREN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK __attribute__((warn_unused_result))

struct reader {
	const uint8_t *at; /* borrowed from the caller of reader_init */
	size_t left;
	bool failed;
};

static inline struct reader reader_init(const void *buf, size_t len)
{
	return (struct reader){.at = buf, .left = len};
}

static inline size_t reader_left(const struct reader *r)
{
	return r->left;
}

/* The next len bytes in place, or NULL (and failed) where fewer are left. */
static inline const uint8_t *read_span(struct reader *r, size_t len)
{
	if (r->failed || len > r->left) {
		r->failed = true;
		r->left = 0;
		return NULL;
	}
	const uint8_t *span = r->at;
	r->at += len;
	r->left -= len;
	return span;
}

static inline void read_skip(struct reader *r, size_t len)
{
	(void)read_span(r, len);
}

/* Copies len bytes out, zeros after a failure. */
static inline void read_bytes(struct reader *r, void *out, size_t len)
{
	const uint8_t *span = read_span(r, len);

	if (span)
		memcpy(out, span, len);
	else
		memset(out, 0, len);
}

static inline uint8_t read_u8(struct reader *r)
{
	const uint8_t *p = read_span(r, 1);
	return p ? p[0] : 0;
}

static inline uint16_t read_u16be(struct reader *r)
{
	const uint8_t *p = read_span(r, 2);

	if (!p)
		return 0;
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t read_u32be(struct reader *r)
{
	const uint8_t *p = read_span(r, 4);
	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t read_u64be(struct reader *r)
{
	uint64_t high = read_u32be(r);
	return high << 32 | read_u32be(r);
}

static inline uint32_t read_u32le(struct reader *r)
{
	const uint8_t *p = read_span(r, 4);
	return p ? (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0] : 0;
}

static inline uint64_t read_u64le(struct reader *r)
{
	uint64_t low = read_u32le(r);
	return (uint64_t)read_u32le(r) << 32 | low;
}

/* A reader over the next len bytes; it has failed from the start where fewer are left. */
static inline struct reader read_slice(struct reader *r, size_t len)
{
	const uint8_t *span = read_span(r, len);
	return (struct reader){.at = span, .left = span ? len : 0, .failed = span == NULL};
}

struct writer {
	uint8_t *buf; /* borrowed from the caller of writer_init */
	size_t len;   /* written so far */
	size_t cap;
	bool failed;
};

static inline struct writer writer_init(void *buf, size_t cap)
{
	return (struct writer){.buf = buf, .cap = cap};
}

/* Room for len bytes in place, or NULL (and failed) where it does not fit. */
static inline uint8_t *write_span(struct writer *w, size_t len)
{
	if (w->failed || len > w->cap - w->len) {
		w->failed = true;
		return NULL;
	}
	uint8_t *span = w->buf + w->len;
	w->len += len;
	return span;
}

static inline void write_bytes(struct writer *w, const void *src, size_t len)
{
	uint8_t *span = write_span(w, len);

	if (span && len > 0)
		memcpy(span, src, len);
}

static inline void write_zeros(struct writer *w, size_t len)
{
	uint8_t *span = write_span(w, len);

	if (span)
		memset(span, 0, len);
}

static inline void write_u8(struct writer *w, uint8_t v)
{
	write_bytes(w, &v, 1);
}

static inline void write_u16be(struct writer *w, uint16_t v)
{
	write_bytes(w, (const uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

static inline void write_u32be(struct writer *w, uint32_t v)
{
	write_u16be(w, (uint16_t)(v >> 16));
	write_u16be(w, (uint16_t)v);
}

static inline void write_u64be(struct writer *w, uint64_t v)
{
	write_u32be(w, (uint32_t)(v >> 32));
	write_u32be(w, (uint32_t)v);
}

static inline void write_u32le(struct writer *w, uint32_t v)
{
	write_bytes(w,
		    (const uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
				      (uint8_t)(v >> 24)},
		    4);
}

static inline void write_u64le(struct writer *w, uint64_t v)
{
	write_u32le(w, (uint32_t)v);
	write_u32le(w, (uint32_t)(v >> 32));
}

/* Puts v at an earlier place, for a length known only afterwards; the place must have been written.
 */
static inline void write_u16be_at(struct writer *w, size_t at, uint16_t v)
{
	if (w->failed || at + 2 > w->len)
		return;
	w->buf[at] = (uint8_t)(v >> 8);
	w->buf[at + 1] = (uint8_t)v;
}

#endif
