/*
 * tai64n: the handshake's timestamps, which never go back, over restarts and clock steps too.
 *
 * The shell keeps a reservation on disk that is 10 s ahead of what was used, so that a start after
 * a crash begins above every stamp ever sent. Stamps are rounded down to 20 ms, the shortest time
 * between two initiations a responder takes, so that they tell little about our clock.
 */
#ifndef WARREN_TAI64N_H
#define WARREN_TAI64N_H

#include <stdbool.h>
#include <stdint.h>

enum { TAI64N_LEN = 12 };

struct tai64n {		      /* all zero is a valid start: nothing used, nothing reserved */
	uint64_t last_us;     /* wall time of the last stamp */
	uint64_t reserved_us; /* no stamp above this may be sent before it is raised on disk */
};

/* reserved_us: what the last run kept on disk, or 0. */
void tai64n_init(struct tai64n *t, uint64_t reserved_us);

/* The stamp for unix_us, or the next above the last. True where t->reserved_us has moved: the
 * shell keeps it on disk before the stamp leaves. */
bool tai64n_next(struct tai64n *t, uint64_t unix_us, uint8_t out[static TAI64N_LEN]);

#endif
