/*
 * daemon_link: one request to warrend over its Unix socket, and its answers line by line
 * (agent/local/local_server.h has the protocol). A shell; blocks.
 */
#ifndef WARREN_DAEMON_LINK_H
#define WARREN_DAEMON_LINK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/json.h"
#include "common/wire.h"

enum { DAEMON_ERROR_LEN = 512, DAEMON_PATH_LEN = 108 };

/* Where the daemon listens: given, or this user's own daemon where there is one, else the system's.
 */
void daemon_path(const char *given, char out[static DAEMON_PATH_LEN]);

/* sd_booted(3): systemd runs this machine. */
bool daemon_has_systemd(void);

/* Connects. -errno with one line in error that says what to do. */
MUST_CHECK int daemon_connect(const char *path, int *fd, char error[static DAEMON_ERROR_LEN]);

/* A line of answer but the last: its text, NUL behind it, and that parsed. */
typedef void daemon_line_fn(void *arg, const char *text, const struct json_in *line);

struct daemon_answer {
	int exit_status;
	bool interrupted;	      /* *stop became true first */
	char error[DAEMON_ERROR_LEN]; /* "" where it went well */
};

/* Sends the request (freed here) and calls on_line for each answer. The socket is closed. stop, if
 * not NULL, ends the waiting once a signal handler has set it. Where the daemon goes away in the
 * middle, exit_status is 1 and error says so. */
void daemon_ask(int fd, struct json *request, daemon_line_fn *on_line, void *arg,
		const volatile sig_atomic_t *stop, struct daemon_answer *out);

#endif
