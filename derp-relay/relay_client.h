/*
 * relay_client: one client of a relay: a client_conn on its TLS (or plain) connection or WebSocket.
 *
 *	taken --> login --> waits for admission --> served --doomed--> freed at the round's end
 *
 * What the halves of it share: relay_client.c (its beginning, its end, writing),
 * relay_client_read.c (reading), relay_host.c (what the thread does with all of them). Nobody else
 * includes it.
 */
#ifndef WARREN_RELAY_CLIENT_H
#define WARREN_RELAY_CLIENT_H

#include "derp-relay/relay_host.h"
#include "derp-relay/switchboard.h"

struct tls_conn;
struct websocket;

/* The largest message of a WebSocket that is taken. */
enum { RELAY_MESSAGE_MAX = 128 * 1024 };

struct relay_client {
	struct client_conn core;
	struct relay_host *host;
	struct relay_client *next, *prev;
	struct relay_client *next_again;
	struct tls_conn *tls; /* the WebSocket's own where there is one */
	struct websocket *ws;
	uint8_t *stash; /* the beginning of a frame, or what waits while nothing is read */
	uint32_t stash_len;
	uint32_t in_flight; /* packets given to the connection since its queue was empty */
	bool doomed;
	bool reads_again; /* in host->again */
	bool paused;
	bool in_admission; /* main counts this connection */
};

/* It goes at the end of this round, for this reason. Harmless twice. */
void relay_client_doom(struct relay_client *c, enum close_reason reason);
void relay_client_free(struct relay_client *c);
struct relay_client *relay_client_of(struct port *port);

/* Gives the connection a batch of what waits for it. */
void relay_client_pump(struct relay_client *c);

/* Is anything to be read off it now: neither doomed, nor held back by its rate or for admission? */
bool relay_client_may_read(const struct relay_client *c, uint64_t now_us);
/* Callbacks of its connection; arg: the client. */
void relay_client_on_readable(void *arg);
void relay_client_on_message(void *arg, bool text, const uint8_t *bytes, size_t len);
/* A message about it to the main thread, which keeps admission. */
void relay_client_tell_main(struct relay_client *c, enum message_kind kind);
/* Admission's word. */
void relay_client_admit(struct relay_client *c, bool allowed);
/* What was held back may come. */
void relay_client_go_on(struct relay_client *c);

/* Looks at those held back by their rate, soon. */
void relay_host_throttle(struct relay_host *host);

#endif
