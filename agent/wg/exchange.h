/*
 * exchange: a device's handshakes: builds and answers messages, installs and retires keypairs.
 *
 * The half of the device that works with one peer and one message; device.h is the whole, and
 * device.c its only caller.
 */
#ifndef WARREN_EXCHANGE_H
#define WARREN_EXCHANGE_H

#include "agent/wg/cookie.h"
#include "agent/wg/device.h"
#include "agent/wg/effects.h"
#include "agent/wg/noise.h"
#include "agent/wg/ratelimit.h"
#include "agent/wg/roster.h"
#include "agent/wg/tai64n.h"

struct exchange {
	struct hash *hash;
	struct aead *aead;
	struct index_table *table; /* borrowed */
	struct noise_identity identity;
	struct cookie_checker checker;
	struct ratelimit *ratelimit; /* NULL until we were under load */
	struct tai64n tai;
	struct roster roster;
	struct effects effects;
	uint64_t dropped[WG_DROP_COUNT];
};

/* What one event brings: its time, and as much randomness as it needs. To be wiped after. */
struct event {
	uint64_t now_us;
	uint64_t unix_us;
	uint8_t seed[32];
	struct wg_peer *outdated; /* whose initiation was older than its last; or NULL */
};

struct event event_begin(const struct wg_moment *at);
/* Random bytes, others each time. */
void event_draw(struct event *ev, void *out, size_t len);

/* Sends an initiation to a usable peer, whatever was sent before. */
void exchange_initiate(struct exchange *x, struct wg_peer *peer, bool is_retry, struct event *ev);

/* wg_device_on_handshake_packet. */
int exchange_on_packet(struct exchange *x, const uint8_t *pkt, size_t len,
		       const struct wg_source *source, bool under_load, struct event *ev,
		       struct wg_peer **from, enum wg_drop *why);

/* Makes NEXT current if it has received its first packet: the handshake we answered is complete. */
void exchange_on_first_packet(struct exchange *x, struct wg_peer *peer, struct event *ev);

/* The initiation that waits, if any, is forgotten. */
void exchange_cancel_initiation(struct exchange *x, struct wg_peer *peer);

/* All of peer's keypairs are retired. */
void exchange_retire_keypairs(struct exchange *x, struct wg_peer *peer);

#endif
