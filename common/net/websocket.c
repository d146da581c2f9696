#include "common/net/websocket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/net/http.h"
#include "common/net/tls.h"
#include "common/proto/ws.h"

enum { READ_LEN = 16 * 1024, QUEUE_DEFAULT = 1024 * 1024, REQUEST_LEN = 2048 };

struct websocket {
	struct tls_conn *conn;
	struct websocket_config cfg;
	bool client;
	bool upgrading; /* client: 101 has not come yet */
	bool sent_close;
	bool *gone; /* set where a callback frees us */
	char accept[WS_ACCEPT_LEN + 1];

	struct ws_decoder decoder;
	uint8_t *in; /* bytes read, not yet decoded: storage only while some wait */
	size_t in_len;
	uint8_t *message; /* of the open message so far */
	size_t message_len, message_cap;

	unsigned close_code;
	char close_reason[WS_REASON_MAX + 1];
};

/* ---- sending ---- */

static int send_frame(struct websocket *ws, enum ws_opcode opcode, const void *bytes, size_t len)
{
	uint8_t mask[WS_MASK_LEN], *frame;
	int err;

	if (ws->upgrading || ws->sent_close)
		return -EPIPE;
	if (len > SIZE_MAX - WS_HEADER_MAX)
		return -ENOBUFS;
	randombytes_buf(mask, sizeof(mask));
	frame = malloc(WS_HEADER_MAX + len);
	if (!frame)
		return -ENOBUFS;
	struct writer w = writer_init(frame, WS_HEADER_MAX + len);
	ws_write_frame(&w, opcode, bytes, len, ws->client ? mask : NULL);
	err = w.failed ? -ENOBUFS : tls_conn_write(ws->conn, frame, w.len);
	free(frame);
	return err;
}

int websocket_send_text(struct websocket *ws, const char *text, size_t len)
{
	return send_frame(ws, WS_TEXT, text, len);
}

int websocket_send_binary(struct websocket *ws, const void *bytes, size_t len)
{
	return send_frame(ws, WS_BINARY, bytes, len);
}

int websocket_ping(struct websocket *ws)
{
	return send_frame(ws, WS_PING, NULL, 0);
}

void websocket_close(struct websocket *ws, unsigned code, const char *reason)
{
	uint8_t frame[WS_HEADER_MAX + WS_CONTROL_MAX], mask[WS_MASK_LEN];
	struct writer w = writer_init(frame, sizeof(frame));

	if (ws->sent_close)
		return;
	ws->sent_close = true;
	randombytes_buf(mask, sizeof(mask));
	ws_write_close(&w, code, reason, ws->client ? mask : NULL);
	if (!ws->upgrading && !w.failed)
		(void)!tls_conn_write(ws->conn, frame, w.len);
	if (ws->close_code == 0) {
		ws->close_code = code;
		snprintf(ws->close_reason, sizeof(ws->close_reason), "%s", reason);
	}
	tls_conn_finish(ws->conn);
}

size_t websocket_queued(const struct websocket *ws)
{
	return tls_conn_queued(ws->conn);
}

struct tls_conn *websocket_conn(struct websocket *ws)
{
	return ws->conn;
}

/* ---- receiving ---- */

static void drop_message(struct websocket *ws)
{
	free(ws->message);
	ws->message = NULL;
	ws->message_len = ws->message_cap = 0;
}

/* The decoder has held the message to its cap. */
static void gather(struct websocket *ws, const struct ws_piece *piece)
{
	size_t need = ws->message_len + piece->len + 1;

	if (ws->message_cap < need) {
		ws->message_cap = need * 2;
		ws->message = realloc(ws->message, ws->message_cap);
		if (!ws->message)
			abort();
	}
	if (piece->len > 0)
		memcpy(ws->message + ws->message_len, piece->bytes, piece->len);
	ws->message_len += piece->len;
	ws->message[ws->message_len] = '\0';
}

