/*
 * loop: the event loop's few conveniences over libevent: one base a thread, threads for bases
 * beside main's, timers, signals, and telling systemd. Shells watch descriptors with libevent's own
 * event_new.
 *
 * Timers take deadlines of clock_now_us(), which counts in sleep: a laptop that wakes finds what
 * fell due meanwhile fired at once. Each timer owns a descriptor, so it is a module's one timer;
 * what needs thousands (a server's connections) uses libevent's timeouts.
 */
#ifndef WARREN_LOOP_H
#define WARREN_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/wire.h"

struct event_base;
struct loop_timer;
struct loop_signals;
struct loop_thread;

/* A base for the calling thread, with libevent told to be quiet; the process ends where it cannot
 * be made. Freed by loop_base_free. Ignores SIGPIPE for the whole process. */
struct event_base *loop_base_new(void);
void loop_base_free(struct event_base *base);
/* Runs until loop_stop. */
void loop_run(struct event_base *base);
/* From a callback of this base. */
void loop_stop(struct event_base *base);
/* Runs what is ready now, without waiting for more. */
void loop_round(struct event_base *base);

/* Runs base on a thread of its own, which takes no signals, until loop_thread_stop or a loop_stop
 * of its own: every event of the base is that thread's meanwhile. ended (may be NULL) is the last
 * it calls. -errno where there can be no thread. */
MUST_CHECK int loop_thread_start(struct event_base *base, void (*ended)(void *arg), void *arg,
				 struct loop_thread **out);
/* Ends the thread at its next event and waits for it; what is ready by then may stay unseen: see
 * loop_round. NULL is fine. */
void loop_thread_stop(struct loop_thread *t);

/* fire is called once per loop_timer_set, with the time then; it may set the timer again, or free
 * it. */
struct loop_timer *loop_timer_new(struct event_base *base, void (*fire)(void *arg, uint64_t now_us),
				  void *arg);
void loop_timer_free(struct loop_timer *t);
/* Replaces the deadline; one that is past fires in the next round; US_NEVER disarms. Cheap where
 * the deadline only moves later. */
void loop_timer_set(struct loop_timer *t, uint64_t deadline_us);

/* SIGTERM and SIGINT call stop, SIGHUP reload (may be NULL: ignored). */
struct loop_signals *loop_signals_new(struct event_base *base, void (*stop)(void *arg),
				      void (*reload)(void *arg), void *arg);
void loop_signals_free(struct loop_signals *s);

/* sd_notify(3) by hand: nothing happens without NOTIFY_SOCKET. */
void loop_notify_ready(void);
void loop_notify_stopping(void);
void loop_notify_reloading(uint64_t now_us);
void loop_notify_status(const char *text);

#endif
