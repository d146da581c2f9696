#include "common/proto/ws.h"

#include <errno.h>

#include <openssl/evp.h>
#include <sodium.h>

enum { FIN_BIT = 0x80, RESERVED_BITS = 0x70, MASK_BIT = 0x80, LEN_16 = 126, LEN_64 = 127 };

static bool is_control(enum ws_opcode opcode)
{
	return opcode >= WS_CLOSE;
}

static bool is_known(uint8_t opcode)
{
	return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

void ws_decoder_init(struct ws_decoder *d, enum ws_side side, uint64_t message_max)
{
	*d = (struct ws_decoder){.side = side, .message_max = message_max};
}

/* ---- UTF-8 (RFC 3629), byte by byte, so that a character may span pieces ---- */

static bool utf8_begin(struct ws_utf8 *u, uint8_t byte)
{
	if (byte < 0x80)
		return true;
	if (byte >= 0xc2 && byte <= 0xdf)
		u->total = 2;
	else if ((byte & 0xf0) == 0xe0)
		u->total = 3;
	else if (byte >= 0xf0 && byte <= 0xf4)
		u->total = 4;
	else
		return false;
	u->left = (uint8_t)(u->total - 1);
	u->code = byte & (0x7fU >> u->total);
	return true;
}

/* The first byte behind the leading one already tells an over-long form, a surrogate and what is
 * beyond U+10FFFF. */
static bool utf8_go_on(struct ws_utf8 *u, uint8_t byte)
{
	if ((byte & 0xc0) != 0x80)
		return false;
	u->code = u->code << 6 | (byte & 0x3f);
	u->left--;
	if (u->total == 3 && u->left == 1)
		return u->code >= 0x20 && !(u->code >= 0x360 && u->code <= 0x37f);
	if (u->total == 4 && u->left == 2)
		return u->code >= 0x10 && u->code <= 0x10f;
	return true;
}

static bool utf8_feed(struct ws_utf8 *u, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!(u->left ? utf8_go_on(u, bytes[i]) : utf8_begin(u, bytes[i])))
			return false;
	}
	return true;
}

/* ---- decoder ---- */

struct frame_head {
	uint8_t first, second;
	uint64_t len;
	uint8_t mask[WS_MASK_LEN];
};

static int read_head(struct reader *r, struct frame_head *head)
{
	head->first = read_u8(r);
	head->second = read_u8(r);
	uint8_t short_len = head->second & 0x7f;

	head->len = short_len;
	if (short_len == LEN_16)
		head->len = read_u16be(r);
	else if (short_len == LEN_64)
		head->len = read_u64be(r);
	if (head->second & MASK_BIT)
		read_bytes(r, head->mask, WS_MASK_LEN);
	if (r->failed)
		return -EAGAIN;

	bool is_shortest = !(short_len == LEN_16 && head->len < LEN_16) &&
			   !(short_len == LEN_64 && head->len <= UINT16_MAX);
	bool is_positive = head->len <= INT64_MAX;
	return is_shortest && is_positive ? 0 : -EPROTO;
}

/* RFC 6455 sections 5.1, 5.2, 5.4 and 5.5. */
static bool head_is_allowed(const struct ws_decoder *d, const struct frame_head *head)
{
	uint8_t opcode = head->first & 0x0f;
	bool fin = head->first & FIN_BIT;
	bool in_message = d->message != WS_CONTINUATION;

	bool no_extension = !(head->first & RESERVED_BITS) && is_known(opcode);
	bool right_masking = !!(head->second & MASK_BIT) == (d->side == WS_SERVER);
	bool right_order = is_control(opcode) || (opcode == WS_CONTINUATION) == in_message;
	bool control_is_small = !is_control(opcode) || (fin && head->len <= WS_CONTROL_MAX);
	return no_extension && right_masking && right_order && control_is_small;
}