/* The peer closes: its code and reason are what on_closed tells. */
static void take_close(struct websocket *ws, const struct ws_piece *piece)
{
	const char *reason = "";
	size_t len = 0;
	unsigned code;

	if (ws_close_decode(piece, &code, &reason, &len) != 0)
		code = WS_CLOSE_PROTOCOL;
	if (ws->close_code == 0) {
		ws->close_code = code;
		snprintf(ws->close_reason, sizeof(ws->close_reason), "%.*s", (int)len, reason);
	}
	websocket_close(ws, code == WS_CLOSE_NO_CODE ? WS_CLOSE_NORMAL : code, "");
}

/* False where the owner freed us. */
static bool take_piece(struct websocket *ws, const struct ws_piece *piece)
{
	bool gone = false;

	ws->gone = &gone;
	switch (piece->opcode) {
	case WS_PING:
		(void)!send_frame(ws, WS_PONG, piece->bytes, piece->len);
		break;
	case WS_PONG:
		if (ws->cfg.ops->on_pong)
			ws->cfg.ops->on_pong(ws->cfg.arg);
		break;
	case WS_CLOSE:
		take_close(ws, piece);
		break;
	case WS_TEXT:
	case WS_BINARY:
		gather(ws, piece);
		if (!piece->last)
			break;
		ws->cfg.ops->on_message(ws->cfg.arg, piece->opcode == WS_TEXT, ws->message,
					ws->message_len);
		if (!gone)
			drop_message(ws);
		break;
	case WS_CONTINUATION:
		break; /* the decoder names the message's own opcode */
	}
	if (!gone)
		ws->gone = NULL;
	return !gone;
}

/* Decodes what is in ws->in; false where the owner freed us. */
static bool decode(struct websocket *ws)
{
	size_t at = 0;

	while (!ws->sent_close) {
		struct ws_piece piece;
		size_t used;
		int err =
			ws_decoder_next(&ws->decoder, ws->in + at, ws->in_len - at, &used, &piece);

		at += used;
		if (err == -EAGAIN)
			break;
		if (err) {
			websocket_close(ws, ws_close_code_of(err), "");
			break;
		}
		if (!take_piece(ws, &piece))
			return false;
	}
	memmove(ws->in, ws->in + at, ws->in_len - at);
	ws->in_len -= at;
	return true;
}

/* ---- the client's upgrade ---- */

static bool is_accepted(const struct websocket *ws, const struct http_head *head)
{
	bool switched = head->status == 101;
	bool to_websocket = http_has_token(head, "Upgrade", "websocket") &&
			    http_has_token(head, "Connection", "Upgrade");
	bool our_key = http_text_is(http_find(head, "Sec-WebSocket-Accept"), ws->accept);

	return switched && to_websocket && our_key;
}

static void fail_upgrade(struct websocket *ws, const struct http_head *head)
{
	snprintf(ws->close_reason, sizeof(ws->close_reason),
		 head ? "the server answered %u to the upgrade" : "the answer is not HTTP",
		 head ? head->status : 0);
	ws->sent_close = true;
	tls_conn_finish(ws->conn);
}

/* False where the owner freed us. */
static bool take_answer(struct websocket *ws)
{
	struct http_head head;
	bool gone = false;
	size_t used;
	int err = http_parse_response((const char *)ws->in, ws->in_len, &head, &used);

	if (err == -EAGAIN)
		return true;
	if (err || !is_accepted(ws, &head)) {
		fail_upgrade(ws, err ? NULL : &head);
		return true;
	}
	ws->upgrading = false;
	ws->gone = &gone;
	ws->cfg.ops->on_open(ws->cfg.arg, &head);
	if (gone)
		return false;
	ws->gone = NULL;
	memmove(ws->in, ws->in + used, ws->in_len - used);
	ws->in_len -= used;
	return true;
}

/* ---- the connection's events ---- */

static void free_empty_buffer(struct websocket *ws)
{
	if (ws->in_len > 0)
		return;
	free(ws->in);
	ws->in = NULL;
}

static void on_readable(void *arg)
{
	struct websocket *ws = arg;
	size_t got;

	if (!ws->in)
		ws->in = malloc(READ_LEN);
	if (!ws->in)
		abort();
	while (tls_conn_read(ws->conn, ws->in + ws->in_len, READ_LEN - ws->in_len, &got) == 0) {
		ws->in_len += got;
		if (ws->upgrading && !take_answer(ws))
			return;
		if (!ws->upgrading && !decode(ws))
			return;
		if (ws->in_len == READ_LEN) { /* an answer's head without end */
			fail_upgrade(ws, NULL);
			return;
		}
	}
	free_empty_buffer(ws);
}

