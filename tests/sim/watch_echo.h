/*
 * watch_echo: nobody who types waits longer for an echo than the table allows.
 *
 * And where nothing has happened for 45 s, nobody waits at all: an idle pair keeps its mappings, so
 * that the first keystroke goes straight and is answered; or goes by a relay, where what happened
 * since they last talked took the direct way away.
 *
 * One for each flow of keystrokes. A silence lasts from one echo, or the first keystroke, to the
 * next echo, or the last keystroke; what it may last says expect.h.
 */
#ifndef WARREN_SIM_WATCH_ECHO_H
#define WARREN_SIM_WATCH_ECHO_H

#include <stdint.h>

#include "tests/sim/expect.h"
#include "tests/sim/verdict.h"

struct watch_echo {
	const struct expect *expect; /* NULL: no flow; borrowed */
	uint64_t interval_us, last_us;
	uint64_t talked_us;  /* the last echo of an earlier flow between the two; 0: none */
	uint64_t longest_us; /* silence seen */
	unsigned echoes;
	const char *from, *to; /* names; borrowed */
};

/* All times since the day began. */
void watch_echo_on_begin(struct watch_echo *w, const struct expect *expect, const char *from,
			 const char *to, uint64_t interval_us, uint64_t talked_us, uint64_t now_us);
void watch_echo_on_echo(struct watch_echo *w, uint64_t now_us, struct verdict *v);
void watch_echo_on_end(struct watch_echo *w, uint64_t now_us, struct verdict *v);

#endif
