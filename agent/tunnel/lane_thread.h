/*
 * lane_thread: the thread a lane runs on: it sleeps in epoll until the TUN, a socket, the mailbox
 * or the relay's ring has something or a packet that waits is due, and gives the lane its turn.
 *
 * While it sleeps the lane is quiet (quiet.h). All functions are for the main thread.
 */
#ifndef WARREN_LANE_THREAD_H
#define WARREN_LANE_THREAD_H

#include "common/wire.h"

struct lane;
struct lane_thread;
struct udp;

/* lane was lane_init'ed and is the thread's until lane_thread_stop. */
MUST_CHECK int lane_thread_start(struct lane *lane, struct lane_thread **out);
/* Ends the thread and waits for it. NULL is fine. */
void lane_thread_stop(struct lane_thread *t);

/* Watches the view's sockets, before they are published; stops watching those being replaced. */
MUST_CHECK int lane_thread_watch_udp(struct lane_thread *t, const struct udp *udp);
void lane_thread_unwatch_udp(struct lane_thread *t, const struct udp *udp);

#endif
