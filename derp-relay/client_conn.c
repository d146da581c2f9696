#include "derp-relay/client_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/proto/derp.h"

static const uint64_t login_us = 10 * US_PER_S, asking_us = 60 * US_PER_S;
static const uint32_t keep_alive_us = 60 * US_PER_S, keep_alive_jitter_us = 5 * US_PER_S;

/* When the relay goes: come back at once, and try for a few seconds. */
enum { RECONNECT_IN_MS = 100, TRY_FOR_MS = 3000 };

enum owed {
	OWED_SERVER_KEY = 1,
	OWED_SERVER_INFO = 2,
	OWED_PONG = 4,
	OWED_KEEP_ALIVE = 8,
	OWED_RESTARTING = 16,
};

enum { SERVER_INFO_MAX = 256, OWN_FRAME_MAX = 64 };

struct client_login {
	uint8_t nonce[CLIENT_NONCE_LEN];
	uint8_t info[SERVER_INFO_MAX]; /* the ServerInfo frame, sealed */
	size_t info_len;
};

int client_conn_init(struct client_conn *c, uint16_t worker, const struct endpoint *from,
		     uint8_t flags, const uint8_t random[static CLIENT_NONCE_LEN], uint32_t jitter,
		     uint64_t now_us)
{
	*c = (struct client_conn){
		.hub = {.port = {.worker = worker}, .from = *from, .flags = flags},
		.state = CLIENT_LOGIN,
		.owed = OWED_SERVER_KEY,
		.due_us = now_us + login_us,
		.keep_alive_us = keep_alive_us + jitter % keep_alive_jitter_us,
	};
	c->login = calloc(1, sizeof(*c->login));
	if (!c->login)
		return -ENOMEM;
	memcpy(c->login->nonce, random, CLIENT_NONCE_LEN);
	return 0;
}

static void end_login(struct client_conn *c)
{
	if (c->login)
		sodium_memzero(c->login, sizeof(*c->login));
	free(c->login);
	c->login = NULL;
}

void client_conn_wipe(struct client_conn *c, struct hub *hub)
{
	hub_remove(hub, &c->hub);
	end_login(c);
}

bool client_conn_needs_hub(const struct client_conn *c)
{
	return c->state == CLIENT_READY;
}

/* ---- login --------------------------------------------------------------------------------- */

static bool shows_mesh_key(const struct client_env *env, const struct derp_client_info *info)
{
	return env->has_mesh_key && info->has_mesh_key &&
	       sodium_memcmp(info->mesh_key, env->mesh_key, KEY_LEN) == 0;
}

static uint8_t flags_of(const struct client_env *env, const struct derp_client_info *info)
{
	unsigned flags = shows_mesh_key(env, info) ? DERP_PRESENT_MESH : DERP_PRESENT_REGULAR;

	return (uint8_t)(info->is_prober ? flags | DERP_PRESENT_PROBER : flags);
}

static int seal_answer(struct client_conn *c, const struct client_env *env)
{
	struct derp_server_info info = {.version = DERP_VERSION};
	struct writer w = writer_init(c->login->info, sizeof(c->login->info));
	int err = derp_server_info_seal(&info, &env->secret, &c->hub.key, c->login->nonce, &w);

	c->login->info_len = w.len;
	return err;
}

static int on_client_info(struct client_conn *c, const struct client_env *env,
			  const struct derp_raw_frame *raw, uint64_t now_us)
{
	struct derp_client_info info = {0};
	struct public_key key;

	if (raw->type != DERP_CLIENT_INFO)
		return -EPROTO;
	int err = derp_client_info_open(raw->payload, raw->len, &env->secret, &key, &info);
	if (err == 0) {
		c->hub.key = key;
		c->hub.flags |= flags_of(env, &info);
		err = seal_answer(c, env);
	}
	if (err == 0) {
		c->state = CLIENT_ASKING;
		c->due_us = now_us + asking_us;
	}
	sodium_memzero(&info, sizeof(info));
	return err;
}

int client_conn_on_admission(struct client_conn *c, struct hub *hub, bool allowed, uint64_t now_us)
{
	if (c->state != CLIENT_ASKING)
		return 0;
	if (!allowed)
		return -EACCES;
	int err = hub_add(hub, &c->hub);
	if (err < 0)
		return err;
	c->owed |= OWED_SERVER_INFO;
	c->state = CLIENT_READY;
	c->due_us = now_us + c->keep_alive_us;
	return 0;
}

/* ---- frames -------------------------------------------------------------------------------- */

static bool is_mesh_peer(const struct client_conn *c)
{
	return c->hub.flags & DERP_PRESENT_MESH;
}

static int on_mesh_frame(struct client_conn *c, struct hub *hub, const struct derp_frame *f,
			 uint64_t now_us)
{
	if (!is_mesh_peer(c))
		return -EACCES;
	if (f->type == DERP_FORWARD_PACKET)
		hub_on_forwarded(hub, &f->packet.src, &f->packet.dst, f->packet.data, f->packet.len,
				 now_us);
	else if (f->type == DERP_WATCH_CONNS)
		hub_watch(hub, &c->hub);
	else
		hub_close_key(hub, &f->close_peer);
	return 0;
}

/* A ping that comes before the last one was answered takes its place. */
static void owe_pong(struct client_conn *c, const uint8_t ping[static DERP_PING_LEN])
{
	memcpy(c->pong, ping, DERP_PING_LEN);
	c->owed |= OWED_PONG;
}

