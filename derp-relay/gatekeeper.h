/*
 * gatekeeper: the shell of admission: asks the coordinator over HTTPS and keeps the cache on disk.
 *
 * On main's loop. Workers say who connects and leaves; decisions go back to all of them. At most
 * GATEKEEPER_CALLS questions are open at a time, each for 5 s at most.
 */
#ifndef WARREN_GATEKEEPER_H
#define WARREN_GATEKEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"

struct event_base;
struct gatekeeper;
struct message;
struct metric_page;
struct resolver;
struct switchboard;
struct tls_context;

enum { GATEKEEPER_CALLS = 8, GATEKEEPER_ERROR_LEN = 256 };

struct gatekeeper_config {
	struct event_base *base;
	struct resolver *resolver;
	struct tls_context *tls; /* client side */
	struct switchboard *switchboard;
	uint16_t workers;	/* seats 0.. get the decisions */
	const char *url;	/* may carry "#pin=sha256:HEX", the coordinator's pin */
	const char *secret;	/* or NULL; borrowed */
	const char *cache_file; /* borrowed */
	bool fail_open;
};

/* -errno with one line in error. A cache that cannot be read is said in the log and begun anew. */
MUST_CHECK int gatekeeper_new(const struct gatekeeper_config *cfg, struct gatekeeper **out,
			      char error[static GATEKEEPER_ERROR_LEN]);
/* Saves what is new first. */
void gatekeeper_free(struct gatekeeper *g);
/* MESSAGE_CONNECT and MESSAGE_DISCONNECT. */
void gatekeeper_on_message(struct gatekeeper *g, const struct message *m);
void gatekeeper_fill(const struct gatekeeper *g, struct metric_page *page);

#endif
