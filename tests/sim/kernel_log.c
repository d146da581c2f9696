/* log.h for simulated programs: what they log is lines of the trace. */
#include "common/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/trace.h"

void log_setup(enum log_level level, enum log_format format)
{
	(void)level;
	(void)format;
}

/* Command lines are not read here, so these have nothing to refuse. */
int log_level_parse(const char *text, enum log_level *out)
{
	(void)text;
	*out = LOG_INFO;
	return 0;
}

int log_format_parse(const char *text, enum log_format *out)
{
	(void)text;
	*out = LOG_TEXT;
	return 0;
}

bool log_enabled(enum log_level level)
{
	return level != LOG_DEBUG && trace_is_on();
}

static int put_field(char *out, size_t cap, const struct log_field *f)
{
	switch (f->kind) {
	case LOG_KIND_STR:
		return strchr(f->v.str, ' ') ? snprintf(out, cap, " %s=\"%s\"", f->key, f->v.str)
					     : snprintf(out, cap, " %s=%s", f->key, f->v.str);
	case LOG_KIND_I64:
		return snprintf(out, cap, " %s=%" PRId64, f->key, f->v.i64);
	case LOG_KIND_U64:
		return snprintf(out, cap, " %s=%" PRIu64, f->key, f->v.u64);
	case LOG_KIND_F64:
		return snprintf(out, cap, " %s=%.3f", f->key, f->v.f64);
	case LOG_KIND_BOOL:
		return snprintf(out, cap, " %s=%s", f->key, f->v.yes ? "true" : "false");
	case LOG_KIND_END:
		break;
	}
	return 0;
}

void log_write(enum log_level level, const char *mod, const struct log_field *fields)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	char line[TRACE_LINE_MAX];
	size_t len = 0;

	for (; fields->kind != LOG_KIND_END && len < sizeof(line); fields++) {
		int n = put_field(line + len, sizeof(line) - len, fields);

		if (n < 0)
			break;
		len += (size_t)n;
	}
	trace_line("log", "%s %s%.*s", names[level], mod, (int)sizeof(line), len ? line : "");
}
