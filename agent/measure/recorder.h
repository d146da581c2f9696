/*
 * recorder: the node's history on disk: 1 s samples for an hour of activity, 1 min samples for 7
 * days, events for 30 days, in three rings of fixed size (history-seconds, history-minutes,
 * history-events in the state folder). measure's one shell.
 *
 * Survives a crash at any instant: records check themselves (record.h), positions follow from their
 * numbers. A full disk is no error: the newest records stay in memory (a fixed number), are read
 * from there, and go to disk when there is room again. Writes are small and go to the page cache;
 * nothing waits for the disk. Main thread only.
 */
#ifndef WARREN_RECORDER_H
#define WARREN_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/measure/event.h"
#include "agent/measure/timeline.h"
#include "common/wire.h"

struct recorder;

/* dir is the state folder; NULL, or one that cannot be written: all stays in memory. Reads what is
 * there to find the ends of the rings. Never fails but by lack of memory, which ends the process.
 * *error, if not NULL, is 0 or the -errno that made it memory only. */
struct recorder *recorder_open(const char *dir, int *error);
/* Writes what is still in memory and closes. */
void recorder_close(struct recorder *r);

void recorder_add_sample(struct recorder *r, const struct sample *s);
void recorder_add_event(struct recorder *r, const struct event *e);
/* 0 while records reach the disk, else the -errno of the last failed write (warn when it changes).
 */
int recorder_error(const struct recorder *r);

/* The callbacks return false to stop. Times are wall time; older than since are left out. peer_id
 * 0: of all peers and of the node. Oldest first. Samples come as minutes up to where the seconds
 * of that peer begin. */
typedef bool recorder_sample_fn(void *arg, const struct sample *s);
typedef bool recorder_event_fn(void *arg, const struct event *e);
void recorder_read_samples(struct recorder *r, uint32_t peer_id, uint64_t since_unix_us,
			   recorder_sample_fn *fn, void *arg);
void recorder_read_events(struct recorder *r, uint32_t peer_id, uint64_t since_unix_us,
			  recorder_event_fn *fn, void *arg);

/* The newest sample that was on disk at recorder_open for the peer (0: for any): where the gap of a
 * restart starts. False where there is none. */
bool recorder_last_sample(const struct recorder *r, uint32_t peer_id, struct sample *out);

#endif
