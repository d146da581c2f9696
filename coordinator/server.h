/*
 * server: the coordinator's shell: files, sockets, TLS and timers around the cores, on a loop that
 * its owner runs.
 *
 *	_start --> serving --_leave--> leaving, half a second at most --ended--> _flush, _free
 *
 * serve.c gives it signals, a simulation runs it beside others in one process: no state but its
 * own, and nothing on standard output. A complaint is one line on standard error.
 */
#ifndef WARREN_SERVER_H
#define WARREN_SERVER_H

#include "common/proto/control.h"
#include "common/proto/invitation.h"
#include "common/wire.h"

struct admin_answer;
struct admin_request;
struct coordinator;
struct event_base;
struct server;

struct server_settings {
	const char *listen;
	const char *url; /* NULL: made of the listener and this machine's address */
	const char *state_dir;
	const char *store; /* "sqlite:FILE"; NULL: STATE-DIR/coordinator.db */
	const char *tls_cert, *tls_key;
	const char *relay_map;
	const char *policy;
	const char *mesh_v4, *mesh_v6;
	const char *metrics;
};

struct server_config {
	const struct server_settings *settings; /* borrowed */
	struct event_base *base;
	void (*ended)(void *arg); /* all nodes have been sent away: to be freed, not from within */
	void *arg;
};

/* -errno, told on standard error. */
MUST_CHECK int server_start(const struct server_config *config, struct server **out);
/* Closes everything at once; what was not flushed is lost. NULL is fine. */
void server_free(struct server *s);

/* Accepts nobody any more and tells nodes when to come back; ended follows. */
void server_leave(struct server *s);
/* Reads relay map, policy and certificate again. */
void server_reload(struct server *s);
/* Writes to the store what waits. */
void server_flush(struct server *s);

struct coordinator *server_core(struct server *s);
/* URL and pin, without a token. */
const struct invitation *server_template(const struct server *s);

#endif
