#include "common/proto/ws.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/test.h"

enum { CAP = 1 << 17 };

/* What a decoder made of a whole stream of frames. */
struct result {
	int err;
	char text[512]; /* a line per piece: opcode, flags, bytes */
	size_t bytes;	/* of data */
};

/* Feeds the stream in pieces of n bytes, keeping what was not used. */
static struct result decode(enum ws_side side, const uint8_t *stream, size_t len, size_t n,
			    uint64_t message_max)
{
	struct result res = {.err = -EAGAIN};
	uint8_t held[256];
	size_t held_len = 0;
	struct ws_decoder d;
	struct ws_piece p;

	ws_decoder_init(&d, side, message_max);
	for (size_t at = 0; at < len && res.err == -EAGAIN;) {
		size_t take = len - at < n ? len - at : n;
		size_t used;

		memcpy(held + held_len, stream + at, take);
		held_len += take;
		at += take;
		size_t start = 0;
		while ((res.err = ws_decoder_next(&d, held + start, held_len - start, &used, &p)) ==
		       0) {
			start += used;
			res.bytes += p.opcode < WS_CLOSE ? p.len : 0;
			size_t end = strlen(res.text);
			snprintf(res.text + end, sizeof(res.text) - end, "%s%x%s:%.*s",
				 p.first ? "[" : "", p.opcode, p.last ? "]" : "", (int)p.len,
				 (const char *)p.bytes);
		}
		start += used;
		memmove(held, held + start, held_len - start);
		held_len -= start;
	}
	return res;
}

static struct result decode_hex(enum ws_side side, const char *hex, size_t n, uint64_t message_max)
{
	uint8_t stream[256];
	size_t len = strlen(hex) / 2;

	test_unhex(hex, stream, len);
	return decode(side, stream, len, n, message_max);
}

/* The examples of RFC 6455 section 5.7. */
TEST(reads_the_rfcs_examples)
{
	CHECK_STR(decode_hex(WS_CLIENT, "810548656c6c6f", 64, CAP).text, "[1]:Hello");
	CHECK_STR(decode_hex(WS_SERVER, "818537fa213d7f9f4d5158", 64, CAP).text, "[1]:Hello");
	CHECK_STR(decode_hex(WS_CLIENT, "010348656c80026c6f", 64, CAP).text, "[1:Hel1]:lo");
	CHECK_STR(decode_hex(WS_CLIENT, "890548656c6c6f", 64, CAP).text, "[9]:Hello");
	CHECK_STR(decode_hex(WS_SERVER, "8a8537fa213d7f9f4d5158", 64, CAP).text, "[a]:Hello");
}

TEST(a_control_frame_may_stand_inside_a_message)
{
	CHECK_STR(decode_hex(WS_CLIENT, "020261628900800163", 64, CAP).text, "[2:ab[9]:2]:c");
}

TEST(gives_the_same_bytes_however_they_arrive)
{
	for (size_t n = 1; n < 24; n++) {
		struct result res = decode_hex(
			WS_SERVER, "818537fa213d7f9f4d51588a8537fa213d7f9f4d5158", n, CAP);

		CHECK_INT(res.err, -EAGAIN);
		CHECK(res.bytes == 5);
		CHECK(strstr(res.text, "[a]:Hello") != NULL); /* control frames come whole */
	}
}

TEST(an_empty_message_is_a_message)
{
	CHECK_STR(decode_hex(WS_CLIENT, "8100", 64, CAP).text, "[1]:");
}