static int on_frame(struct client_conn *c, struct hub *hub, const struct derp_frame *f,
		    uint64_t now_us)
{
	switch (f->type) {
	case DERP_SEND_PACKET:
		hub_on_packet(hub, &c->hub, &f->packet.dst, f->packet.data, f->packet.len, now_us);
		return 0;
	case DERP_NOTE_PREFERRED:
		hub_on_preferred(hub, &c->hub, f->preferred);
		return 0;
	case DERP_PING:
		owe_pong(c, f->ping);
		return 0;
	case DERP_FORWARD_PACKET:
	case DERP_WATCH_CONNS:
	case DERP_CLOSE_PEER:
		return on_mesh_frame(c, hub, f, now_us);
	case DERP_SERVER_KEY:
	case DERP_CLIENT_INFO:
	case DERP_SERVER_INFO:
	case DERP_RECV_PACKET:
	case DERP_KEEP_ALIVE:
	case DERP_PEER_GONE:
	case DERP_PEER_PRESENT:
	case DERP_PONG:
	case DERP_HEALTH:
	case DERP_RESTARTING:
		return 0; /* nothing a server acts on; skipped as what is unknown */
	}
	return 0;
}

static int on_raw_frame(struct client_conn *c, struct hub *hub, const struct derp_raw_frame *raw,
			uint64_t now_us)
{
	struct derp_frame f;
	int err = derp_frame_decode(raw->type, raw->payload, raw->len, &f);

	if (err == -ENOTSUP)
		return 0;
	return err < 0 ? err : on_frame(c, hub, &f, now_us);
}

static void charge(struct client_conn *c, const struct client_env *env, size_t bytes,
		   uint64_t now_us)
{
	if (is_mesh_peer(c))
		return;
	c->read_after_us = limiter_on_bytes(&c->limiter, &env->limits, bytes, now_us);
}

static int take_frames(struct client_conn *c, const struct client_env *env, struct hub *hub,
		       struct derp_reader *r, uint64_t now_us)
{
	struct derp_raw_frame raw;
	int err;

	while (c->state != CLIENT_ASKING && c->read_after_us <= now_us) {
		err = derp_reader_next(r, &raw);
		if (err < 0)
			return err == -EAGAIN ? 0 : err;
		if (c->state == CLIENT_LOGIN) {
			err = on_client_info(c, env, &raw, now_us);
		} else {
			charge(c, env, DERP_HEADER_LEN + raw.len, now_us);
			err = on_raw_frame(c, hub, &raw, now_us);
		}
		if (err < 0)
			return err;
	}
	return 0;
}

int client_conn_on_bytes(struct client_conn *c, const struct client_env *env, struct hub *hub,
			 uint8_t *data, size_t len, uint64_t now_us, size_t *used)
{
	size_t whole = c->state == CLIENT_LOGIN ? CLIENT_BYTES_MAX : DERP_FORWARD_FRAME_MAX;
	struct derp_reader r = {
		.buf = data,
		.cap = len > whole ? len : whole,
		.end = len,
		.skip = c->skip_bytes,
	};

	if (c->state == CLIENT_READY && len > 0)
		hub_on_frame(hub, &c->hub);
	int err = take_frames(c, env, hub, &r, now_us);
	*used = r.start;
	c->skip_bytes = (uint32_t)r.skip;
	return err;
}

int client_conn_on_deadline(struct client_conn *c, uint64_t now_us)
{
	if (now_us < c->due_us)
		return 0;
	if (c->state != CLIENT_READY)
		return -ETIMEDOUT;
	c->owed |= OWED_KEEP_ALIVE;
	c->due_us = now_us + c->keep_alive_us;
	return 0;
}

void client_conn_on_drain(struct client_conn *c)
{
	if (c->state == CLIENT_READY)
		c->owed |= OWED_RESTARTING;
}

/* ---- writing ------------------------------------------------------------------------------- */

bool client_conn_wants_write(const struct client_conn *c)
{
	return c->owed != 0 || !port_is_empty(&c->hub.port);
}

/* Writes a frame that is owed, or leaves it owed where it doesn't fit. */
static void pay(struct client_conn *c, enum owed what, const struct derp_frame *f, struct writer *w)
{
	if ((c->owed & what) && w->cap - w->len >= OWN_FRAME_MAX && derp_frame_encode(f, w) == 0)
		c->owed &= (uint8_t)~what;
}

static void pay_server_info(struct client_conn *c, struct writer *w)
{
	if (!(c->owed & OWED_SERVER_INFO) || w->cap - w->len < c->login->info_len)
		return;
	write_bytes(w, c->login->info, c->login->info_len);
	c->owed &= (uint8_t)~OWED_SERVER_INFO;
	end_login(c);
}

unsigned client_conn_pull(struct client_conn *c, const struct client_env *env, struct hub *hub,
			  struct writer *w, uint64_t now_us)
{
	struct derp_frame pong = {.type = DERP_PONG};

	memcpy(pong.ping, c->pong, DERP_PING_LEN);
	pay(c, OWED_SERVER_KEY,
	    &(struct derp_frame){.type = DERP_SERVER_KEY, .server_key = env->pub}, w);
	pay_server_info(c, w);
	/* Our own frames go first: a pong measures the connection, not the queue behind it. */
	pay(c, OWED_PONG, &pong, w);
	pay(c, OWED_KEEP_ALIVE, &(struct derp_frame){.type = DERP_KEEP_ALIVE}, w);
	pay(c, OWED_RESTARTING,
	    &(struct derp_frame){
		    .type = DERP_RESTARTING,
		    .restarting = {.reconnect_in_ms = RECONNECT_IN_MS, .try_for_ms = TRY_FOR_MS}},
	    w);
	return c->state == CLIENT_READY ? hub_pull(hub, &c->hub.port, w, now_us) : 0;
}
