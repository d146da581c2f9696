/*
 * client_conn: one DERP connection as the relay sees it, without its socket.
 *
 *	LOGIN --ClientInfo--> ASKING --allowed--> READY --any error, ClosePeer, drain--> closed
 *	  |                     '------ refused, 60 s ---------------------------------> closed
 *	  '---- box or form wrong, 10 s -----------------------------------------------> closed
 *
 * The worker feeds it what was read and writes what it pulls; every returned error means "close".
 * ServerKey goes out first, ServerInfo once admission has said yes (nothing is read while it is
 * asked), then frames both ways. A keep-alive follows each 60 s and a jitter of its own. Frames of
 * unknown type are skipped, whatever their length (the protocol's rule for growth). Only a
 * connection that showed the mesh key may watch, forward and close peers. A pure core; the login's
 * shared key is wiped when it is done. Specification: docs/PROTOCOL.md, "DERP".
 */
#ifndef WARREN_CLIENT_CONN_H
#define WARREN_CLIENT_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "common/wire.h"
#include "derp-relay/hub.h"
#include "derp-relay/limiter.h"

enum client_state { CLIENT_LOGIN, CLIENT_ASKING, CLIENT_READY };

enum { CLIENT_NONCE_LEN = 24 };

/* What has to be held for one whole frame to be there: the login is the largest. */
enum { CLIENT_BYTES_MAX = 5 + 256 * 1024 };

/* What all connections of a relay share; constant while they run, but for the limits. */
struct client_env {
	struct secret_key secret;
	struct public_key pub;
	uint8_t mesh_key[KEY_LEN];
	bool has_mesh_key;
	struct limits limits;
};

struct client_login;

struct client_conn {
	struct hub_conn hub;
	struct client_login *login; /* until READY */
	struct limiter limiter;
	uint64_t read_after_us; /* read nothing more before: the rate limit */
	uint64_t due_us;	/* login's end, or the next keep-alive */
	uint32_t keep_alive_us;
	uint32_t skip_bytes; /* of a frame of unknown type, yet to come */
	uint8_t state;	     /* enum client_state */
	uint8_t owed;	     /* frames of our own that wait to be written */
	uint8_t pong[8];
};

/* flags: DERP_PRESENT_NOT_IDEAL or 0. random is used up here; jitter is any random number. -ENOMEM.
 */
MUST_CHECK int client_conn_init(struct client_conn *c, uint16_t worker, const struct endpoint *from,
				uint8_t flags, const uint8_t random[static CLIENT_NONCE_LEN],
				uint32_t jitter, uint64_t now_us);
/* Takes it out of the hub and wipes it. Harmless twice. */
void client_conn_wipe(struct client_conn *c, struct hub *hub);

/* True while client_conn_on_bytes needs the hub, and so its lock. */
bool client_conn_needs_hub(const struct client_conn *c);

/* Takes whole frames off data and says in *used how much; the rest is to be given again with more
 * behind it. Stops after the login, to ask admission, and at the rate limit. -EBADMSG malformed,
 * -EPROTO against the rules, -EACCES what only mesh peers may. */
MUST_CHECK int client_conn_on_bytes(struct client_conn *c, const struct client_env *env,
				    struct hub *hub, uint8_t *data, size_t len, uint64_t now_us,
				    size_t *used);
/* Admission's answer to ASKING. -EACCES where refused, -ENOMEM. */
MUST_CHECK int client_conn_on_admission(struct client_conn *c, struct hub *hub, bool allowed,
					uint64_t now_us);
/* To be called at due_us or later. -ETIMEDOUT: the login took too long. */
MUST_CHECK int client_conn_on_deadline(struct client_conn *c, uint64_t now_us);

/* The relay is going: the client is told to come back in a moment. */
void client_conn_on_drain(struct client_conn *c);

bool client_conn_wants_write(const struct client_conn *c);
/* Writes whole frames until w is full or nothing waits; any one fits in CLIENT_BYTES_MAX. Returns
 * how many of them carry packets. */
unsigned client_conn_pull(struct client_conn *c, const struct client_env *env, struct hub *hub,
			  struct writer *w, uint64_t now_us);

#endif
