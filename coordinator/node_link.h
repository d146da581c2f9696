/*
 * node_link: the WebSocket connections of nodes, each with its session in the core.
 *
 * A shell: carries texts in and out and draws nonces; node_session.h decides.
 */
#ifndef WARREN_NODE_LINK_H
#define WARREN_NODE_LINK_H

#include "coordinator/coordinator.h"

struct http_exchange;

struct node_links { /* all zero: none */
	struct link *first;
};

/* What the core does with a link. */
extern const struct coordinator_ops node_link_ops;

/* Ends x: with an upgrade and a session, or with 426. */
void node_links_open(struct node_links *links, struct coordinator *core, struct http_exchange *x);
/* Closes all at once. */
void node_links_close(struct node_links *links);

#endif
