/*
 * peer_inside: struct peer, for the files that peer is made of and nobody else.
 *
 *	peer.c       life, and what happens around it
 *	peer_act.c   what its path asks for, carried out: what leaves
 *	peer_hear.c  what comes from it: disco and handshakes
 */
#ifndef WARREN_PEER_INSIDE_H
#define WARREN_PEER_INSIDE_H

#include "agent/observer.h"
#include "agent/peer.h"
#include "agent/unheard.h"

enum { PEER_HANDSHAKE_WAYS_MAX = 8, PEER_INITIATION_MAX = 148 };

/* A handshake initiation without an answer yet, and the ways it went by. */
struct initiation {
	uint8_t bytes[PEER_INITIATION_MAX];
	size_t len;	  /* 0: none is open */
	uint64_t sent_us; /* for the first time */
	uint64_t went_us; /* by the last of its ways, or again */
	struct way ways[PEER_HANDSHAKE_WAYS_MAX];
	bool is_repeated[PEER_HANDSHAKE_WAYS_MAX]; /* went by this way a second time */
	size_t n_ways;
};

struct peer {
	const struct peer_env *env;
	struct control_peer info;
	char full_name[EVENT_PEER_LEN]; /* NAME.OWNER */
	struct engine_peer *engine;
	struct disco_box box;
	struct path_peer path;
	struct observer observer;
	bool was_active; /* when it was last observed */
	struct initiation initiation;
	unsigned n_hurried;   /* initiations sent before WireGuard's retry was due */
	uint64_t shook_us;    /* our initiation was answered; 0: or the peer was heard since */
	unsigned n_confirmed; /* since then, beyond the first */
	struct unheard unheard;
};

/* ---- peer_act.c ---- */

/* 0 or the negative errno of the send. */
int peer_send_by(struct peer *peer, const struct way *way, const uint8_t *packet, size_t len);
/* What the history tells of a path is what the user felt: of the way in use, not of those that are
 * tried beside it. */
bool peer_is_in_use(const struct peer *peer, const struct way *way);
enum disco_way peer_disco_way(const struct way *way);
/* An event of this peer's, for the history. */
void peer_tell(struct peer *peer, struct event *event);
/* A way appeared: an initiation that is not answered yet goes by it too, the same bytes, so that an
 * answer under way stays good; a copy that the peer has had already it takes for a replay. */
void peer_send_initiation(struct peer *peer);
void peer_send_initiation_by(struct peer *peer, const struct way *way);
/* The peer was just heard by a way. What went by it before that may have come to a relay that the
 * peer had yet to reach: it goes once more, and nobody waits for WireGuard's 5 s. But not at once:
 * of two that come together the peer may take the second for a flood. */
void peer_repeat_initiation(struct peer *peer, const struct way *way, uint64_t now_us);
/* Refused sends are news for path; what it answers is carried out, and refusals of that wait for
 * their probe's timeout, so that this ends. */
void peer_carry_out(struct peer *peer, const struct path_actions *actions, uint64_t now_us);

#endif
