/*
 * websocket: a WebSocket connection (RFC 6455) over a tls_conn, either end; frames by
 * common/proto/ws.
 *
 *	UPGRADING (client) --101: on_open--> OPEN --close, failure: on_closed--> CLOSED
 *
 * Whole messages only, capped; pings are answered here. Compression and extensions are never
 * agreed to.
 */
#ifndef WARREN_WEBSOCKET_H
#define WARREN_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

struct event_base;
struct http_exchange;
struct http_head;
struct tls_conn;
struct websocket;

enum {
	WEBSOCKET_NORMAL = 1000,
	WEBSOCKET_GOING_AWAY = 1001,
	WEBSOCKET_PROTOCOL_ERROR = 1002,
	WEBSOCKET_BAD_DATA = 1007,
	WEBSOCKET_POLICY = 1008,
	WEBSOCKET_TOO_BIG = 1009
};

struct websocket_ops {
	/* Client: the upgrade was accepted; answer is its head. Not called at a server. */
	void (*on_open)(void *arg, const struct http_head *answer);
	/* A whole message, NUL behind it, valid during the call. */
	void (*on_message)(void *arg, bool text, const uint8_t *bytes, size_t len);
	void (*on_pong)(void *arg);    /* may be NULL */
	void (*on_drained)(void *arg); /* everything sent has left for the socket; may be NULL */
	/* Once; code 0 where no close frame came. Not after websocket_free. */
	void (*on_closed)(void *arg, unsigned code, const char *reason);
};

struct websocket_config {
	const struct websocket_ops *ops; /* borrowed for the connection's life */
	void *arg;
	size_t message_max; /* a longer one closes with 1009 */
	size_t queue_max;   /* bytes not yet sent; 0 = 1 MiB */
};

/* Takes conn (open) over and asks for the upgrade of path at host; fields are further
 * "Name: value\r\n" lines or NULL; random makes Sec-WebSocket-Key. */
struct websocket *websocket_client_new(struct tls_conn *conn, const struct websocket_config *cfg,
				       const char *host, const char *path, const char *fields,
				       const uint8_t random[static 16]);

/* Server: true where x asks for a WebSocket upgrade in due form (else the caller replies 400 or
 * 426). */
bool websocket_is_upgrade(const struct http_exchange *x);
/* Ends x with 101, fields as further "Name: value\r\n" lines (a subprotocol among them). Messages
 * may be sent at once. */
struct websocket *websocket_server_new(struct http_exchange *x, const struct websocket_config *cfg,
				       const char *fields);
/* Closes at once, silently. May be called from its callbacks. */
void websocket_free(struct websocket *ws);

/* -ENOBUFS where queue_max would be passed, -EPIPE where closed. */
MUST_CHECK int websocket_send_text(struct websocket *ws, const char *text, size_t len);
MUST_CHECK int websocket_send_binary(struct websocket *ws, const void *bytes, size_t len);
MUST_CHECK int websocket_ping(struct websocket *ws);
/* Sends the close frame behind what is queued; on_closed follows, after 2 s at most. */
void websocket_close(struct websocket *ws, unsigned code, const char *reason);
size_t websocket_queued(const struct websocket *ws);
/* The connection beneath, for tls_conn_peer and tls_conn_peer_spki. */
struct tls_conn *websocket_conn(struct websocket *ws);

#endif
