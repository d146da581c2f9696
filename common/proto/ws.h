/*
 * ws: WebSocket frames (RFC 6455), both ends: a decoder over whatever bytes have come, an encoder,
 * and the key of the upgrade.
 *
 * Gives out pieces of messages in place, as they arrive, so that neither end needs a buffer of its
 * own here: common/net/websocket gathers whole messages, DERP's WebSocket form takes the bytes as
 * a stream. Extensions are never agreed to, so reserved bits are errors.
 */
#ifndef WARREN_WS_H
#define WARREN_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

enum {
	WS_HEADER_MAX = 14,
	WS_MASK_LEN = 4,
	WS_CONTROL_MAX = 125, /* bytes of a control frame's payload */
	WS_REASON_MAX = 123,
	WS_KEY_LEN = 24, /* text lengths without the NUL */
	WS_ACCEPT_LEN = 28
};

enum ws_opcode {
	WS_CONTINUATION = 0x0,
	WS_TEXT = 0x1,
	WS_BINARY = 0x2,
	WS_CLOSE = 0x8,
	WS_PING = 0x9,
	WS_PONG = 0xa
};

enum ws_close_code { /* section 7.4.1 */
		     WS_CLOSE_NORMAL = 1000,
		     WS_CLOSE_GOING_AWAY = 1001,
		     WS_CLOSE_PROTOCOL = 1002,
		     WS_CLOSE_UNSUPPORTED = 1003,
		     WS_CLOSE_NO_CODE = 1005, /* never sent: a close frame without a code */
		     WS_CLOSE_BAD_DATA = 1007,
		     WS_CLOSE_POLICY = 1008,
		     WS_CLOSE_TOO_BIG = 1009,
		     WS_CLOSE_INTERNAL = 1011
};

enum ws_side { WS_CLIENT, WS_SERVER };

/* How far the check of a text message's UTF-8 has come. */
struct ws_utf8 {
	uint32_t code; /* bits gathered of the open character */
	uint8_t left;  /* bytes it still lacks */
	uint8_t total;
};

struct ws_decoder {
	enum ws_side side;     /* ours: a server takes masked frames only, a client unmasked only */
	uint64_t message_max;  /* bytes of one message, all its frames together */
	enum ws_opcode opcode; /* of the frame being read */
	enum ws_opcode message; /* TEXT or BINARY while a message is open, else CONTINUATION */
	bool in_frame, fin, masked, message_begun;
	uint8_t mask[WS_MASK_LEN];
	uint64_t frame_left;   /* payload bytes still to come */
	uint64_t frame_offset; /* payload bytes seen, for the mask */
	uint64_t message_len;  /* of the open message so far, this frame counted whole */
	struct ws_utf8 utf8;
	uint8_t control[WS_CONTROL_MAX]; /* a control frame is given out whole */
};

/* Part of a message, or a whole control frame. */
struct ws_piece {
	enum ws_opcode
		opcode; /* TEXT or BINARY on every piece of such a message; CLOSE, PING, PONG */
	const uint8_t
		*bytes;	  /* in the caller's buffer, unmasked; a control frame's in the decoder */
	size_t len;	  /* 0 is possible */
	bool first, last; /* of its message */
};

void ws_decoder_init(struct ws_decoder *d, enum ws_side side, uint64_t message_max);

/* Takes bytes from buf (which it unmasks in place) and says in *used how many; call again with the
 * rest. 0: a piece is in *out; -EAGAIN: nothing to give yet, keep what was not used and add more;
 * -EPROTO, -EMSGSIZE (message_max), -EILSEQ (text that is not UTF-8): close with
 * ws_close_code_of(err), feed nothing more. */
MUST_CHECK int ws_decoder_next(struct ws_decoder *d, uint8_t *buf, size_t len, size_t *used,
			       struct ws_piece *out);
enum ws_close_code ws_close_code_of(int err);

/* Code and reason of a CLOSE piece; WS_CLOSE_NO_CODE where it is empty. -EPROTO: one byte, or a
 * code that must not be sent; -EILSEQ. The reason is borrowed, without a NUL. */
MUST_CHECK int ws_close_decode(const struct ws_piece *piece, unsigned *code, const char **reason,
			       size_t *reason_len);

/* Writes the head of a frame whose len payload bytes the caller writes behind it, masked with
 * ws_mask where mask is not NULL (a client's must, a server's must not be). */
void ws_write_head(struct writer *w, enum ws_opcode opcode, bool fin, uint64_t len,
		   const uint8_t *mask);
/* Masks, or unmasks, len bytes that stand offset bytes into the payload. */
void ws_mask(uint8_t *bytes, size_t len, const uint8_t mask[static WS_MASK_LEN], uint64_t offset);
/* Head and payload at once; opcode may be a control frame's. w fails where it does not fit, or a
 * control frame is too long. */
void ws_write_frame(struct writer *w, enum ws_opcode opcode, const void *payload, size_t len,
		    const uint8_t *mask);
/* A close frame; a reason too long is cut at a character. */
void ws_write_close(struct writer *w, unsigned code, const char *reason, const uint8_t *mask);

/* Sec-WebSocket-Key of 16 random bytes, and the Sec-WebSocket-Accept that answers a key. */
void ws_key(const uint8_t random[static 16], char out[static WS_KEY_LEN + 1]);
/* -EBADMSG where key is not 16 bytes in base64. */
MUST_CHECK int ws_accept(const char *key, char out[static WS_ACCEPT_LEN + 1]);

#endif
