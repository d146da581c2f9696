#include "derp-relay/relay_client.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>
#include <sodium.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/net/http.h"
#include "common/net/tls.h"
#include "common/net/websocket.h"
#include "common/proto/derp.h"

/* The largest message of a WebSocket that we send. */
enum { MESSAGE_OUT_MAX = 16 * 1024 };

/* What the kernel holds beyond what is on its way. */
enum { NOT_SENT_LOW = 64 * 1024 };

const char *close_reason_str(enum close_reason reason)
{
	static const char *const names[CLOSE_REASONS] = {
		[CLOSED_BY_CLIENT] = "client",	    [CLOSED_PROTOCOL] = "protocol",
		[CLOSED_LOGIN] = "login",	    [CLOSED_REFUSED] = "refused",
		[CLOSED_WRITE_LATE] = "write_late", [CLOSED_BY_MESH] = "mesh",
		[CLOSED_NO_MEMORY] = "no_memory",   [CLOSED_DRAIN] = "drain",
	};
	return names[reason];
}

/* ---- its end ---- */

void relay_client_doom(struct relay_client *c, enum close_reason reason)
{
	char key[KEY_TEXT_LEN], from[ENDPOINT_TEXT_LEN];

	if (c->doomed)
		return;
	c->doomed = true;
	c->host->has_doomed = true;
	c->host->counters.closed[reason]++;
	event_active(c->host->reap_event, 0, 0);
	if (!log_enabled(LOG_DEBUG))
		return;
	public_key_str(&c->core.hub.key, "nodekey", key);
	endpoint_str(&c->core.hub.from, from);
	log_debug("relay", log_event("closed"), log_str("reason", close_reason_str(reason)),
		  log_str("key", key), log_str("from", from));
}

void relay_client_tell_main(struct relay_client *c, enum message_kind kind)
{
	struct message message = {
		.kind = kind, .fd = -1, .key = c->core.hub.key, .from = c->core.hub.from};

	switchboard_tell(c->host->switchboard, c->host->main_seat, &message);
}

static void unlink_client(struct relay_client *c)
{
	*(c->prev ? &c->prev->next : &c->host->clients) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->host->count--;
	if (!c->reads_again)
		return;
	struct relay_client **link = &c->host->again;
	while (*link != c)
		link = &(*link)->next_again;
	*link = c->next_again;
}

void relay_client_free(struct relay_client *c)
{
	struct relay_host *host = c->host;
	struct hub *hub;

	if (c->in_admission)
		relay_client_tell_main(c, MESSAGE_DISCONNECT);
	unlink_client(c);
	hub = switchboard_lock(host->switchboard);
	client_conn_wipe(&c->core, hub);
	if (tls_conn_queued(c->tls) > 0)
		hub_on_write_lost(hub, c->in_flight);
	if (switchboard_unlock(host->switchboard, host->seat))
		event_active(host->reap_event, 0, 0);
	if (c->ws)
		websocket_free(c->ws);
	else
		tls_conn_free(c->tls);
	free(c->stash);
	free(c);
}

/* ---- writing ---- */

/* Takes a batch of what waits into host->out; more than a batch where one frame alone is longer. */
static size_t pull(struct relay_client *c)
{
	struct relay_host *host = c->host;
	struct writer w = writer_init(host->out, HOST_WRITE_BYTES);
	struct hub *hub = switchboard_lock(host->switchboard);

	unsigned packets = client_conn_pull(&c->core, &host->env, hub, &w, clock_now_us());
	if (w.len == 0 && client_conn_wants_write(&c->core)) {
		w = writer_init(host->out, CLIENT_BYTES_MAX);
		packets = client_conn_pull(&c->core, &host->env, hub, &w, clock_now_us());
	}
	(void)switchboard_unlock(host->switchboard, host->seat);
	c->in_flight = (tls_conn_queued(c->tls) > 0 ? c->in_flight : 0) + packets;
	return w.len;
}

/* Clients' WebSocket libraries refuse long messages, some above 32 KiB; the cut is of no meaning.
 */
