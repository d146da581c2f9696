#include "tests/sim/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/host.h"
#include "tests/sim/world.h"

struct trace {
	trace_sink_fn *sink;
	void *arg;
};

void trace_set_sink(struct world *w, trace_sink_fn *sink, void *arg)
{
	struct trace *t = NULL;

	if (sink) {
		t = calloc(1, sizeof(*t));
		if (!t)
			abort();
		*t = (struct trace){.sink = sink, .arg = arg};
	}
	world_set_part(w, WORLD_TRACE, t, free);
}

bool trace_is_on(void)
{
	return world_part(world_running(), WORLD_TRACE) != NULL;
}

void trace_line(const char *mod, const char *format, ...)
{
	const struct trace *t = world_part(world_running(), WORLD_TRACE);
	const struct host *here = world_here();
	uint64_t now_us = world_now_us();
	char line[TRACE_LINE_MAX];
	va_list args;

	if (!t || world_is_ghost())
		return;
	int n = snprintf(line, sizeof(line), "%" PRIu64 ".%06" PRIu64 " %s %-6s ",
			 now_us / US_PER_S, now_us % US_PER_S, here ? host_name(here) : "-", mod);
	va_start(args, format);
	vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	t->sink(t->arg, line);
}
