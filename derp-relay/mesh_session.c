#include "derp-relay/mesh_session.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"

/* Keep-alives come each 60 to 65 s. */
static const uint64_t silence_us = 120 * US_PER_S, greeting_us = 10 * US_PER_S;

void mesh_session_init(struct mesh_session *s, uint16_t seat,
		       const uint8_t random[static DERP_NONCE_LEN], uint64_t now_us)
{
	*s = (struct mesh_session){
		.link = {.port = {.kind = PORT_MESH_LINK, .worker = seat}},
		.heard_us = now_us,
	};
	memcpy(s->nonce, random, DERP_NONCE_LEN);
}

void mesh_session_on_down(struct mesh_session *s, struct hub *hub)
{
	hub_link_down(hub, &s->link);
}

static int on_server_key(struct mesh_session *s, const struct client_env *env,
			 const struct public_key *server)
{
	if (s->state != MESH_GREETING)
		return -EPROTO;
	if (public_key_equal(server, &env->pub))
		return -ELOOP;
	s->server = *server;
	s->owes_login = true;
	s->state = MESH_LOGIN;
	return 0;
}

static int on_server_info(struct mesh_session *s, const struct client_env *env,
			  const struct derp_frame *f)
{
	struct derp_server_info info;

	if (s->state != MESH_LOGIN)
		return -EPROTO;
	int err = derp_server_info_open(f->sealed.bytes, f->sealed.len, &env->secret, &s->server,
					&info);
	if (err == 0)
		s->state = MESH_UP;
	return err;
}

static int on_frame(struct mesh_session *s, const struct client_env *env, struct hub *hub,
		    const struct derp_frame *f)
{
	switch (f->type) {
	case DERP_SERVER_KEY:
		return on_server_key(s, env, &f->server_key);
	case DERP_SERVER_INFO:
		return on_server_info(s, env, f);
	case DERP_PEER_PRESENT:
		/* Our own session to the other is among its connections. */
		if (s->state == MESH_UP && !public_key_equal(&f->present.key, &env->pub))
			hub_link_on_present(hub, &s->link, &f->present.key);
		return 0;
	case DERP_PEER_GONE:
		if (f->gone.reason == DERP_GONE_DISCONNECTED)
			hub_link_on_gone(hub, &s->link, &f->gone.key);
		return 0;
	case DERP_PING:
		memcpy(s->pong, f->ping, DERP_PING_LEN);
		s->owes_pong = true;
		return 0;
	case DERP_CLIENT_INFO:
	case DERP_SEND_PACKET:
	case DERP_RECV_PACKET:
	case DERP_KEEP_ALIVE:
	case DERP_NOTE_PREFERRED:
	case DERP_FORWARD_PACKET:
	case DERP_WATCH_CONNS:
	case DERP_CLOSE_PEER:
	case DERP_PONG:
	case DERP_HEALTH:
	case DERP_RESTARTING:
		return 0; /* heard, and nothing to do */
	}
	return 0;
}

int mesh_session_on_frame(struct mesh_session *s, const struct client_env *env, struct hub *hub,
			  const struct derp_raw_frame *raw, uint64_t now_us)
{
	struct derp_frame f;
	int err = derp_frame_decode(raw->type, raw->payload, raw->len, &f);

	s->heard_us = now_us;
	if (err == -ENOTSUP)
		return 0;
	return err < 0 ? err : on_frame(s, env, hub, &f);
}

uint64_t mesh_session_deadline_us(const struct mesh_session *s)
{
	return s->heard_us + (s->state == MESH_UP ? silence_us : greeting_us);
}

static void write_login(struct mesh_session *s, const struct client_env *env, struct writer *w)
{
	struct derp_client_info info = {
		.version = DERP_VERSION, .can_ack_pings = true, .has_mesh_key = true};

	memcpy(info.mesh_key, env->mesh_key, KEY_LEN);
	s->owes_login = false;
	/* A server key that nothing can be sealed to gets no login, and the greeting runs out. */
	if (derp_client_info_seal(&info, &env->secret, &s->server, s->nonce, w) == 0)
		(void)!derp_frame_encode(&(struct derp_frame){.type = DERP_WATCH_CONNS}, w);
	sodium_memzero(&info, sizeof(info));
}

void mesh_session_pull(struct mesh_session *s, const struct client_env *env, struct hub *hub,
		       struct writer *w, uint64_t now_us)
{
	struct derp_frame pong = {.type = DERP_PONG};

	if (s->owes_login)
		write_login(s, env, w);
	if (s->owes_pong) {
		memcpy(pong.ping, s->pong, DERP_PING_LEN);
		s->owes_pong = derp_frame_encode(&pong, w) != 0;
	}
	if (s->state == MESH_UP)
		(void)hub_pull(hub, &s->link.port, w, now_us);
}
