/*
 * relay_server: the relay without its process: workers, listeners, STUN, mesh and admission, put
 * together on a loop that its owner runs.
 *
 *	_start --> serving --_drain--> draining, a second at most --ended--> _free
 *
 * Accepts, hands over, asks and meshes; decides nothing of its own. main gives it signals, a
 * simulation runs several in one process: no state but its own, and nothing printed.
 */
#ifndef WARREN_RELAY_SERVER_H
#define WARREN_RELAY_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"

struct event_base;
struct hub_counters;
struct relay_server;
struct relay_settings;

enum { RELAY_SERVER_ERROR_LEN = 320 };

struct relay_server_config {
	const struct relay_settings *settings; /* borrowed */
	struct event_base *base;
	void (*ended)(
		void *arg); /* everybody has been told goodbye: to be freed, not from within */
	void *arg;
};

/* -errno with one line in error. */
MUST_CHECK int relay_server_start(const struct relay_server_config *config,
				  struct relay_server **out,
				  char error[static RELAY_SERVER_ERROR_LEN]);
/* Closes everything, told goodbye or not. NULL is fine. */
void relay_server_free(struct relay_server *r);

/* Says goodbye and accepts nobody any more; ended follows. At once where asked twice. */
void relay_server_drain(struct relay_server *r);
/* Other limits, and the certificate from its files. */
void relay_server_reload(struct relay_server *r, uint64_t rate_bytes, uint64_t burst_bytes);

/* The relay's entry for the map, one line of JSON, which the caller frees. NULL where its
 * certificate cannot be read any more. */
char *relay_server_entry(const struct relay_server *r);
void relay_server_count(const struct relay_server *r, struct hub_counters *out);
/* The line of the log that says that it serves. */
void relay_server_log_ready(const struct relay_server *r);

#endif