static int begin_frame(struct ws_decoder *d, struct reader *r)
{
	struct frame_head head = {0};
	int err = read_head(r, &head);

	if (err)
		return err;
	if (!head_is_allowed(d, &head))
		return -EPROTO;
	enum ws_opcode opcode = head.first & 0x0f;
	if (!is_control(opcode)) {
		uint64_t before = opcode == WS_CONTINUATION ? d->message_len : 0;

		if (head.len > d->message_max || before > d->message_max - head.len)
			return -EMSGSIZE;
		d->message_len = before + head.len;
		if (opcode != WS_CONTINUATION) {
			d->message = opcode;
			d->message_begun = false;
			d->utf8 = (struct ws_utf8){0};
		}
	}
	d->opcode = opcode;
	d->fin = head.first & FIN_BIT;
	d->masked = head.second & MASK_BIT;
	memcpy(d->mask, head.mask, WS_MASK_LEN);
	d->frame_left = head.len;
	d->frame_offset = 0;
	d->in_frame = true;
	return 0;
}

/* How many payload bytes of the open frame stand at bytes; unmasks them there. */
static size_t take_payload(struct ws_decoder *d, uint8_t *bytes, size_t len)
{
	size_t n = len < d->frame_left ? len : (size_t)d->frame_left;

	if (d->masked)
		ws_mask(bytes, n, d->mask, d->frame_offset);
	d->frame_offset += n;
	d->frame_left -= n;
	d->in_frame = d->frame_left > 0;
	return n;
}

static int give_control(struct ws_decoder *d, struct ws_piece *out)
{
	if (d->in_frame)
		return -EAGAIN;
	*out = (struct ws_piece){.opcode = d->opcode,
				 .bytes = d->control,
				 .len = (size_t)d->frame_offset,
				 .first = true,
				 .last = true};
	return 0;
}

static int give_data(struct ws_decoder *d, const uint8_t *bytes, size_t len, struct ws_piece *out)
{
	bool last = d->fin && !d->in_frame;

	if (len == 0 && d->in_frame)
		return -EAGAIN;
	if (d->message == WS_TEXT &&
	    (!utf8_feed(&d->utf8, bytes, len) || (last && d->utf8.left > 0)))
		return -EILSEQ;
	*out = (struct ws_piece){.opcode = d->message,
				 .bytes = bytes,
				 .len = len,
				 .first = !d->message_begun,
				 .last = last};
	d->message_begun = true;
	if (last)
		d->message = WS_CONTINUATION;
	return 0;
}

int ws_decoder_next(struct ws_decoder *d, uint8_t *buf, size_t len, size_t *used,
		    struct ws_piece *out)
{
	struct reader r = reader_init(buf, len);

	*used = 0;
	if (!d->in_frame) {
		int err = begin_frame(d, &r);
		if (err)
			return err;
	}
	size_t head_len = len - reader_left(&r);
	uint8_t *payload = buf + head_len;
	size_t at = (size_t)d->frame_offset;
	size_t n = take_payload(d, payload, reader_left(&r));

	*used = head_len + n;
	if (!is_control(d->opcode))
		return give_data(d, payload, n, out);
	memcpy(d->control + at, payload, n);
	return give_control(d, out);
}

enum ws_close_code ws_close_code_of(int err)
{
	switch (err) {
	case -EPROTO:
		return WS_CLOSE_PROTOCOL;
	case -EMSGSIZE:
		return WS_CLOSE_TOO_BIG;
	case -EILSEQ:
		return WS_CLOSE_BAD_DATA;
	}
	return WS_CLOSE_INTERNAL;
}

/* Section 7.4: what may stand in a close frame. */
static bool code_may_be_sent(unsigned code)
{
	bool defined = code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;

	return defined || (code >= 3000 && code <= 4999);
}

