/*
 * wake: a descriptor by which one thread tells another, asleep in its loop, to look.
 *
 * Readable from wake_post until wake_clear. Any thread may post; the one that waits clears. An
 * eventfd on Linux, one file per platform.
 */
#ifndef WARREN_WAKE_H
#define WARREN_WAKE_H

#include <stdint.h>

#include "common/wire.h"

/* Non-blocking and close-on-exec. -errno where descriptors run out: *fd is -1 then. */
MUST_CHECK int wake_open(int *fd);
/* -1 is fine. */
void wake_close(int fd);
void wake_post(int fd);
/* How many posts it took back; 0: there was none. */
uint64_t wake_clear(int fd);

#endif
