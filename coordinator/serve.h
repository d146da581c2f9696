/*
 * serve: the coordinator's shell: files, sockets, TLS, timers and signals around the cores.
 *
 * One thread, one loop. The public listener has the node session, /healthz, the relays' question
 * and, with an admin key, the admin API; the socket in the state directory has the admin API for
 * those who may open it.
 */
#ifndef WARREN_SERVE_H
#define WARREN_SERVE_H

struct serve_settings {
	const char *listen;
	const char *url; /* NULL: made of the listener and this machine's address */
	const char *state_dir;
	const char *store; /* NULL: sqlite:STATE-DIR/coordinator.db */
	const char *tls_cert, *tls_key;
	const char *relay_map;
	const char *policy;
	const char *mesh_v4, *mesh_v6;
	const char *metrics;
};

/* Runs until SIGTERM or SIGINT. Returns the exit status: 0, 1 with one line on stderr, 2 where the
 * settings contradict each other. */
int serve_run(const struct serve_settings *settings);

#endif
