#include "coordinator/node_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/net/http.h"
#include "common/net/websocket.h"
#include "coordinator/node_session.h"

/* The longest map, and some. */
enum { QUEUE_MAX = CONTROL_SERVER_MESSAGE_MAX + (1 << 20) };

/* One node's connection. */
struct link {
	struct node_links *owner;
	struct coordinator *core;
	struct websocket *ws;
	struct node_session *session; /* NULL once it ended */
	struct link *next, *prev;
};

static struct moment moment_now(void)
{
	return (struct moment){clock_now_us(), clock_unix_us() / US_PER_MS};
}

static void link_send(void *arg, const char *text, size_t len)
{
	struct link *link = arg;

	/* A node that does not read what it is sent comes back and asks for what it missed. */
	if (websocket_send_text(link->ws, text, len) == -ENOBUFS)
		websocket_close(link->ws, WEBSOCKET_POLICY, "too slow");
}

static void link_close(void *arg, const char *reason)
{
	struct link *link = arg;

	link->session = NULL;
	websocket_close(link->ws, WEBSOCKET_NORMAL, reason);
}

const struct coordinator_ops node_link_ops = {.send = link_send, .close = link_close};

static void link_free(struct link *link)
{
	if (link->prev)
		link->prev->next = link->next;
	else
		link->owner->first = link->next;
	if (link->next)
		link->next->prev = link->prev;
	websocket_free(link->ws);
	free(link);
}

static void on_message(void *arg, bool text, const uint8_t *bytes, size_t len)
{
	struct link *link = arg;
	struct moment now = moment_now();

	if (text && link->session)
		node_session_on_text(link->core, link->session, (const char *)bytes, len, &now);
}

static void on_closed(void *arg, unsigned code, const char *reason)
{
	struct link *link = arg;
	struct moment now = moment_now();

	(void)code, (void)reason;
	if (link->session)
		node_session_on_closed(link->core, link->session, &now);
	link_free(link);
}

static const struct websocket_ops websocket_ops = {.on_message = on_message,
						   .on_closed = on_closed};

void node_links_open(struct node_links *links, struct coordinator *core, struct http_exchange *x)
{
	struct endpoint from = http_exchange_peer(x);
	struct moment now = moment_now();
	uint8_t nonce[CONTROL_NONCE_LEN];
	char hex[2 * CONTROL_NONCE_LEN + 1], fields[128];

	if (!websocket_is_upgrade(x)) {
		http_reply_text(x, 426, "this is for nodes: a WebSocket upgrade\n");
		return;
	}
	struct link *link = calloc(1, sizeof(*link));
	if (!link)
		abort();
	struct websocket_config cfg = {.ops = &websocket_ops,
				       .arg = link,
				       .message_max = CONTROL_NODE_MESSAGE_MAX,
				       .queue_max = QUEUE_MAX};

	randombytes_buf(nonce, sizeof(nonce));
	hex_encode(nonce, sizeof(nonce), hex);
	snprintf(fields, sizeof(fields), "Warren-Nonce: %s\r\n", hex);
	*link = (struct link){.owner = links, .core = core, .next = links->first};
	link->ws = websocket_server_new(x, &cfg, fields);
	if (link->next)
		link->next->prev = link;
	links->first = link;
	link->session = node_session_open(core, link, &from, nonce, &now);
}

void node_links_close(struct node_links *links)
{
	while (links->first)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		on_closed(links->first, 0, "");
}
