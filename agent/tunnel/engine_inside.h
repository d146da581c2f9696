/*
 * engine_inside: what engine.c (the interface: sockets, identity, its life), engine_hear.c (what
 * lanes tell and the WireGuard core asks for) and engine_peer.c (its peers) share and nobody else
 * sees. Main thread only.
 */
#ifndef WARREN_ENGINE_INSIDE_H
#define WARREN_ENGINE_INSIDE_H

#include <event2/event.h>

#include "agent/tunnel/engine.h"
#include "agent/tunnel/lane.h"
#include "agent/tunnel/lane_thread.h"
#include "agent/wg/device.h"
#include "agent/wg/load.h"
#include "common/net/loop.h"

struct engine_peer {
	struct lane_peer lane; /* first: lanes and the core hand this one around */
	struct engine *engine;
	struct wg_peer *wg;
	void *user;
	struct engine_peer *prev, *next;
	struct endpoint last_from;
	uint64_t handshake_rx_bytes, handshake_tx_bytes;
	struct prefix *prefixes; /* what engine_peer_allowed_ips last gave */
	bool is_removed;	 /* only the lane's word that it let go is awaited */
};

struct engine {
	struct event_base *base;
	struct engine_ops ops;
	void *arg;
	bool roaming, is_stopped;
	struct tun tun;
	uint32_t fwmark;
	struct secret_key secret;
	struct wg_device *device;
	struct load load;
	struct allowed_ips *routes;
	struct lane_view view;
	struct lane lane;
	struct lane_thread *lane_thread; /* NULL: stopped */
	struct engine_peer *first, *last;
	struct engine_peer *leaving; /* removed, until the lane let go; linked by next */
	uint64_t handshake_drops, handshakes_taken;
	struct event *on_mail, *on_ring;
	struct loop_timer *device_timer, *reclaim_timer;
	/* Of the handshake packet being answered; WAY_NONE else. */
	struct way reply_to;
	bool is_saving;
};

/* The moment of an event, with fresh random bytes. */
struct wg_moment engine_moment(void);
/* Does what the core asked for and arms its timer: after each of its calls that took a moment. */
void engine_do_effects(struct engine *engine);
void engine_on_device_deadline(void *arg, uint64_t now_us); /* arg: the engine */
/* Watches the lane's ring and mail. -ENOMEM. */
MUST_CHECK int engine_listen(struct engine *engine);
/* Takes all that the lane has pushed so far. */
void engine_read_all_records(struct engine *engine);
/* Gives lanes the routes as they are now. */
void engine_publish_routes(struct engine *engine);
/* Frees what lanes let go of, now and again until nothing is left. */
void engine_reclaim(struct engine *engine);

/* From the peer's mail. */
void engine_peer_on_left(struct engine_peer *peer);
/* Data or a handshake of the peer came from there. */
void engine_peer_on_heard(struct engine_peer *peer, const struct way *from);
void engine_peer_free(void *peer);
void engine_peer_post(struct engine_peer *peer, unsigned bits);

static inline struct engine_peer *engine_peer_of_lane(struct lane_peer *lane)
{
	return (struct engine_peer *)(void *)lane;
}

#endif
