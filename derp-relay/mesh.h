/*
 * mesh: the shell of our sessions to the other relays of the region.
 *
 *	DIALLING --TLS, 101--> SERVING (mesh_session) --failure--> WAITING
 *	   ^                      '--the relay is ourselves--> OFF    |
 *	   '------------------------ 5 s and jitter -----------------'
 *
 * On main's loop: links are few. Each other relay dials us likewise, so that packets go both ways.
 */
#ifndef WARREN_MESH_H
#define WARREN_MESH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"
#include "derp-relay/client_conn.h"

struct event_base;
struct mesh;
struct resolver;
struct switchboard;
struct tls_context;

enum { MESH_ERROR_LEN = 256 };

struct mesh_config {
	struct event_base *base;
	struct resolver *resolver;
	struct tls_context *tls; /* client side */
	struct switchboard *switchboard;
	uint16_t seat;
	const struct client_env *env; /* borrowed for the mesh's life */
	/* "HOST[:PORT],…", each with "http://" in front for plain TCP or "=sha256-raw:HEX" behind
	 * as the pin of its certificate. */
	const char *hosts;
};

/* -EINVAL with one line in error where hosts is malformed. */
MUST_CHECK int mesh_new(const struct mesh_config *cfg, struct mesh **out,
			char error[static MESH_ERROR_LEN]);
void mesh_free(struct mesh *m);
/* The seat was woken: writes what the hub has for the links. */
void mesh_serve(struct mesh *m);
/* Links that are up, for metrics. */
unsigned mesh_count_up(const struct mesh *m);

#endif
