/*
 * log: one event a line on stderr, as key=value text or as JSON.
 *
 *	log_info("path", log_event("state"), log_str("peer", name), log_u64("rtt_ms", 23));
 *	-> time=… level=info mod=path event=state peer=dev rtt_ms=23
 *
 * For shells only: cores return what happened. Values that others chose are escaped. One write(2)
 * a line, so threads do not tear each other's lines. The level and format are the process's own and
 * set once, before any thread starts.
 */
#ifndef WARREN_LOG_H
#define WARREN_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

enum log_kind {
	LOG_KIND_END,
	LOG_KIND_STR,
	LOG_KIND_I64,
	LOG_KIND_U64,
	LOG_KIND_F64,
	LOG_KIND_BOOL
};

struct log_field {
	enum log_kind kind;
	const char *key;
	union {
		const char *str;
		int64_t i64;
		uint64_t u64;
		double f64;
		bool yes;
	} v;
};

void log_setup(enum log_level level, enum log_format format);
/* "error", "warn", "info", "debug"; "text", "json". -EINVAL for another word. */
int log_level_parse(const char *text, enum log_level *out);
int log_format_parse(const char *text, enum log_format *out);
bool log_enabled(enum log_level level);

/* fields ends with a LOG_KIND_END entry. */
void log_write(enum log_level level, const char *mod, const struct log_field *fields);

static inline struct log_field log_str(const char *key, const char *value)
{
	return (struct log_field){.kind = LOG_KIND_STR, .key = key, .v.str = value ? value : ""};
}

static inline struct log_field log_event(const char *name)
{
	return log_str("event", name);
}

static inline struct log_field log_i64(const char *key, int64_t value)
{
	return (struct log_field){.kind = LOG_KIND_I64, .key = key, .v.i64 = value};
}

static inline struct log_field log_u64(const char *key, uint64_t value)
{
	return (struct log_field){.kind = LOG_KIND_U64, .key = key, .v.u64 = value};
}

static inline struct log_field log_f64(const char *key, double value)
{
	return (struct log_field){.kind = LOG_KIND_F64, .key = key, .v.f64 = value};
}

static inline struct log_field log_bool(const char *key, bool value)
{
	return (struct log_field){.kind = LOG_KIND_BOOL, .key = key, .v.yes = value};
}

#define LOG_AT(level, mod, ...)                                                                    \
	do {                                                                                       \
		if (log_enabled(level))                                                            \
			log_write(                                                                 \
				level, mod,                                                        \
				(const struct log_field[]){__VA_ARGS__, {.kind = LOG_KIND_END}});  \
	} while (0)
#define log_error(mod, ...) LOG_AT(LOG_ERROR, mod, __VA_ARGS__)
#define log_warn(mod, ...) LOG_AT(LOG_WARN, mod, __VA_ARGS__)
#define log_info(mod, ...) LOG_AT(LOG_INFO, mod, __VA_ARGS__)
#define log_debug(mod, ...) LOG_AT(LOG_DEBUG, mod, __VA_ARGS__)

#endif
