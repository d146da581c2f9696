/*
 * admin_client: one request of an admin command, over the local socket or to a server afar. Blocks
 * until it is answered.
 */
#ifndef WARREN_ADMIN_CLIENT_H
#define WARREN_ADMIN_CLIENT_H

#include <stddef.h>

#include "common/wire.h"

enum { ADMIN_ERROR_LEN = 512 };

struct admin_target {
	const char *state_dir;	    /* whose admin.sock, where server is NULL */
	const char *server;	    /* https://host[:port] */
	const char *admin_key_file; /* needed with server */
	const char *ca_file;	    /* or NULL */
	const char *pin;	    /* "sha256:HEX" of the server's key, or NULL */
};

/* 0 where the answer's status is 200: *answer is its JSON text, the caller's to free. Else -errno
 * with one line in error, the server's own where it gave one. */
MUST_CHECK int admin_call(const struct admin_target *target, const char *method, const char *path,
			  const char *body, size_t len, char **answer,
			  char error[static ADMIN_ERROR_LEN]);

#endif
