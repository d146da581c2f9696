#include "tests/sim/verdict.h"

#include <stdarg.h>
#include <stdio.h>

void verdict_fail(struct verdict *v, uint64_t at_us, const char *invariant, const char *format, ...)
{
	va_list args;

	if (v->failed)
		return;
	v->failed = true;
	v->at_us = at_us;
	snprintf(v->invariant, sizeof(v->invariant), "%s", invariant);
	va_start(args, format);
	vsnprintf(v->text, sizeof(v->text), format, args);
	va_end(args);
}
