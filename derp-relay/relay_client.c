#include "derp-relay/relay_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <sodium.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/net/http.h"
#include "common/net/tls.h"
#include "common/net/websocket.h"
#include "common/proto/derp.h"
#include "derp-relay/switchboard.h"

/* A receiver that takes nothing for so long is closed; a mesh peer carries many receivers' packets.
 */
static const uint64_t write_late_us = 2 * US_PER_S, mesh_write_late_us = 30 * US_PER_S;

/* Rate-limited clients are looked at so often. */
static const struct timeval throttle_every = {.tv_usec = 10 * 1000};

/* A client's share of a round, in reads; and the largest message of a WebSocket. */
enum { READS_PER_ROUND = 4, MESSAGE_MAX = 128 * 1024, MESSAGE_OUT_MAX = 16 * 1024 };

/* What the kernel holds beyond what is on its way. */
enum { NOT_SENT_LOW = 64 * 1024 };

struct relay_client {
	struct client_conn core;
	struct relay_host *host;
	struct relay_client *next, *prev;
	struct relay_client *next_again;
	struct tls_conn *tls; /* the WebSocket's own where there is one */
	struct websocket *ws;
	uint8_t *stash; /* the beginning of a frame, or what waits while nothing is read */
	uint32_t stash_len;
	uint32_t in_flight; /* packets given to the connection since its queue was empty */
	bool doomed;
	bool reads_again; /* in host->again */
	bool paused;
	bool in_admission; /* main counts this connection */
};

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

/* ---- life ---------------------------------------------------------------------------------- */

static void doom(struct relay_client *c, enum close_reason reason)
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

static void tell_main(struct relay_client *c, enum message_kind kind)
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

static void free_client(struct relay_client *c)
{
	struct relay_host *host = c->host;
	struct hub *hub;

	if (c->in_admission)
		tell_main(c, MESSAGE_DISCONNECT);
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

static void reap(evutil_socket_t fd, short what, void *arg)
{
	struct relay_host *host = arg;

	(void)fd;
	(void)what;
	if (host->has_doomed) {
		host->has_doomed = false;
		for (struct relay_client *c = host->clients, *next; c; c = next) {
			next = c->next;
			if (c->doomed)
				free_client(c);
		}
	}
	/* Those who go leave notes for those who stay. */
	relay_host_serve(host);
}

/* ---- writing ------------------------------------------------------------------------------- */

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
static void pump(struct relay_client *c)
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
		doom(c, CLOSED_BY_CLIENT);
}

static struct relay_client *client_of(struct port *port)
{
	struct hub_conn *conn = hub_conn_of(port);

	return (struct relay_client *)(void *)((char *)conn -
					       offsetof(struct relay_client, core.hub));
}

void relay_host_serve(struct relay_host *host)
{
	for (;;) {
		struct hub *hub = switchboard_lock(host->switchboard);
		struct port *port = hub_next_ready(hub, host->seat);
		bool close = port && port->close;
		(void)switchboard_unlock(host->switchboard, host->seat);

		if (!port)
			return;
		if (close)
			doom(client_of(port), CLOSED_BY_MESH);
		else
			pump(client_of(port));
	}
}

/* ---- reading ------------------------------------------------------------------------------- */

static void set_paused(struct relay_client *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	tls_conn_pause(c->tls, paused);
}

static bool may_read(const struct relay_client *c, uint64_t now_us)
{
	return !c->doomed && c->core.state != CLIENT_ASKING && c->core.read_after_us <= now_us;
}

static enum close_reason reason_of(const struct relay_client *c, int err)
{
	if (err == -ENOMEM)
		return CLOSED_NO_MEMORY;
	return c->core.state == CLIENT_LOGIN ? CLOSED_LOGIN : CLOSED_PROTOCOL;
}

static void keep(struct relay_client *c, const uint8_t *bytes, size_t len)
{
	if (len == 0) {
		free(c->stash);
		c->stash = NULL;
		c->stash_len = 0;
		return;
	}
	uint8_t *stash = realloc(c->stash, len);
	if (!stash) {
		doom(c, CLOSED_NO_MEMORY);
		return;
	}
	memcpy(stash, bytes, len);
	c->stash = stash;
	c->stash_len = (uint32_t)len;
}

static void admit(struct relay_client *c, bool allowed)
{
	struct hub *hub = switchboard_lock(c->host->switchboard);
	int err = client_conn_on_admission(&c->core, hub, allowed, clock_now_us());

	if (switchboard_unlock(c->host->switchboard, c->host->seat))
		event_active(c->host->reap_event, 0, 0);
	if (err < 0)
		doom(c, err == -EACCES ? CLOSED_REFUSED : CLOSED_NO_MEMORY);
	else
		pump(c);
}

