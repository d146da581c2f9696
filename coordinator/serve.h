/*
 * serve: the process around the server: signals, systemd, and the first invitation on standard
 * output.
 */
#ifndef WARREN_SERVE_H
#define WARREN_SERVE_H

struct server_settings;

/* Runs until SIGTERM or SIGINT. Returns the exit status: 0, 1 with one line on stderr, 2 where the
 * settings contradict each other. */
int serve_run(const struct server_settings *settings);

#endif