int ws_close_decode(const struct ws_piece *piece, unsigned *code, const char **reason,
		    size_t *reason_len)
{
	struct reader r = reader_init(piece->bytes, piece->len);
	struct ws_utf8 check = {0};

	*code = WS_CLOSE_NO_CODE;
	*reason = "";
	*reason_len = 0;
	if (piece->len == 0)
		return 0;
	unsigned got = read_u16be(&r);
	if (r.failed || !code_may_be_sent(got))
		return -EPROTO;
	if (!utf8_feed(&check, r.at, r.left) || check.left > 0)
		return -EILSEQ;
	*code = got;
	*reason_len = reader_left(&r);
	*reason = (const char *)read_span(&r, *reason_len);
	return 0;
}

/* ---- encoder ---- */

void ws_write_head(struct writer *w, enum ws_opcode opcode, bool fin, uint64_t len,
		   const uint8_t *mask)
{
	uint8_t mask_bit = mask ? MASK_BIT : 0;

	write_u8(w, (uint8_t)((fin ? FIN_BIT : 0) | opcode));
	if (len < LEN_16) {
		write_u8(w, (uint8_t)(mask_bit | len));
	} else if (len <= UINT16_MAX) {
		write_u8(w, mask_bit | LEN_16);
		write_u16be(w, (uint16_t)len);
	} else {
		write_u8(w, mask_bit | LEN_64);
		write_u64be(w, len);
	}
	if (mask)
		write_bytes(w, mask, WS_MASK_LEN);
}

void ws_mask(uint8_t *bytes, size_t len, const uint8_t mask[static WS_MASK_LEN], uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] ^= mask[(offset + i) % WS_MASK_LEN];
}

void ws_write_frame(struct writer *w, enum ws_opcode opcode, const void *payload, size_t len,
		    const uint8_t *mask)
{
	if (is_control(opcode) && len > WS_CONTROL_MAX)
		w->failed = true;
	ws_write_head(w, opcode, true, len, mask);
	uint8_t *at = write_span(w, len);
	if (!at || len == 0)
		return;
	memcpy(at, payload, len);
	if (mask)
		ws_mask(at, len, mask, 0);
}

void ws_write_close(struct writer *w, unsigned code, const char *reason, const uint8_t *mask)
{
	uint8_t payload[WS_CONTROL_MAX];
	struct writer body = writer_init(payload, sizeof(payload));
	size_t len = strlen(reason);

	if (len > WS_REASON_MAX) {
		len = WS_REASON_MAX;
		while (len > 0 && ((uint8_t)reason[len] & 0xc0) == 0x80)
			len--;
	}
	write_u16be(&body, (uint16_t)code);
	write_bytes(&body, reason, len);
	ws_write_frame(w, WS_CLOSE, payload, body.len, mask);
}

/* ---- upgrade ---- */

void ws_key(const uint8_t random[static 16], char out[static WS_KEY_LEN + 1])
{
	sodium_bin2base64(out, WS_KEY_LEN + 1, random, 16, sodium_base64_VARIANT_ORIGINAL);
}

int ws_accept(const char *key, char out[static WS_ACCEPT_LEN + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t bytes[16], hash[EVP_MAX_MD_SIZE];
	char text[WS_KEY_LEN + sizeof(guid)];
	unsigned hash_len = 0;
	size_t n = 0;

	if (strlen(key) != WS_KEY_LEN ||
	    sodium_base642bin(bytes, sizeof(bytes), key, WS_KEY_LEN, NULL, &n, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    n != sizeof(bytes))
		return -EBADMSG;
	memcpy(text, key, WS_KEY_LEN);
	memcpy(text + WS_KEY_LEN, guid, sizeof(guid));
	if (EVP_Digest(text, sizeof(text) - 1, hash, &hash_len, EVP_sha1(), NULL) != 1)
		return -EBADMSG;
	sodium_bin2base64(out, WS_ACCEPT_LEN + 1, hash, hash_len, sodium_base64_VARIANT_ORIGINAL);
	return 0;
}