static void ask_admission(struct relay_client *c)
{
	bool is_mesh_peer = c->core.hub.flags & DERP_PRESENT_MESH;

	if (!c->host->asks_admission || is_mesh_peer) {
		admit(c, true);
		return;
	}
	c->in_admission = true;
	tell_main(c, MESSAGE_CONNECT);
}

static int feed(struct relay_client *c, size_t len, uint64_t now_us, size_t *used)
{
	struct relay_host *host = c->host;

	if (!client_conn_needs_hub(&c->core))
		return client_conn_on_bytes(&c->core, &host->env, NULL, host->in, len, now_us,
					    used);

	struct hub *hub = switchboard_lock(host->switchboard);
	int err = client_conn_on_bytes(&c->core, &host->env, hub, host->in, len, now_us, used);
	if (switchboard_unlock(host->switchboard, host->seat))
		relay_host_serve(host);
	return err;
}

static size_t unstash(struct relay_client *c)
{
	if (c->stash_len > 0)
		memcpy(c->host->in, c->stash, c->stash_len);
	return c->stash_len;
}

static void on_bytes(struct relay_client *c, size_t len);

/* What waits comes first: a client held back may have whole frames in its stash. */
static void take_stash(struct relay_client *c)
{
	if (c->stash_len > 0)
		on_bytes(c, unstash(c));
}

/* host->in holds len bytes of c: hands over what is whole, and keeps the rest. */
static void on_bytes(struct relay_client *c, size_t len)
{
	size_t used = 0;
	bool was_login = c->core.state == CLIENT_LOGIN;
	int err = feed(c, len, clock_now_us(), &used);

	if (err < 0) {
		doom(c, reason_of(c, err));
		return;
	}
	keep(c, c->host->in + used, len - used);
	if (was_login && c->core.state == CLIENT_ASKING)
		ask_admission(c);
	if (c->core.owed)
		pump(c);
	/* Clients send on behind their login without waiting. */
	if (was_login && c->core.state == CLIENT_READY)
		take_stash(c);
}

/* Fills host->in up to a full TLS record's worth, so that frames are handled in batches. Returns
 * false where nothing came. */
static bool fill(struct relay_client *c, size_t *len)
{
	size_t first = *len;
	int err = 0;

	while (*len < first + HOST_READ_BYTES) {
		size_t got = 0;
		err = tls_conn_read(c->tls, c->host->in + *len, HOST_READ_BYTES, &got);
		if (err < 0)
			break;
		*len += got;
	}
	if (err == -EPIPE && *len == first)
		doom(c, CLOSED_BY_CLIENT);
	return *len > first;
}

static void read_later(struct relay_client *c)
{
	if (c->reads_again)
		return;
	c->reads_again = true;
	c->next_again = c->host->again;
	c->host->again = c;
	event_active(c->host->again_event, 0, 0);
}

static void wait_for_rate(struct relay_client *c)
{
	set_paused(c, true);
	if (!event_pending(c->host->throttle_event, EV_TIMEOUT, NULL))
		event_add(c->host->throttle_event, &throttle_every);
}

static void on_readable(void *arg)
{
	struct relay_client *c = arg;

	if (c->ws)
		return;
	for (unsigned i = 0; i < READS_PER_ROUND; i++) {
		if (!may_read(c, clock_now_us()))
			break;
		size_t len = unstash(c);
		if (!fill(c, &len))
			return;
		on_bytes(c, len);
	}
	if (c->doomed)
		return;
	if (may_read(c, clock_now_us()))
		read_later(c);
	else if (c->core.state == CLIENT_ASKING)
		set_paused(c, true);
	else
		wait_for_rate(c);
}

static void go_on_reading(struct relay_client *c)
{
	take_stash(c);
	if (!may_read(c, clock_now_us()))
		return;
	set_paused(c, false);
	on_readable(c);
}

static void read_again(evutil_socket_t fd, short what, void *arg)
{
	struct relay_host *host = arg;
	struct relay_client *list = host->again;

	(void)fd;
	(void)what;
	host->again = NULL;
	for (struct relay_client *c = list, *next; c; c = next) {
		next = c->next_again;
		c->reads_again = false;
		on_readable(c);
	}
}

static void unthrottle(evutil_socket_t fd, short what, void *arg)
{
	struct relay_host *host = arg;
	uint64_t now_us = clock_now_us();

	(void)fd;
	(void)what;
	for (struct relay_client *c = host->clients; c; c = c->next) {
		if (!c->paused || c->core.state != CLIENT_READY || c->doomed)
			continue;
		if (c->core.read_after_us <= now_us)
			go_on_reading(c);
		if (c->paused && !event_pending(host->throttle_event, EV_TIMEOUT, NULL))
			event_add(host->throttle_event, &throttle_every);
	}
}

