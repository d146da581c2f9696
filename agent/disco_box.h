/*
 * disco_box: seals disco messages to one peer and opens the peer's, while either end changes keys.
 *
 * Each end has a key, and for a day behind a rotation the one before it. What comes may be sealed
 * by any pair of them. What goes is sealed to the peer's newest key, with our newest; and a second
 * time with the one before it until the peer has shown that it knows the newest, so that no probe
 * is lost while the news travels, nor while the coordinator that carries it is away.
 *
 *	ONE COPY   --own key changed-->                         TWO COPIES
 *	TWO COPIES --sealed to our newest, or the day is over--> ONE COPY
 *
 * A core; one per peer.
 */
#ifndef WARREN_DISCO_BOX_H
#define WARREN_DISCO_BOX_H

#include "agent/disco_keys.h"
#include "common/proto/disco.h"

enum { DISCO_BOX_COPIES_MAX = 2 };

struct disco_box {
	const struct disco_keys *own; /* borrowed */
	struct public_key theirs, theirs_before;
	uint64_t before_until_us;	  /* theirs_before is good until then; 0: none */
	struct disco_shared shared[2][2]; /* [ours][theirs]: now, before */
	bool knows_newest;		  /* the peer knows our newest key */
};

/* -EPROTO for a key of low order. */
MUST_CHECK int disco_box_init(struct disco_box *box, const struct disco_keys *own,
			      const struct public_key *theirs);
void disco_box_wipe(struct disco_box *box);

/* The peer has another key; the one before is good for a day. -EPROTO: nothing changed. */
MUST_CHECK int disco_box_set_theirs(struct disco_box *box, const struct public_key *theirs,
				    uint64_t now_us);
/* What `own` points to was set anew. */
void disco_box_own_changed(struct disco_box *box);

/* The forms in which a message goes now. */
size_t disco_box_copies(const struct disco_box *box);
/* One of them, from 0; the rest is disco_seal's. */
MUST_CHECK int disco_box_seal(const struct disco_box *box, size_t copy,
			      const struct disco_message *m,
			      const uint8_t nonce[static DISCO_NONCE_LEN], uint8_t *out, size_t cap,
			      size_t *out_len);
/* disco_open's errors; -EACCES also for a key whose day is over. */
MUST_CHECK int disco_box_open(struct disco_box *box, const void *packet, size_t len,
			      uint64_t now_us, struct disco_message *m);

#endif
