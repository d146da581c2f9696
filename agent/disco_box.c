#include "agent/disco_box.h"

#include <errno.h>

#include <sodium.h>

#include "common/clock.h"

enum { NOW, BEFORE };

/* The shared keys of both of ours with one of theirs. Ours are sound, so only theirs can fail. */
static int share(struct disco_box *box, const struct public_key *theirs, int which)
{
	int err = disco_shared_init(&box->shared[NOW][which], &box->own->now.secret, theirs);

	if (err == 0 && box->own->has_before)
		err = disco_shared_init(&box->shared[BEFORE][which], &box->own->before.secret,
					theirs);
	return err;
}

int disco_box_init(struct disco_box *box, const struct disco_keys *own,
		   const struct public_key *theirs)
{
	*box = (struct disco_box){.own = own, .theirs = *theirs};
	return share(box, theirs, NOW);
}

void disco_box_wipe(struct disco_box *box)
{
	sodium_memzero(box, sizeof(*box));
}

int disco_box_set_theirs(struct disco_box *box, const struct public_key *theirs, uint64_t now_us)
{
	struct disco_box next = *box;

	next.theirs_before = box->theirs;
	next.before_until_us = now_us + DISCO_KEY_DAY_S * (uint64_t)US_PER_S;
	next.shared[NOW][BEFORE] = box->shared[NOW][NOW];
	next.shared[BEFORE][BEFORE] = box->shared[BEFORE][NOW];
	next.theirs = *theirs;
	int err = share(&next, theirs, NOW);
	if (err == 0)
		*box = next;
	sodium_memzero(&next, sizeof(next));
	return err;
}

void disco_box_own_changed(struct disco_box *box)
{
	box->knows_newest = false;
	/* Both of theirs were good when they came. */
	(void)share(box, &box->theirs, NOW);
	if (box->before_until_us != 0)
		(void)share(box, &box->theirs_before, BEFORE);
}

size_t disco_box_copies(const struct disco_box *box)
{
	return box->own->has_before && !box->knows_newest ? 2 : 1;
}

int disco_box_seal(const struct disco_box *box, size_t copy, const struct disco_message *m,
		   const uint8_t nonce[static DISCO_NONCE_LEN], uint8_t *out, size_t cap,
		   size_t *out_len)
{
	const struct disco_own_key *ours = copy == 0 ? &box->own->now : &box->own->before;

	return disco_seal(m, &box->shared[copy == 0 ? NOW : BEFORE][NOW], &ours->public, nonce, out,
			  cap, out_len);
}

/* Which of its keys the peer used; -EACCES: neither that is good. */
static int which_of_theirs(const struct disco_box *box, const void *packet, size_t len,
			   uint64_t now_us, int *which)
{
	struct public_key sender;
	int err = disco_sender(packet, len, &sender);

	if (err != 0)
		return err;
	*which = public_key_equal(&sender, &box->theirs) ? NOW : BEFORE;
	if (*which == BEFORE &&
	    (now_us >= box->before_until_us || !public_key_equal(&sender, &box->theirs_before)))
		return -EACCES;
	return 0;
}

int disco_box_open(struct disco_box *box, const void *packet, size_t len, uint64_t now_us,
		   struct disco_message *m)
{
	int theirs = NOW;
	int err = which_of_theirs(box, packet, len, now_us, &theirs);

	if (err != 0)
		return err;
	err = disco_open(packet, len, &box->shared[NOW][theirs], m);
	if (err == 0)
		box->knows_newest = true;
	if (err == -EACCES && box->own->has_before)
		err = disco_open(packet, len, &box->shared[BEFORE][theirs], m);
	return err;
}
