/*
 * path_send: when path_peer sends what: pings in their rhythm, questions, call-me-maybe.
 *
 * Part of path_peer, for its files only. Rhythm by a path's state, and whether it is in use, stands
 * by, or has yet to answer: DESIGN "How a peer is reached" 2 to 4.
 */
#ifndef WARREN_PATH_SEND_H
#define WARREN_PATH_SEND_H

#include "agent/path/path_peer.h"

/* Room for one more action of this kind, all else zero. */
struct path_action *path_send_append(struct path_actions *out, enum path_action_kind kind,
				     const struct way *way);
bool path_send_is_active(const struct path_peer *p, uint64_t now_us);

/* The peer named the address in a call: it has just sent to us from there, or tried. The first ping
 * opens our own NAT's filter, those after it pass the peer's. */
void path_send_on_named(struct path_peer *p, int slot, uint64_t now_us, struct path_actions *out);

/* One ping, unless one went a moment ago; the second: whatever went. To strangers only as far as
 * their budget goes. */
void path_send_ping(struct path_peer *p, int slot, uint64_t now_us, struct path_actions *out);
void path_send_ping_now(struct path_peer *p, int slot, uint64_t now_us, struct path_actions *out);
void path_send_pong(struct path_peer *p, const struct way *to, int slot,
		    const uint8_t txid[static PROBE_TXID_LEN], struct path_actions *out);
/* Asks by every way that works or did so a moment ago, each probe with an id of its own. */
void path_send_question(struct path_peer *p, uint64_t now_us, struct path_actions *out);
void path_send_not_hearing(struct path_peer *p, struct path_actions *out);

/* From now on unproved endpoints are tried as if they were new, and the peer is called at once. */
void path_send_restart_burst(struct path_peer *p, uint64_t now_us);
void path_send_restart_calls(struct path_peer *p, uint64_t now_us);
/* The peer called: for a while we look for it too. */
void path_send_on_called(struct path_peer *p, uint64_t now_us);
/* Our own mapping is in doubt. */
void path_send_ask_endpoints(struct path_peer *p, uint64_t now_us, struct path_actions *out);

/* Every question, ping and call that is due. */
void path_send_due(struct path_peer *p, uint64_t now_us, struct path_actions *out);
uint64_t path_send_deadline_us(const struct path_peer *p, uint64_t now_us);

#endif
