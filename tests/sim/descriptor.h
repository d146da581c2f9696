/*
 * descriptor: the integers by which simulated programs name sockets, TUNs, files and wakes.
 *
 * Each carries an object of its maker's and two levels, readable and writable, as poll(2) has them.
 * Watchers (kernel_event, kernel_lane) hear when a level that they watch rises, and may look at it
 * later. Numbers are far above any real descriptor's, so that a real call on one fails. The table
 * hangs on the running world.
 */
#ifndef WARREN_SIM_DESCRIPTOR_H
#define WARREN_SIM_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>

enum descriptor_kind {
	DESCRIPTOR_WAKE,
	DESCRIPTOR_UDP,
	DESCRIPTOR_TUN,
	DESCRIPTOR_FILE,
	DESCRIPTOR_NETWORK,
	DESCRIPTOR_STREAM,
	DESCRIPTOR_LISTENER,
	DESCRIPTOR_STUN
};

enum { DESCRIPTOR_READABLE = 1 << 0, DESCRIPTOR_WRITABLE = 1 << 1 };

/* object is borrowed. Neither readable nor writable yet. */
int descriptor_new(enum descriptor_kind kind, void *object);
/* Its watches hear no more and are still to be ended. Another number than of an open one is fine.
 */
void descriptor_free(int fd);
/* NULL: not open, or of another kind. */
void *descriptor_object(int fd, enum descriptor_kind kind);

void descriptor_set_readable(int fd, bool is_readable);
void descriptor_set_writable(int fd, bool is_writable);
/* DESCRIPTOR_… bits as they are now; 0 where it is not open. */
unsigned descriptor_ready(int fd);

/* Embedded by who watches; the table's while watched. */
struct descriptor_watch {
	int fd;
	unsigned what; /* DESCRIPTOR_… bits */
	/* One of them rose. Called from wherever it rose: only note it. */
	void (*on_ready)(void *arg);
	void *arg;
	struct descriptor_watch *prev, *next;
};

/* fd, what, on_ready and arg are set. Calls on_ready within where it is ready already. */
void descriptor_watch(struct descriptor_watch *watch);
/* One that is not watched is fine, if it was zeroed. */
void descriptor_unwatch(struct descriptor_watch *watch);

#endif
