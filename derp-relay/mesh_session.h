/*
 * mesh_session: our side of a session to another relay of the region, without its socket.
 *
 *	GREETING --ServerKey, another's--> LOGIN --ServerInfo--> UP
 *	    '--ServerKey, our own: -ELOOP, never to be dialled again
 *
 * Logs in with the mesh key, watches the other's connections and keeps the hub's forwarders by what
 * it hears; packets for those keys leave as ForwardPacket. A pure core; the shell is mesh. Covered
 * by the hub's lock.
 */
#ifndef WARREN_MESH_SESSION_H
#define WARREN_MESH_SESSION_H

#include <stdint.h>

#include "common/proto/derp.h"
#include "common/wire.h"
#include "derp-relay/client_conn.h"
#include "derp-relay/hub.h"

enum mesh_state { MESH_GREETING, MESH_LOGIN, MESH_UP };

struct mesh_session {
	struct hub_link link;
	enum mesh_state state;
	struct public_key server; /* from LOGIN on */
	uint8_t nonce[DERP_NONCE_LEN];
	uint8_t pong[DERP_PING_LEN];
	uint64_t heard_us; /* the last frame */
	bool owes_login, owes_pong;
};

/* random is used up for this login. */
void mesh_session_init(struct mesh_session *s, uint16_t seat,
		       const uint8_t random[static DERP_NONCE_LEN], uint64_t now_us);
/* The connection is gone: all it knew is withdrawn from the hub. */
void mesh_session_on_down(struct mesh_session *s, struct hub *hub);

/* -ELOOP: the relay is ourselves; -EBADMSG, -EPROTO, -EACCES: close. */
MUST_CHECK int mesh_session_on_frame(struct mesh_session *s, const struct client_env *env,
				     struct hub *hub, const struct derp_raw_frame *raw,
				     uint64_t now_us);
/* When to give the connection up unless something is heard. */
uint64_t mesh_session_deadline_us(const struct mesh_session *s);
/* Writes whole frames until w is full or nothing waits. */
void mesh_session_pull(struct mesh_session *s, const struct client_env *env, struct hub *hub,
		       struct writer *w, uint64_t now_us);

#endif
