/*
 * local_server: the Unix socket by which `warren` speaks to warrend.
 *
 * A connection carries one request, a line of JSON {"cmd": "status", …}, and its answers: lines of
 * JSON, the last one {"done": true, "exit": N} with "error": "one line" where N is not 0. The
 * socket is 0666 in a directory 0755; who asks is known by SO_PEERCRED. A shell; main thread only.
 */
#ifndef WARREN_LOCAL_SERVER_H
#define WARREN_LOCAL_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/json.h"
#include "common/wire.h"

struct event_base;
struct local_server;
struct local_request;

enum { LOCAL_ERROR_LEN = 256, LOCAL_REQUEST_MAX = 64 << 10 };

/* What the connection asks for; valid until local_done or until on_cancel was called. */
const char *local_request_cmd(const struct local_request *req);
/* The whole request, for its other fields. */
const struct json *local_request_body(const struct local_request *req);
uid_t local_request_uid(const struct local_request *req);
/* Root, the daemon's own user, or the operator. */
bool local_request_is_privileged(const struct local_request *req);

struct local_server_ops {
	/* A request came. Answer it now or later. */
	void (*on_request)(void *arg, struct local_request *req);
	/* The client went away before local_done: forget req. */
	void (*on_cancel)(void *arg, struct local_request *req);
};

/* operator: -1: none. -EADDRINUSE: a live process listens there; other -errno; error gets one line.
 * A socket with no process behind it is replaced. */
#define LOCAL_NO_OPERATOR ((uid_t)-1)
MUST_CHECK int local_server_new(struct event_base *base, const char *path, uid_t operator_uid,
				const struct local_server_ops *ops, void *arg,
				struct local_server **out, char error[static LOCAL_ERROR_LEN]);
/* Ends open requests without an answer and removes the socket. NULL is fine. */
void local_server_free(struct local_server *server);

/* One line of answer; takes tree over. */
void local_reply(struct local_request *req, struct json *tree);
/* The end: exit is what the command is to exit with. error may be NULL. req is gone afterwards. */
void local_done(struct local_request *req, int exit_status, const char *error);

/* Whether one more connection is taken, of n_all and n_of_uid that stand: nobody may keep those out
 * who command the daemon, nor one user all others. */
bool local_has_room(bool privileged, size_t n_all, size_t n_of_uid);

/* The caller's own mark on a request (a running ping, a waiting up). */
void local_request_set_data(struct local_request *req, void *data);
void *local_request_data(const struct local_request *req);

#endif