TEST(refuses_what_the_rfc_forbids)
{
	static const struct {
		enum ws_side side;
		const char *hex, *why;
	} cases[] = {
		{WS_CLIENT, "c100", "a reserved bit"},
		{WS_CLIENT, "8300", "an opcode not defined"},
		{WS_CLIENT, "8b00", "a control opcode not defined"},
		{WS_CLIENT, "818537fa213d", "a masked frame from a server"},
		{WS_SERVER, "810548656c6c6f", "an unmasked frame from a client"},
		{WS_CLIENT, "800161", "a continuation of nothing"},
		{WS_CLIENT, "0101618101", "a message inside a message"},
		{WS_CLIENT, "0900", "a control frame in fragments"},
		{WS_CLIENT, "897e007e", "a control frame beyond 125 bytes"},
		{WS_CLIENT, "827e007d", "a length not in its shortest form, 16 bits"},
		{WS_CLIENT, "827f000000000000ffff", "a length not in its shortest form, 64 bits"},
		{WS_CLIENT, "827f8000000000000000", "a length with its top bit set"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct result res = decode_hex(cases[i].side, cases[i].hex, 64, UINT64_MAX);

		if (res.err != -EPROTO)
			fail_msg("let through: %s", cases[i].why);
	}
	CHECK_INT(ws_close_code_of(-EPROTO), 1002);
}

TEST(a_message_over_the_cap_is_refused_by_its_header_alone)
{
	CHECK_INT(decode_hex(WS_CLIENT, "827e0100", 64, 256).err, -EAGAIN);
	CHECK_INT(decode_hex(WS_CLIENT, "827e0101", 64, 256).err, -EMSGSIZE);
	CHECK_INT(decode_hex(WS_CLIENT, "0203616263800161", 64, 4).err, -EAGAIN);
	CHECK_INT(decode_hex(WS_CLIENT, "020361626380026162", 64, 4).err, -EMSGSIZE);
	CHECK_INT(ws_close_code_of(-EMSGSIZE), 1009);
}

TEST(text_must_be_utf8_over_fragments_too)
{
	/* kosme in Greek, cut inside a character */
	CHECK_INT(decode_hex(WS_CLIENT,
			     "0105cebae1bdb9"
			     "8006cf83cebcceb5",
			     64, CAP)
			  .err,
		  -EAGAIN);
	CHECK_INT(decode_hex(WS_CLIENT,
			     "0101f0"
			     "80039f9880",
			     1, CAP)
			  .err,
		  -EAGAIN);
	CHECK_INT(decode_hex(WS_CLIENT, "8101ce", 64, CAP).err, -EILSEQ);     /* open at the end */
	CHECK_INT(decode_hex(WS_CLIENT, "8102c0af", 64, CAP).err, -EILSEQ);   /* over-long */
	CHECK_INT(decode_hex(WS_CLIENT, "8103e08080", 64, CAP).err, -EILSEQ); /* over-long */
	CHECK_INT(decode_hex(WS_CLIENT, "8103eda080", 64, CAP).err, -EILSEQ); /* a surrogate */
	CHECK_INT(decode_hex(WS_CLIENT, "8104f4908080", 64, CAP).err, -EILSEQ); /* > U+10FFFF */
	CHECK_INT(decode_hex(WS_CLIENT, "8104f0808080", 64, CAP).err, -EILSEQ); /* over-long */
	CHECK_INT(decode_hex(WS_CLIENT, "8104f48fbfbf", 64, CAP).err, -EAGAIN); /* U+10FFFF */
	CHECK_INT(decode_hex(WS_CLIENT, "8103ed9fbf", 64, CAP).err, -EAGAIN);	/* U+D7FF */
	CHECK_INT(decode_hex(WS_CLIENT, "8103ee8080", 64, CAP).err, -EAGAIN);	/* U+E000 */
	CHECK_INT(decode_hex(WS_CLIENT, "8201ff", 64, CAP).err, -EAGAIN);	/* binary is free */
	CHECK_INT(ws_close_code_of(-EILSEQ), 1007);
}

TEST(a_written_frame_reads_back_at_every_length_form)
{
	static const size_t lens[] = {0, 1, 125, 126, 65535, 65536};
	static const uint8_t mask[WS_MASK_LEN] = {0x37, 0xfa, 0x21, 0x3d};
	static uint8_t payload[65536], frame[65536 + WS_HEADER_MAX];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < 2 * sizeof(lens) / sizeof(lens[0]); i++) {
		size_t len = lens[i / 2], used;
		struct writer w = writer_init(frame, sizeof(frame));
		struct ws_decoder d;
		struct ws_piece p;

		ws_write_frame(&w, WS_BINARY, payload, len, i % 2 ? mask : NULL);
		CHECK(!w.failed);
		ws_decoder_init(&d, i % 2 ? WS_SERVER : WS_CLIENT, CAP);
		CHECK_INT(ws_decoder_next(&d, frame, w.len, &used, &p), 0);
		CHECK(used == w.len && p.len == len && p.first && p.last);
		CHECK_MEM(p.bytes, payload, len);
	}
}

