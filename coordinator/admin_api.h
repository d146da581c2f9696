/*
 * admin_api: the HTTP requests of admins and relays, as functions from request to answer.
 *
 * Knows paths and JSON, no connection: front.c has checked who asks. docs/OPERATING.md lists the
 * paths.
 */
#ifndef WARREN_ADMIN_API_H
#define WARREN_ADMIN_API_H

#include "common/proto/invitation.h"
#include "coordinator/coordinator.h"

enum { ADMIN_PATH_LEN = 256 };

struct admin_request {
	const char *method; /* "GET" */
	const char *path;   /* "/v1/nodes", decoded, without the query */
	uint64_t after;	    /* of the query: audit rows above this id */
	size_t limit;
	bool newest;
	const char *body;
	size_t len;
	bool is_local;			   /* over the admin socket */
	const uint8_t *random;		   /* MANAGE_RANDOM_LEN bytes */
	const struct invitation *template; /* URL and pin of every invitation */
};

struct admin_answer {
	unsigned status;
	char *json; /* the caller frees it */
};

void admin_api_answer(struct coordinator *c, const struct admin_request *request,
		      const struct moment *now, struct admin_answer *out);

/* POST /v1/relay/admit: a relay asks whether a node key may use it; secret is its bearer token. */
void admin_api_admit(struct coordinator *c, const char *secret, const char *body, size_t len,
		     struct admin_answer *out);

#endif
