/*
 * saver: writes state files on a thread of its own, so that no packet, probe or handshake waits for
 * the disk (a sync takes from 1 to 100 ms, and a restart has several).
 *
 * Jobs are whole files; the newest for a path replaces one that still waits. Each is written as
 * statefile_write does it: synced, then renamed over the old one, also what still waits where the
 * process ends. Failures come back to the main thread.
 */
#ifndef WARREN_SAVER_H
#define WARREN_SAVER_H

#include <stddef.h>

#include "common/wire.h"

struct event_base;
struct saver;

/* failed is called on base's thread: path could not be written, err is a negative errno. NULL where
 * there is no thread or memory. */
struct saver *saver_new(struct event_base *base,
			void (*failed)(void *arg, const char *path, int err), void *arg);
/* Writes what waits, then ends. NULL is fine. */
void saver_free(struct saver *s);

/* Takes bytes (from malloc) over. -ENOMEM: nothing was queued, bytes are freed. */
MUST_CHECK int saver_put(struct saver *s, const char *path, void *bytes, size_t len);

#endif
