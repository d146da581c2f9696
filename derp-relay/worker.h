/*
 * worker: a thread that serves clients, with its own event loop, TLS context and HTTP servers.
 *
 * main accepts and hands connections over; from then on a connection stays with its worker. Nothing
 * is shared with other threads but the switchboard (hub, inboxes) and counters.
 */
#ifndef WARREN_WORKER_H
#define WARREN_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"
#include "derp-relay/relay_host.h"

struct http_server_counts;
struct switchboard;
struct worker;

enum { WORKER_ERROR_LEN = 256 };

struct worker_config {
	struct switchboard *switchboard;
	uint16_t seat, main_seat;
	bool asks_admission;
	const struct client_env *env;	  /* copied */
	const char *cert_file, *key_file; /* NULL: no TLS, DERP on the plain port */
};

/* Makes the worker and starts its thread. -errno with one line in error. */
MUST_CHECK int worker_start(const struct worker_config *cfg, struct worker **out,
			    char error[static WORKER_ERROR_LEN]);
/* Stops the thread, drained or not, and waits for it. NULL is fine. */
void worker_free(struct worker *w);
const struct relay_host_counters *worker_counters(const struct worker *w);
void worker_add_http_counts(const struct worker *w, struct http_server_counts *sum);

#endif
