/*
 * switchboard: the hub with its lock, and how its threads wake and tell each other.
 *
 * Every thread that serves ports (the workers, and main for the mesh links) has a seat: a number,
 * an eventfd, and an inbox of rare messages (a connection handed over, an admission). Packets do
 * not pass here: they lie in the hub's queues, and a seat that sleeps is woken once. Thread-safe
 * throughout.
 */
#ifndef WARREN_SWITCHBOARD_H
#define WARREN_SWITCHBOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "common/wire.h"

struct hub;
struct switchboard;

enum message_kind {
	MESSAGE_ACCEPTED,   /* main to worker: serve fd, plain or TLS */
	MESSAGE_DECISION,   /* main to workers: what admission says of key */
	MESSAGE_CONNECT,    /* worker to main: key asks to be admitted */
	MESSAGE_DISCONNECT, /* worker to main: a connection of key has ended */
	MESSAGE_RELOAD,	    /* main to workers: certificates and limits */
	MESSAGE_DRAIN,	    /* main to workers: say goodbye and close */
	MESSAGE_DRAINED,    /* worker to main: everything has been said */
};

struct message {
	struct message *next;
	struct public_key key;
	struct endpoint from;
	int fd;
	enum message_kind kind;
	bool plain;			  /* ACCEPTED: on the plain port */
	bool allowed;			  /* DECISION */
	uint64_t rate_bytes, burst_bytes; /* RELOAD */
};

/* hub is taken over. NULL where descriptors or memory run out. */
struct switchboard *switchboard_new(struct hub *hub, uint16_t seats);
/* After all threads but the caller's have ended; open connections in inboxes are closed. */
void switchboard_free(struct switchboard *sb);

struct hub *switchboard_lock(struct switchboard *sb);
/* Wakes the seats that have been given something. True where the caller's own seat has been. */
bool switchboard_unlock(struct switchboard *sb, uint16_t seat);

/* Readable when the seat has been woken; switchboard_rest clears it. */
int switchboard_fd(const struct switchboard *sb, uint16_t seat);
void switchboard_rest(struct switchboard *sb, uint16_t seat);

/* Copies message into the seat's inbox and wakes it. Out of memory it is lost (and its fd closed).
 */
void switchboard_tell(struct switchboard *sb, uint16_t seat, const struct message *message);
/* The oldest message of the seat; false where none is. */
bool switchboard_hear(struct switchboard *sb, uint16_t seat, struct message *out);

#endif
