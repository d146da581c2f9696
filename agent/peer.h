/*
 * peer: one peer of the network map, joined: its engine peer (WireGuard, lanes), its path_peer
 * (where packets go), its disco key and what is measured of it.
 *
 * Holds no rule: it carries messages between rooms that do not know each other. Events enter by
 * name, path's actions are carried out here. Sealed messages leave through peer_env, by which the
 * node lends what all peers share. Main thread only.
 */
#ifndef WARREN_PEER_H
#define WARREN_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/disco_box.h"
#include "agent/measure/event.h"
#include "agent/measure/timeline.h"
#include "agent/path/path_peer.h"
#include "agent/tunnel/engine.h"
#include "common/proto/control.h"
#include "common/proto/disco.h"

struct peer;

/* What the node lends; borrowed for every peer's life. */
struct peer_env {
	struct engine *engine;
	const struct disco_keys *disco_keys;
	struct public_key node_public;
	const struct candidate_rules *rules;
	enum path_obstacle obstacle; /* to direct ways, here; peers are told by peer_on_obstacle */

	/* One packet to a peer's node key through a relay we have a session with. */
	void (*send_relay)(void *arg, uint32_t region, const struct public_key *to,
			   const uint8_t *buf, size_t len);
	/* The next number of those that only rise, over restarts too. */
	uint64_t (*next_serial)(void *arg);
	size_t (*own_endpoints)(void *arg, struct endpoint *out, size_t max);
	void (*ask_endpoints)(void *arg);
	/* The choice moved: for the log. */
	void (*on_moved)(void *arg, struct peer *peer, const struct path_choice *choice);
	/* For the history; peer's name and id are filled in. */
	void (*on_event)(void *arg, const struct event *event);
	void (*on_sample)(void *arg, const struct sample *sample);
	/* A pong of one of ours, path_peer_ping's among them. */
	void (*on_pong)(void *arg, struct peer *peer, const uint8_t txid[static DISCO_TXID_LEN],
			uint64_t now_us);
	void *arg;
};

/* Adds the peer to the engine. -errno of engine_peer_add, or -EPROTO for a bad disco key. */
MUST_CHECK int peer_new(const struct peer_env *env, const struct control_peer *info,
			uint64_t now_us, struct peer **out);
/* Tells of a gap that is not over, as far as it was seen. */
void peer_free(struct peer *peer);

/* The map says something new of it. Another node key is another peer: -EKEYREJECTED. */
MUST_CHECK int peer_update(struct peer *peer, const struct control_peer *info, uint64_t now_us);

/* What peer_env.disco_keys points to was set anew. */
void peer_on_own_disco_key(struct peer *peer);

const struct control_peer *peer_info(const struct peer *peer);
/* "name.owner", for logs. */
const char *peer_full_name(const struct peer *peer);
struct engine_peer *peer_engine(const struct peer *peer);
const struct path_peer *peer_path(const struct peer *peer);
bool peer_is_active(const struct peer *peer, uint64_t now_us);
/* Wall time of the last inner data or handshake in the life of this process; 0: none. */
uint64_t peer_talked_unix_s(const struct peer *peer, uint64_t now_us);

/* ---- events ---- */

/* A disco packet whose sender is, or was, this peer's disco key. -errno of disco_box_open: dropped.
 */
MUST_CHECK int peer_on_disco(struct peer *peer, const uint8_t *packet, size_t len,
			     const struct way *from, uint64_t now_us);
/* As engine_ops say. */
void peer_on_handshake_send(struct peer *peer, const uint8_t *packet, size_t len,
			    const struct way *reply_to, bool is_retry, uint64_t now_us);
void peer_on_handshake_done(struct peer *peer, uint64_t now_us);
void peer_on_traffic(struct peer *peer, uint64_t now_us);
void peer_on_send_error(struct peer *peer, int error, uint64_t now_us);
void peer_on_relay_gone(struct peer *peer, uint32_t region, uint64_t now_us);
void peer_set_relays(struct peer *peer, const struct path_relay *relays, size_t n, uint64_t now_us);
void peer_on_obstacle(struct peer *peer, uint64_t now_us);
void peer_on_own_endpoints(struct peer *peer, uint64_t now_us);
void peer_on_network_change(struct peer *peer, const char *code, uint64_t now_us);
/* Our own timers fired this late: nothing that is missing is held against a path or the network. */
void peer_on_late(struct peer *peer, uint64_t late_us);
void peer_want(struct peer *peer, uint64_t now_us);

uint64_t peer_deadline_us(const struct peer *peer);
void peer_on_deadline(struct peer *peer, uint64_t now_us);

/* ---- what the node wants of it ---- */

/* At a warm start: the last good endpoint counts as a candidate, and the handshake goes at once. */
void peer_warm(struct peer *peer, const struct endpoint *last, uint64_t now_us);

/* One probe more by the way in use, for `warren ping`. -ENETUNREACH where there is no way, -EAGAIN
 * where none could be sent. */
MUST_CHECK int peer_ping(struct peer *peer, uint64_t now_us, uint8_t txid[static DISCO_TXID_LEN],
			 struct way *way);

/* Tells the peer, by every way that is not down. Nothing is waited for. */
void peer_send_notice(struct peer *peer, enum disco_notice_reason reason);

#endif
