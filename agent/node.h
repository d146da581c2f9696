/*
 * node: warrend. Joins the rooms: the engine and its peers, the standing links, the network around
 * this machine, the history and the local socket. It carries what one says to the other and holds
 * no rule of its own.
 *
 *	OFF --up, or a saved identity that is up--> ON --down--> OFF
 *
 * OFF: only the local socket. ON: TUN, engine, relay thread, coordinator link, peers.
 */
#ifndef WARREN_NODE_H
#define WARREN_NODE_H

#include "agent/settings.h"
#include "common/wire.h"

struct node;

enum { NODE_ERROR_LEN = 1400 };

/* Reads the state and opens what the settings ask for. -errno with one line in error. */
MUST_CHECK int node_new(const struct settings *settings, struct node **out,
			char error[static NODE_ERROR_LEN]);
/* Runs until SIGTERM or SIGINT. The exit status. */
int node_run(struct node *node);
void node_free(struct node *node);

#endif
