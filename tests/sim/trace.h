/*
 * trace: one readable line per decision: when, where, which module, what.
 *
 *	12.345678 laptop nat   drop filtered 203.0.113.7:41641 -> 198.51.100.2:4242
 *
 * Off it costs a branch; arguments are not evaluated. The sink gets whole lines
 * without a newline, for a file, a ring of the last ones, or a hash that proves that a replay is
 * one. Lines of a crashed incarnation are left out.
 */
#ifndef WARREN_SIM_TRACE_H
#define WARREN_SIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct world;

enum { TRACE_LINE_MAX = 512 }; /* longer ones are cut */

typedef void trace_sink_fn(void *arg, const char *line);

/* NULL switches it off. */
void trace_set_sink(struct world *w, trace_sink_fn *sink, void *arg);

/* Whether a line would be seen; of the running world. */
bool trace_is_on(void);

/* mod is a word of at most six letters. */
void trace_line(const char *mod, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define TRACE(mod, ...)                                                                            \
	do {                                                                                       \
		if (__builtin_expect(trace_is_on(), 0))                                            \
			trace_line(mod, __VA_ARGS__);                                              \
	} while (0)

#endif
