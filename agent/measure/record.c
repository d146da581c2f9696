#include "agent/measure/record.h"

#include <errno.h>
#include <string.h>

enum { VERSION = 1, SUM_LEN = 8, ADDR_LEN = 18, MILLION = 1000 * 1000 };
enum { SAMPLE_MAGIC = 0x5753, EVENT_MAGIC = 0x5745 }; /* "WS", "WE" */

/* FNV-1a, 64 bits. Tells a torn record from a whole one; nobody forges in a folder of mode 0700. */
static uint64_t checksum(const uint8_t *bytes, size_t len)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	return sum;
}

static void write_head(struct writer *w, uint16_t magic, uint64_t seq)
{
	write_u16be(w, magic);
	write_u16be(w, VERSION);
	write_u64be(w, seq);
}

/* Fills with zeros and puts the sum over all before it at the end. */
static void write_tail(struct writer *w)
{
	write_zeros(w, w->cap - w->len - SUM_LEN);
	write_u64be(w, checksum(w->buf, w->len));
}

static void write_way(struct writer *w, const struct way *way)
{
	write_u8(w, (uint8_t)way->kind);
	if (way->kind == WAY_DIRECT) {
		write_endpoint(w, &way->addr);
		return;
	}
	write_u32be(w, way->kind == WAY_RELAY ? way->region : 0);
	write_zeros(w, ADDR_LEN - 4);
}

/* Whole, of this kind and version, and numbered. */
static bool read_head(struct reader *r, const uint8_t *in, size_t len, uint16_t magic,
		      uint64_t *seq)
{
	struct reader sum = reader_init(in + len - SUM_LEN, SUM_LEN);
	bool is_whole = read_u64be(&sum) == checksum(in, len - SUM_LEN);

	*r = reader_init(in, len - SUM_LEN);
	bool is_ours = read_u16be(r) == magic && read_u16be(r) == VERSION;

	*seq = read_u64be(r);
	return is_whole && is_ours && *seq != 0;
}

static bool is_zero_to_end(struct reader *r)
{
	while (reader_left(r) > 0)
		if (read_u8(r) != 0)
			return false;
	return true;
}

/* False where the bytes are none that write_way makes. */
static bool read_way(struct reader *r, struct way *out)
{
	uint8_t kind = read_u8(r);
	struct reader body = read_slice(r, ADDR_LEN);

	*out = way_none();
	if (kind == WAY_DIRECT) {
		*out = way_direct(read_endpoint(&body));
		return !body.failed;
	}
	uint32_t region = read_u32be(&body);
	bool is_region = kind == WAY_RELAY ? region != 0 : kind == WAY_NONE && region == 0;

	if (kind == WAY_RELAY)
		*out = way_relay(region);
	return is_region && is_zero_to_end(&body);
}

void record_encode_sample(const struct sample *s, uint64_t seq,
			  uint8_t out[static RECORD_SAMPLE_LEN])
{
	struct writer w = writer_init(out, RECORD_SAMPLE_LEN);

	write_head(&w, SAMPLE_MAGIC, seq);
	write_u64be(&w, s->unix_us);
	write_u32be(&w, s->peer_id);
	write_u8(&w, (uint8_t)s->span);
	write_way(&w, &s->way);
	write_u32be(&w, s->rtt_p50_us);
	write_u32be(&w, s->rtt_p99_us);
	write_u32be(&w, s->jitter_us);
	write_u32be(&w, (uint32_t)s->loss_ppm);
	write_u32be(&w, s->data_sent);
	write_u32be(&w, s->data_heard);
	write_u32be(&w, s->late_us);
	write_tail(&w);
}

int record_decode_sample(const uint8_t in[static RECORD_SAMPLE_LEN], uint64_t *seq,
			 struct sample *out)
{
	struct reader r;
	bool is_whole = read_head(&r, in, RECORD_SAMPLE_LEN, SAMPLE_MAGIC, seq);
	struct sample s = {.unix_us = read_u64be(&r), .peer_id = read_u32be(&r)};
	uint8_t span = read_u8(&r);
	bool is_way = read_way(&r, &s.way);

