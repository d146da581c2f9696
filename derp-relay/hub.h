/*
 * hub: who is connected to this relay, and who gets what.
 *
 * Keeps every connection by its key, several to a key: the last writer (a new connection, or one
 * that speaks) is active and gets what is sent to the key. Keeps mesh peers that know other keys
 * (forwarders). Packets go to a local connection, else to the oldest forwarder, else are dropped
 * and counted. No socket, no clock, no thread: workers call it under one lock, which they hold for
 * a batch of frames (some microseconds). One lock rather than a ring for each pair of workers:
 * lookup, queue and bookkeeping of a packet take well under a microsecond beside its TLS work,
 * which runs outside; and a queue shared by all senders is what lets the oldest be dropped.
 *
 *	unknown --hub_add, hub_link_on_present--> present --the last one leaves--> unknown
 *
 * Told of it: watchers (mesh), of every local connection and of a key's last one gone; and those
 * who had packets from the key, once nobody in the region has it (PeerGone).
 *
 * Specification: docs/PROTOCOL.md, "DERP". Called by client_conn, worker and mesh.
 */
#ifndef WARREN_HUB_H
#define WARREN_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "common/wire.h"
#include "derp-relay/forwarder.h"
#include "derp-relay/port.h"
#include "derp-relay/ready.h"

enum { HUB_WORKERS_MAX = READY_WORKERS_MAX, HUB_SEED_LEN = 16 };

enum drop_reason {
	DROP_UNKNOWN_DEST,	  /* nobody here has that key, and no mesh peer knows it */
	DROP_UNKNOWN_DEST_ON_FWD, /* forwarded to us for a key that is not here; never forwarded
				     again */
	DROP_GONE_DISCONNECTED,	  /* still queued when the receiver went */
	DROP_QUEUE_HEAD,	  /* the oldest of a full queue */
	DROP_QUEUE_TAIL,	  /* no memory left for waiting packets */
	DROP_WRITE_ERROR,	  /* taken from the queue, and the connection broke while writing */
	DROP_REASONS
};

/* "unknown_dest" and so on, for metrics. */
const char *drop_reason_str(enum drop_reason reason);

/* Upper bounds of the waiting times that are counted; the last counter has no bound. */
enum { HUB_WAIT_BUCKETS = 8 };
extern const uint32_t hub_wait_bounds_us[HUB_WAIT_BUCKETS - 1];

struct hub_counters {
	uint64_t packets_in, bytes_in; /* payload taken from clients and from the mesh */
	uint64_t packets_out, bytes_out;
	uint64_t forwarded_in,
		forwarded_out; /* those of the above that came from or went to the mesh */
	uint64_t drops[DROP_REASONS][PACKET_KINDS];
	uint64_t notes_dropped;
	uint64_t waits[HUB_WAIT_BUCKETS]; /* packets by time from arrival to being written */
	uint64_t wait_sum_us;
	uint64_t logins;
	uint64_t connections, homes, keys, watchers, forwarders; /* now */
};

struct hub;
struct hub_key;

struct hub_conn { /* embedded in the caller's connection; key, from, flags are set before hub_add */
	struct port port;
	struct public_key key;
	struct endpoint from;
	struct hub_key *entry;	/* NULL while not added */
	struct hub_conn *older; /* of the same key */
	struct hub_conn *next_watcher;
	uint64_t not_here_at_us; /* token bucket of "not here" notes: the time its debt is paid off
				  */
	uint8_t flags;		 /* enum derp_present_flag */
	bool watching;
	bool preferred; /* its client calls this relay home */
};

struct hub_link { /* our own session to another relay of the mesh */
	struct port port;
	struct forwarder *forwarders; /* keys it knows */
};

/* seed: random, so that nobody can choose colliding keys. queued_bytes_max bounds what waits. */
struct hub *hub_new(const uint8_t seed[static HUB_SEED_LEN], size_t queued_bytes_max);
void hub_free(struct hub *hub); /* after every connection and link has been removed */

/* ---- clients */
/* conn stays the caller's until hub_remove. It is its key's active connection from now. -ENOMEM. */
MUST_CHECK int hub_add(struct hub *hub, struct hub_conn *conn);
/* Undoes hub_add: what is queued is dropped and counted, and those concerned are told. Harmless
 * twice. */
void hub_remove(struct hub *hub, struct hub_conn *conn);
/* conn has spoken: packets for its key go to it. */
void hub_on_frame(struct hub *hub, struct hub_conn *conn);
/* Whether the client calls this relay its home. */
void hub_on_preferred(struct hub *hub, struct hub_conn *conn, bool preferred);
void hub_on_packet(struct hub *hub, struct hub_conn *conn, const struct public_key *dst,
		   const uint8_t *data, size_t len, uint64_t now_us);

/* ---- mesh: what clients with the mesh key may do */
/* A packet that another relay of the region sends on. */
void hub_on_forwarded(struct hub *hub, const struct public_key *src, const struct public_key *dst,
		      const uint8_t *data, size_t len, uint64_t now_us);
/* conn hears of every connection from now on, and of those that stand first. */
void hub_watch(struct hub *hub, struct hub_conn *conn);
/* Every connection of key is marked to be closed. */
void hub_close_key(struct hub *hub, const struct public_key *key);

/* ---- mesh: our sessions to other relays */
void hub_link_on_present(struct hub *hub, struct hub_link *link, const struct public_key *key);
void hub_link_on_gone(struct hub *hub, struct hub_link *link, const struct public_key *key);
/* The session broke: all it knew is forgotten, all it had queued dropped. */
void hub_link_down(struct hub *hub, struct hub_link *link);

/* ---- workers */
/* The next port of a worker with something to write or to be closed, off the list now; NULL: none,
 * and the worker may sleep until it is woken. */
struct port *hub_next_ready(struct hub *hub, uint16_t worker);
/* Sleeping workers that got something to do since the last call, one bit each: wake them. */
uint64_t hub_take_wakes(struct hub *hub);
/* Writes whole frames of port until w is full or nothing waits. Returns the packets written. */
unsigned hub_pull(struct hub *hub, struct port *port, struct writer *w, uint64_t now_us);
/* packets pulled were lost with their connection. */
void hub_on_write_lost(struct hub *hub, unsigned packets);

/* Calls fn for the key and address of each connection, for admission. */
void hub_each(struct hub *hub, void (*fn)(void *arg, const struct hub_conn *conn), void *arg);
void hub_count(const struct hub *hub, struct hub_counters *out);

static inline struct hub_conn *hub_conn_of(struct port *port)
{
	return (struct hub_conn *)(void *)((char *)port - offsetof(struct hub_conn, port));
}

#endif
