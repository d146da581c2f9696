/*
 * front: which request is whose: node sessions, the relays' question, the admin API.
 *
 * The public listener has the node session, /healthz, /v1/relay/admit and, with an admin key, the
 * admin API; the socket in the state directory has the admin API for those who may open it. A thin
 * shell between http and admin_api, node_link.
 */
#ifndef WARREN_FRONT_H
#define WARREN_FRONT_H

#include "common/proto/invitation.h"
#include "coordinator/coordinator.h"
#include "coordinator/node_link.h"

struct http_exchange;

struct front {
	struct coordinator *core; /* borrowed */
	struct node_links links;
	struct invitation template; /* URL and pin of every invitation */
};

/* on_request of the two servers; arg is the front. */
void front_on_public_request(void *arg, struct http_exchange *x);
void front_on_local_request(void *arg, struct http_exchange *x);

#endif