static void on_drained(void *arg)
{
	struct websocket *ws = arg;

	if (ws->cfg.ops->on_drained && !ws->upgrading)
		ws->cfg.ops->on_drained(ws->cfg.arg);
}

static void on_closed(void *arg, const char *reason)
{
	struct websocket *ws = arg;
	bool told = ws->close_code != 0 || ws->close_reason[0] != '\0';

	ws->sent_close = true;
	ws->cfg.ops->on_closed(ws->cfg.arg, ws->close_code, told ? ws->close_reason : reason);
}

static const struct tls_conn_ops conn_ops = {
	.on_readable = on_readable, .on_drained = on_drained, .on_closed = on_closed};

/* ---- life ---- */

static struct websocket *websocket_new(struct tls_conn *conn, const struct websocket_config *cfg,
				       enum ws_side side)
{
	struct websocket *ws = calloc(1, sizeof(*ws));

	if (!ws)
		abort();
	ws->conn = conn;
	ws->cfg = *cfg;
	ws->client = side == WS_CLIENT;
	ws_decoder_init(&ws->decoder, side, cfg->message_max);
	tls_conn_set_limit(conn, cfg->queue_max ? cfg->queue_max : QUEUE_DEFAULT);
	tls_conn_set_ops(conn, &conn_ops, ws);
	return ws;
}

struct websocket *websocket_client_new(struct tls_conn *conn, const struct websocket_config *cfg,
				       const char *host, const char *path, const char *fields,
				       const uint8_t random[static 16])
{
	struct websocket *ws = websocket_new(conn, cfg, WS_CLIENT);
	char key[WS_KEY_LEN + 1], request[REQUEST_LEN];

	ws->upgrading = true;
	ws_key(random, key);
	if (ws_accept(key, ws->accept) != 0)
		abort();
	int n = snprintf(request, sizeof(request),
			 "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
			 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			 "Sec-WebSocket-Key: %s\r\n%s\r\n",
			 path, host, key, fields ? fields : "");
	bool fits = n > 0 && (size_t)n < sizeof(request);
	if (!fits || tls_conn_write(conn, request, (size_t)n) != 0)
		tls_conn_finish(conn);
	return ws;
}

bool websocket_is_upgrade(const struct http_exchange *x)
{
	const struct http_head *head = http_exchange_head(x);
	char key[WS_KEY_LEN + 1], accept[WS_ACCEPT_LEN + 1];

	bool asks = http_text_is(head->method, "GET") &&
		    http_has_token(head, "Upgrade", "websocket") &&
		    http_has_token(head, "Connection", "Upgrade");
	bool version_13 = http_text_is(http_find(head, "Sec-WebSocket-Version"), "13");
	bool has_key = http_text_copy(http_find(head, "Sec-WebSocket-Key"), key, sizeof(key)) &&
		       ws_accept(key, accept) == 0;
	return asks && version_13 && has_key;
}

struct websocket *websocket_server_new(struct http_exchange *x, const struct websocket_config *cfg,
				       const char *fields)
{
	const struct http_head *head = http_exchange_head(x);
	char key[WS_KEY_LEN + 1], accept[WS_ACCEPT_LEN + 1] = "", answer[REQUEST_LEN];

	if (!http_text_copy(http_find(head, "Sec-WebSocket-Key"), key, sizeof(key)) ||
	    ws_accept(key, accept) != 0)
		abort(); /* the caller has asked websocket_is_upgrade */
	int n = snprintf(answer, sizeof(answer),
			 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Accept: %s\r\n%s",
			 accept, fields ? fields : "");
	if (n < 0 || (size_t)n >= sizeof(answer))
		abort(); /* our own fields are short */
	return websocket_new(http_upgrade(x, answer), cfg, WS_SERVER);
}

void websocket_free(struct websocket *ws)
{
	if (!ws)
		return;
	if (ws->gone)
		*ws->gone = true;
	tls_conn_free(ws->conn);
	free(ws->in);
	drop_message(ws);
	free(ws);
}
