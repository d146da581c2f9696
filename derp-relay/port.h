/*
 * port: what waits to be written to one connection.
 *
 * Three queues, drained in this order: notes (peers that came or went), disco packets, all other
 * packets. Each packet queue holds PORT_DEPTH, and up to PORT_BURST while its oldest is younger
 * than PORT_WAIT_US: a quick reader gets a sender's whole burst, since one lost packet halves the
 * TCP stream inside; a slow one never holds back a sender and hears the newest. An idle port is a
 * hundred bytes: packets sit in the pool's buffers, not in arrays here. Embedded in a hub_conn (a
 * client) or a hub_link (our own session to another relay of the mesh); part of the hub and covered
 * by its lock.
 */
#ifndef WARREN_PORT_H
#define WARREN_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "common/wire.h"
#include "derp-relay/packet.h"

enum { PORT_DEPTH = 32, PORT_BURST = 512, PORT_WAIT_US = 10 * 1000 };

/* A client that follows nobody hears of at most so many departures at once; a mesh peer gets all.
 */
enum { PORT_NOTES_MAX = 1024, PORT_WATCH_NOTES_MAX = 1 << 18 };

enum port_kind { PORT_CLIENT, PORT_MESH_LINK };

enum packet_kind { PACKET_DISCO, PACKET_OTHER, PACKET_KINDS };

struct port_note {
	struct port_note *next;
	struct public_key key;
	struct endpoint from; /* of a peer that is present */
	bool present;
	uint8_t detail; /* present: PeerPresent flags; gone: PeerGone reason */
};

struct port {
	struct port *next_ready; /* in the hub's list of its worker */
	struct packet_queue queue[PACKET_KINDS];
	struct port_note *first_note;
	struct port_note *last_note;
	uint32_t notes;
	uint16_t worker;
	uint8_t kind; /* enum port_kind */
	bool ready;   /* is in that list */
	bool close;   /* to be closed by its worker at the next service */
};

bool port_is_empty(const struct port *port);

/* Takes p over. */
void port_push(struct port *port, struct packet *p);

/* The oldest packet of a queue that holds too much at this time, now the caller's; NULL where it
 * doesn't. To be asked until NULL behind each push. */
struct packet *port_pop_surplus(struct port *port, enum packet_kind kind, uint64_t now_us);

/* -ENOBUFS where max notes wait already, -ENOMEM. */
MUST_CHECK int port_push_note(struct port *port, const struct port_note *note, uint32_t max);

/* Writes the oldest note or packet as one DERP frame. -EAGAIN: nothing waits. -ENOBUFS: it doesn't
 * fit behind what w holds, and stays. *sent is the packet written, now the caller's, or NULL for a
 * note. */
MUST_CHECK int port_pull(struct port *port, struct writer *w, struct packet **sent);

void port_drop_notes(struct port *port);

#endif
