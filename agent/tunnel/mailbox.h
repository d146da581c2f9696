/*
 * mailbox: "look at this peer, for these reasons", from one thread to another, without loss.
 *
 * Each thing that can be posted embeds a struct mail. Posting sets bits in it and, where it was not
 * waiting already, links it into the box and wakes the reader by an eventfd: so nothing is
 * allocated, nothing can be full, and many posts of one reason are one. Any thread may post, one
 * thread reads.
 */
#ifndef WARREN_MAILBOX_H
#define WARREN_MAILBOX_H

#include <stdatomic.h>
#include <stddef.h>

#include "common/wire.h"

struct mail { /* all zero: not posted */
	_Atomic unsigned bits;
	struct mail *next; /* the box's while bits are set */
};

struct mailbox {
	_Atomic(struct mail *) head;
	int fd; /* a wake (common/net/wake.h), readable while something waits */
};

/* -errno of wake_open. */
MUST_CHECK int mailbox_open(struct mailbox *box);
void mailbox_close(struct mailbox *box);

/* bits: at least one. The mail must outlive its being taken. */
void mailbox_post(struct mailbox *box, struct mail *mail, unsigned bits);

/* Reader, when fd is readable: takes all that waits, newest first, linked by next; NULL: nothing.
 * For each, read next before mail_open, which gives its bits and lets it be posted again. */
struct mail *mailbox_take(struct mailbox *box);
unsigned mail_open(struct mail *mail);

#endif