static void on_message(void *arg, bool text, const uint8_t *bytes, size_t len)
{
	struct relay_client *c = arg;

	if (c->doomed)
		return;
	if (text || c->stash_len + len > CLIENT_BYTES_MAX + HOST_READ_BYTES) {
		doom(c, CLOSED_PROTOCOL);
		return;
	}
	size_t held = unstash(c);
	memcpy(c->host->in + held, bytes, len);
	if (may_read(c, clock_now_us()))
		on_bytes(c, held + len);
	else
		keep(c, c->host->in, held + len);
	if (c->doomed || may_read(c, clock_now_us()))
		return;
	if (c->core.state == CLIENT_ASKING)
		set_paused(c, true);
	else
		wait_for_rate(c);
}

/* ---- events of the connection -------------------------------------------------------------- */

static void on_drained(void *arg)
{
	pump(arg);
}

static void on_tls_closed(void *arg, const char *reason)
{
	(void)reason;
	doom(arg, CLOSED_BY_CLIENT);
}

static void on_ws_closed(void *arg, unsigned code, const char *reason)
{
	(void)code;
	(void)reason;
	doom(arg, CLOSED_BY_CLIENT);
}

static const struct tls_conn_ops tls_ops = {
	.on_readable = on_readable,
	.on_drained = on_drained,
	.on_closed = on_tls_closed,
};

static const struct websocket_ops ws_ops = {
	.on_message = on_message,
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
			.ops = &ws_ops, .arg = c, .message_max = MESSAGE_MAX};
		c->ws = websocket_server_new(x, &cfg, answer->fields);
		c->tls = websocket_conn(c->ws);
		c->host->counters.websockets++;
	} else {
		c->tls = http_upgrade(x, answer->kind == HTTP_PATH_FAST ? NULL : answer->fields);
		tls_conn_set_ops(c->tls, &tls_ops, c);
	}
}

void relay_client_start(struct relay_host *host, struct http_exchange *x,
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
	pump(c);
}

/* ---- the host ------------------------------------------------------------------------------ */

int relay_host_init(struct relay_host *host)
{
	host->in = malloc(CLIENT_BYTES_MAX + HOST_READ_BYTES * 2 + MESSAGE_MAX);
	host->out = malloc(CLIENT_BYTES_MAX);
	host->reap_event = event_new(host->base, -1, 0, reap, host);
	host->again_event = event_new(host->base, -1, 0, read_again, host);
	host->throttle_event = event_new(host->base, -1, 0, unthrottle, host);
	return host->in && host->out && host->reap_event && host->again_event &&
			       host->throttle_event
		       ? 0
		       : -ENOMEM;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void relay_host_wipe(struct relay_host *host)
{
	while (host->clients)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		free_client(host->clients);
	free_event(host->reap_event);
	free_event(host->again_event);
	free_event(host->throttle_event);
	free(host->in);
	free(host->out);
	secret_key_wipe(&host->env.secret);
	sodium_memzero(host->env.mesh_key, sizeof(host->env.mesh_key));
}

void relay_host_on_decision(struct relay_host *host, const struct public_key *key, bool allowed)
{
	for (struct relay_client *c = host->clients; c; c = c->next) {
		if (!c->in_admission || c->doomed || !public_key_equal(&c->core.hub.key, key))
			continue;
		if (!allowed) {
			doom(c, CLOSED_REFUSED);
		} else if (c->core.state == CLIENT_ASKING) {
			admit(c, true);
			go_on_reading(c);
		}
	}
}

static void sweep_client(struct relay_client *c, uint64_t now_us)
{
	uint64_t stuck_us = tls_conn_stuck_since_us(c->tls);
	bool is_mesh_peer = c->core.hub.flags & DERP_PRESENT_MESH;

	if (client_conn_on_deadline(&c->core, now_us) < 0)
		doom(c, CLOSED_LOGIN);
	else if (stuck_us != US_NEVER &&
		 now_us > stuck_us + (is_mesh_peer ? mesh_write_late_us : write_late_us))
		doom(c, CLOSED_WRITE_LATE);
	else if (c->core.owed)
		pump(c);
}

void relay_host_sweep(struct relay_host *host, uint64_t now_us)
{
	for (struct relay_client *c = host->clients; c; c = c->next) {
		if (!c->doomed)
			sweep_client(c, now_us);
	}
}

void relay_host_say_goodbye(struct relay_host *host)
{
	for (struct relay_client *c = host->clients; c; c = c->next) {
		client_conn_on_drain(&c->core);
		pump(c);
	}
}
