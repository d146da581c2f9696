/*
 * publish: tells the nodes concerned, at once, what changed in the mesh.
 *
 * Every change takes a number of the log (netmap.h) and goes as a delta to each session whose node
 * may see it (sight.h); a viewer without a session gets it when it comes back. What differs between
 * viewers is only who may start what, so a text is made once for all viewers alike.
 */
#ifndef WARREN_PUBLISH_H
#define WARREN_PUBLISH_H

#include "coordinator/coordinator.h"
#include "coordinator/node_session.h"

/* n joined or changed. */
void publish_node(struct coordinator *c, struct node *n);
/* n goes: to be called before it leaves the registry. */
void publish_removal(struct coordinator *c, const struct node *n);
/* The policy changed: every session gets a full map. */
void publish_everything(struct coordinator *c);
/* The relay map changed. */
void publish_relays(struct coordinator *c);

/* One session alone: the relay map; the map since number, or all of it where number is of another
 * epoch or too old. */
void publish_relays_to(struct coordinator *c, struct node_session *s);
void publish_map_to(struct coordinator *c, struct node_session *s, uint64_t epoch, uint64_t number);

/* Sends any message to one session. */
void publish_message(struct coordinator *c, struct node_session *s,
		     const struct control_message *m);

#endif
