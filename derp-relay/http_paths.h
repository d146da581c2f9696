/*
 * http_paths: what the relay's web paths answer.
 *
 * A table from path to answer; the upgrades of /derp are left to the worker. The same on TLS and on
 * the plain port, but for /derp itself, which the plain port has only where the relay serves no TLS
 * at all. Specification: docs/PROTOCOL.md, "DERP"; a pure core.
 */
#ifndef WARREN_HTTP_PATHS_H
#define WARREN_HTTP_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/key.h"

struct http_head;

enum http_path_kind {
	HTTP_PATH_REPLY, /* status, type, fields and body say it all */
	HTTP_PATH_RAW,	 /* upgrade to DERP, after the 101 with `fields` */
	HTTP_PATH_FAST,	 /* the same without any answer: the client knows our key and has begun */
	HTTP_PATH_WEBSOCKET, /* upgrade to a WebSocket of subprotocol derp */
};

enum { HTTP_PATH_FIELDS_LEN = 512 };

struct http_path_answer {
	enum http_path_kind kind;
	bool not_ideal; /* the client wanted another node of its region */
	unsigned status;
	const char *type; /* content type, or NULL */
	const char *body;
	char fields[HTTP_PATH_FIELDS_LEN]; /* "Name: value\r\n" lines */
};

/* serves_derp: this port may carry DERP. pub is the relay's key. */
void http_paths_answer(const struct http_head *head, const struct public_key *pub, bool serves_derp,
		       struct http_path_answer *out);

#endif