TEST(masking_twice_gives_the_bytes_back_from_any_offset)
{
	static const uint8_t mask[WS_MASK_LEN] = {1, 2, 4, 8};
	uint8_t bytes[7] = {0};

	ws_mask(bytes, 7, mask, 3);
	CHECK_MEM(bytes, ((uint8_t[]){8, 1, 2, 4, 8, 1, 2}), 7);
	ws_mask(bytes, 3, mask, 3);
	ws_mask(bytes + 3, 4, mask, 6);
	CHECK_MEM(bytes, ((uint8_t[7]){0}), 7);
}

static int close_of(const char *hex, unsigned *code)
{
	uint8_t payload[WS_CONTROL_MAX];
	struct ws_piece p = {.opcode = WS_CLOSE, .bytes = payload, .len = strlen(hex) / 2};
	const char *reason;
	size_t reason_len;

	test_unhex(hex, payload, p.len);
	return ws_close_decode(&p, code, &reason, &reason_len);
}

TEST(close_frames_carry_a_code_and_a_reason)
{
	uint8_t frame[WS_HEADER_MAX + WS_CONTROL_MAX];
	struct writer w = writer_init(frame, sizeof(frame));
	const char *reason;
	struct ws_decoder d;
	struct ws_piece p;
	size_t used, len;
	unsigned code;

	ws_write_close(&w, WS_CLOSE_GOING_AWAY, "drained", NULL);
	ws_decoder_init(&d, WS_CLIENT, CAP);
	CHECK_INT(ws_decoder_next(&d, frame, w.len, &used, &p), 0);
	CHECK(p.opcode == WS_CLOSE);
	CHECK_INT(ws_close_decode(&p, &code, &reason, &len), 0);
	CHECK(code == 1001 && len == 7 && memcmp(reason, "drained", 7) == 0);
}

TEST(close_codes_that_must_not_be_sent_are_refused)
{
	unsigned code;

	CHECK(close_of("", &code) == 0 && code == WS_CLOSE_NO_CODE);
	CHECK(close_of("03e8", &code) == 0 && code == 1000);
	CHECK(close_of("0bb8", &code) == 0 && code == 3000);
	CHECK_INT(close_of("03", &code), -EPROTO);
	CHECK_INT(close_of("03ed", &code), -EPROTO); /* 1005 */
	CHECK_INT(close_of("03ee", &code), -EPROTO); /* 1006 */
	CHECK_INT(close_of("03e7", &code), -EPROTO); /* 999 */
	CHECK_INT(close_of("07d0", &code), -EPROTO); /* 2000 */
	CHECK_INT(close_of("1388", &code), -EPROTO); /* 5000 */
	CHECK_INT(close_of("03e8ff", &code), -EILSEQ);
}

TEST(a_long_reason_is_cut_between_characters)
{
	char reason[200];
	uint8_t frame[WS_HEADER_MAX + WS_CONTROL_MAX];
	struct writer w = writer_init(frame, sizeof(frame));

	memset(reason, 'a', sizeof(reason));
	reason[122] = (char)0xc3; /* a character of two bytes across the limit */
	reason[123] = (char)0xa4;
	reason[199] = '\0';
	ws_write_close(&w, WS_CLOSE_NORMAL, reason, NULL);
	CHECK(!w.failed);
	CHECK_INT(w.len, 2 + 2 + 122);
}

TEST(a_control_frame_too_long_cannot_be_written)
{
	uint8_t payload[126] = {0}, frame[256];
	struct writer w = writer_init(frame, sizeof(frame));

	ws_write_frame(&w, WS_PING, payload, sizeof(payload), NULL);
	CHECK(w.failed);
}

/* RFC 6455 section 1.3. */
TEST(the_rfcs_key_is_answered_as_there)
{
	static const uint8_t nonce[16] = "the sample nonce";
	char key[WS_KEY_LEN + 1], accept[WS_ACCEPT_LEN + 1];

	ws_key(nonce, key);
	CHECK_STR(key, "dGhlIHNhbXBsZSBub25jZQ==");
	CHECK_INT(ws_accept(key, accept), 0);
	CHECK_STR(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	CHECK_INT(ws_accept("dGhlIHNhbXBsZSBub25j", accept), -EBADMSG);
	CHECK_INT(ws_accept("dGhlIHNhbXBsZSBub25jZQ=!", accept), -EBADMSG);
}