	s.rtt_p50_us = read_u32be(&r);
	s.rtt_p99_us = read_u32be(&r);
	s.jitter_us = read_u32be(&r);
	uint32_t loss = read_u32be(&r);

	s.data_sent = read_u32be(&r);
	s.data_heard = read_u32be(&r);
	s.late_us = read_u32be(&r);
	bool is_loss = loss <= MILLION || loss == UINT32_MAX;
	bool is_span = span == SAMPLE_SECOND || span == SAMPLE_MINUTE;

	if (!is_whole || !is_way || !is_loss || !is_span || !is_zero_to_end(&r) || r.failed)
		return -EBADMSG;
	s.loss_ppm = loss == UINT32_MAX ? -1 : (int32_t)loss;
	s.span = (enum sample_span)span;
	*out = s;
	return 0;
}

/* A text with its length in front, zeros behind. */
static void write_text(struct writer *w, const char *text, size_t cap)
{
	size_t len = strnlen(text, cap - 1);

	write_u8(w, (uint8_t)len);
	write_bytes(w, text, len);
	write_zeros(w, cap - 1 - len);
}

static bool read_text(struct reader *r, char *out, size_t cap)
{
	uint8_t len = read_u8(r);
	struct reader body = read_slice(r, cap - 1);

	memset(out, 0, cap);
	if (len > cap - 1)
		return false;
	read_bytes(&body, out, len);
	return memchr(out, '\0', len) == NULL && is_zero_to_end(&body) && !body.failed;
}

void record_encode_event(const struct event *e, uint64_t seq, uint8_t out[static RECORD_EVENT_LEN])
{
	struct writer w = writer_init(out, RECORD_EVENT_LEN);

	write_head(&w, EVENT_MAGIC, seq);
	write_u64be(&w, e->unix_us);
	write_u64be(&w, e->end_unix_us);
	write_u8(&w, (uint8_t)e->kind);
	write_u8(&w, (uint8_t)e->seen_by);
	write_u32be(&w, e->peer_id);
	write_u32be(&w, e->lost_packets);
	write_way(&w, &e->from);
	write_way(&w, &e->to);
	/* By its word, since words stay what they are and numbers may not. */
	write_text(&w, code_entry(e->code)->word, CODE_LEN);
	write_text(&w, e->peer, EVENT_PEER_LEN);
	write_text(&w, e->cause, EVENT_CAUSE_LEN);
	write_tail(&w);
}

int record_decode_event(const uint8_t in[static RECORD_EVENT_LEN], uint64_t *seq, struct event *out)
{
	struct reader r;
	bool is_whole = read_head(&r, in, RECORD_EVENT_LEN, EVENT_MAGIC, seq);
	struct event e = {.unix_us = read_u64be(&r), .end_unix_us = read_u64be(&r)};
	uint8_t kind = read_u8(&r), eyes = read_u8(&r);
	char word[CODE_LEN];

	e.peer_id = read_u32be(&r);
	e.lost_packets = read_u32be(&r);
	bool are_ways = read_way(&r, &e.from);

	are_ways = read_way(&r, &e.to) && are_ways;
	bool are_texts = read_text(&r, word, sizeof(word));

	are_texts = read_text(&r, e.peer, sizeof(e.peer)) && are_texts;
	are_texts = read_text(&r, e.cause, sizeof(e.cause)) && are_texts;
	bool are_words = kind < EVENT_KINDS && eyes <= EVENT_SEEN_BY_BOTH;

	if (!is_whole || !are_ways || !are_texts || !are_words || !is_zero_to_end(&r) || r.failed)
		return -EBADMSG;
	e.kind = (enum event_kind)kind;
	e.seen_by = (enum event_eyes)eyes;
	e.code = code_find(word);
	*out = e;
	return 0;
}
