/*
 * coordinator_link: the node's standing session with its coordinator.
 *
 * A shell around control_session (which decides when to dial, what to say and when to come back):
 * resolves, dials, speaks TLS and WebSocket, signs the proof. Reconnects by itself until freed.
 * Main thread only; every op is called on it, never from within a call into the link.
 */
#ifndef WARREN_COORDINATOR_LINK_H
#define WARREN_COORDINATOR_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto/control.h"
#include "common/proto/invitation.h"

struct event_base;
struct coordinator_link;

struct coordinator_link_ops {
	/* Fill in everything but the proof: asked anew at each connection. Zeroed beforehand. */
	void (*make_hello)(void *arg, struct control_hello *out);
	/* A connection that stood broke, welcomed or not; the link may not be freed here: on_state
	 * follows. */
	void (*on_broken)(void *arg);
	/* The welcome came (connected), or the session ended (error: one line for people). */
	void (*on_state)(void *arg, bool connected, const char *error);
	/* welcome, relays, map, in the order they came; borrowed during the call. A map is to be
	 * acknowledged by coordinator_link_ack once it is applied. */
	void (*on_message)(void *arg, const struct control_message *m);
	/* The coordinator refuses this node for good (token, name, removed …): the link stays down
	 * until it is freed or coordinator_link_retry is called. */
	void (*on_refused)(void *arg, const struct control_error *error);
};

struct coordinator_link_config {
	struct event_base *base;
	const char *url;     /* https://host[:port], copied */
	const uint8_t *pin;  /* INVITATION_PIN_LEN bytes of SPKI hash, copied; NULL: authorities */
	const char *ca_file; /* further authorities, or NULL */
	const struct machine_secret *machine; /* borrowed for the link's life */
	const struct coordinator_link_ops *ops;
	void *arg;
};

/* Dials in the next round of the loop. -EINVAL with a line in error for a URL or CA file that is
 * wrong. */
enum { COORDINATOR_ERROR_LEN = 256 };
MUST_CHECK int coordinator_link_new(const struct coordinator_link_config *cfg,
				    struct coordinator_link **out,
				    char error[static COORDINATOR_ERROR_LEN]);
/* NULL is fine. Closes at once. */
void coordinator_link_free(struct coordinator_link *link);

/* Sent at once where connected; otherwise the next hello says it (make_hello). */
void coordinator_link_send_where(struct coordinator_link *link, const struct control_where *where);
void coordinator_link_send_keys(struct coordinator_link *link, const struct control_keys *keys);
void coordinator_link_ack(struct coordinator_link *link, uint64_t map_number);
/* Another connection of this node's broke: the coordinator is asked whether this one stands. */
void coordinator_link_doubt(struct coordinator_link *link);
/* The network changed or the machine woke: the connection proves itself now, or is dialled anew. */
void coordinator_link_check(struct coordinator_link *link);
/* Dial now, whatever the back-off said, also after a refusal. */
void coordinator_link_retry(struct coordinator_link *link);

#endif
