/*
 * relay_host: the clients of one worker thread, and what they share: buffers, counters, the
 * relay's identity, the thread's seat at the switchboard.
 *
 * A worker owns one and all clients on it. Clients die in one place, the host's reap event, at the
 * end of a round of the loop: anything else only dooms them, so that no callback frees what its
 * caller still uses. What is read comes in through the host's one buffer and what is written leaves
 * through it; an idle client holds neither, and keeps bytes only of a frame that has begun.
 */
#ifndef WARREN_RELAY_HOST_H
#define WARREN_RELAY_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "derp-relay/client_conn.h"
#include "derp-relay/http_paths.h"

struct event;
struct event_base;
struct http_exchange;
struct relay_client;
struct switchboard;

enum close_reason {
	CLOSED_BY_CLIENT,  /* its end of the stream, or a broken connection */
	CLOSED_PROTOCOL,   /* a frame malformed, or not allowed */
	CLOSED_LOGIN,	   /* no login in time, or one that does not open */
	CLOSED_REFUSED,	   /* admission said no */
	CLOSED_WRITE_LATE, /* read too slowly: the write deadline */
	CLOSED_BY_MESH,	   /* ClosePeer, or a watcher that missed a note */
	CLOSED_NO_MEMORY,
	CLOSED_DRAIN, /* the relay goes away */
	CLOSE_REASONS
};

const char *close_reason_str(enum close_reason reason);

/* Counters of a host, read by other threads. */
struct relay_host_counters {
	_Atomic uint64_t closed[CLOSE_REASONS];
	_Atomic uint64_t websockets; /* accepted */
};

enum { HOST_READ_BYTES = 16 * 1024, HOST_WRITE_BYTES = 32 * 1024 };

struct relay_host {
	struct event_base *base;
	struct switchboard *switchboard;
	uint16_t seat;	    /* this thread's */
	uint16_t main_seat; /* where admission is asked */
	bool asks_admission;
	struct client_env env;

	struct relay_client *clients;
	size_t count;
	bool has_doomed;
	struct relay_client *again; /* have more to read than their share of a round */
	struct event *reap_event, *again_event, *throttle_event;
	struct relay_host_counters counters;
	uint8_t *in;  /* CLIENT_BYTES_MAX and what one read brings */
	uint8_t *out; /* CLIENT_BYTES_MAX */
};

/* The fields up to env are set by the caller. -ENOMEM. */
MUST_CHECK int relay_host_init(struct relay_host *host);
/* Closes every client. Also after a _init that failed, and without one. */
void relay_host_wipe(struct relay_host *host);

/* Ends x by upgrading it as the answer says, and serves its client. */
void relay_host_take(struct relay_host *host, struct http_exchange *x,
		     const struct http_path_answer *answer);

/* Writes what the hub has for this host's clients; to be called when the seat was woken. */
void relay_host_serve(struct relay_host *host);
/* Admission's word on all connections of key. */
void relay_host_on_decision(struct relay_host *host, const struct public_key *key, bool allowed);
/* Deadlines: logins, keep-alives, writes that hang. To be called some four times a second. */
void relay_host_sweep(struct relay_host *host, uint64_t now_us);
/* Tells every client that the relay goes away; they are served on. */
void relay_host_say_goodbye(struct relay_host *host);

#endif