static int send_messages(struct websocket *ws, const uint8_t *bytes, size_t len)
{
	int err = 0;

	for (size_t at = 0; at < len && err == 0; at += MESSAGE_OUT_MAX)
		err = websocket_send_binary(
			ws, bytes + at, len - at < MESSAGE_OUT_MAX ? len - at : MESSAGE_OUT_MAX);
	return err;
}

/* Gives the connection a batch, unless it holds one that its socket does not take: what comes in
 * several reads of a round leaves together, and what a slow reader leaves behind waits in the hub's
 * queues, where the oldest can be dropped. */
void relay_client_pump(struct relay_client *c)
{
	struct relay_host *host = c->host;

	if (c->doomed || tls_conn_queued(c->tls) >= HOST_WRITE_BYTES)
		return;
	size_t len = pull(c);
	if (len == 0)
		return;
	int err = c->ws ? send_messages(c->ws, host->out, len)
			: tls_conn_write(c->tls, host->out, len);
	if (err < 0)
		relay_client_doom(c, CLOSED_BY_CLIENT);
}

struct relay_client *relay_client_of(struct port *port)
{
	struct hub_conn *conn = hub_conn_of(port);

	return (struct relay_client *)(void *)((char *)conn -
					       offsetof(struct relay_client, core.hub));
}

/* ---- its beginning ---- */

static void on_drained(void *arg)
{
	relay_client_pump(arg);
}

static void on_tls_closed(void *arg, const char *reason)
{
	(void)reason;
	relay_client_doom(arg, CLOSED_BY_CLIENT);
}

static void on_ws_closed(void *arg, unsigned code, const char *reason)
{
	(void)code;
	(void)reason;
	relay_client_doom(arg, CLOSED_BY_CLIENT);
}

static const struct tls_conn_ops tls_ops = {
	.on_readable = relay_client_on_readable,
	.on_drained = on_drained,
	.on_closed = on_tls_closed,
};

static const struct websocket_ops ws_ops = {
	.on_message = relay_client_on_message,
	.on_drained = on_drained,
	.on_closed = on_ws_closed,
};

static struct relay_client *client_new(struct relay_host *host, const struct endpoint *from,
				       bool not_ideal)
{
	struct relay_client *c = calloc(1, sizeof(*c));
	uint8_t nonce[CLIENT_NONCE_LEN];

	if (!c)
		return NULL;
	randombytes_buf(nonce, sizeof(nonce));
	if (client_conn_init(&c->core, host->seat, from, not_ideal ? DERP_PRESENT_NOT_IDEAL : 0,
			     nonce, randombytes_random(), clock_now_us()) < 0) {
		free(c);
		return NULL;
	}
	c->host = host;
	return c;
}

static void link_client(struct relay_client *c)
{
	c->next = c->host->clients;
	if (c->next)
		c->next->prev = c;
	c->host->clients = c;
	c->host->count++;
}

static void upgrade(struct relay_client *c, struct http_exchange *x,
		    const struct http_path_answer *answer)
{
	if (answer->kind == HTTP_PATH_WEBSOCKET) {
		struct websocket_config cfg = {
			.ops = &ws_ops, .arg = c, .message_max = RELAY_MESSAGE_MAX};
		c->ws = websocket_server_new(x, &cfg, answer->fields);
		c->tls = websocket_conn(c->ws);
		c->host->counters.websockets++;
	} else {
		c->tls = http_upgrade(x, answer->kind == HTTP_PATH_FAST ? NULL : answer->fields);
		tls_conn_set_ops(c->tls, &tls_ops, c);
	}
}

void relay_host_take(struct relay_host *host, struct http_exchange *x,
		     const struct http_path_answer *answer)
{
	struct endpoint from = http_exchange_peer(x);

	if (answer->kind == HTTP_PATH_WEBSOCKET && !websocket_is_upgrade(x)) {
		http_reply_text(x, 400, "not a WebSocket upgrade\n");
		return;
	}
	struct relay_client *c = client_new(host, &from, answer->not_ideal);
	if (!c) {
		http_drop(x);
		return;
	}
	upgrade(c, x, answer);
	tls_conn_set_unsent_max(c->tls, NOT_SENT_LOW);
	link_client(c);
	relay_client_pump(c);
}
