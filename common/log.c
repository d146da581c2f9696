#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

enum { LINE_MAX_LEN = 2048 };

static const char *const level_name[] = {"error", "warn", "info", "debug"};
static const char *const format_name[] = {"text", "json"};

/* The process's own choice, set before threads start. */
static struct {
	enum log_level level;
	enum log_format format;
} setup = {.level = LOG_INFO};

struct line {
	char text[LINE_MAX_LEN];
	size_t len;
};

void log_setup(enum log_level level, enum log_format format)
{
	setup.level = level;
	setup.format = format;
}

static int parse_word(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return (int)i;
	return -EINVAL;
}

int log_level_parse(const char *text, enum log_level *out)
{
	int found = parse_word(text, level_name, 4);

	if (found < 0)
		return found;
	*out = (enum log_level)found;
	return 0;
}

int log_format_parse(const char *text, enum log_format *out)
{
	int found = parse_word(text, format_name, 2);

	if (found < 0)
		return found;
	*out = (enum log_format)found;
	return 0;
}

bool log_enabled(enum log_level level)
{
	return level <= setup.level;
}

static void put_char(struct line *l, char c)
{
	if (l->len < sizeof(l->text) - 4) /* room for a closing quote, brace, newline */
		l->text[l->len++] = c;
}

static void put(struct line *l, const char *s)
{
	while (*s)
		put_char(l, *s++);
}

static bool is_plain(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f || (*s & 0x80))
			return false;
	return true;
}

static void put_quoted(struct line *l, const char *s)
{
	put_char(l, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		char escaped[8];

		if (c == '"' || c == '\\') {
			put_char(l, '\\');
			put_char(l, (char)c);
		} else if (c < ' ' || c >= 0x7f) {
			snprintf(escaped, sizeof(escaped), "\\u%04x", c);
			put(l, escaped);
		} else {
			put_char(l, (char)c);
		}
	}
	put_char(l, '"');
}

static void put_value(struct line *l, const struct log_field *f)
{
	char number[40];

	switch (f->kind) {
	case LOG_KIND_STR:
		if (setup.format == LOG_TEXT && is_plain(f->v.str))
			put(l, f->v.str);
		else
			put_quoted(l, f->v.str);
		return;
	case LOG_KIND_I64:
		snprintf(number, sizeof(number), "%" PRId64, f->v.i64);
		break;
	case LOG_KIND_U64:
		snprintf(number, sizeof(number), "%" PRIu64, f->v.u64);
		break;
	case LOG_KIND_F64:
		snprintf(number, sizeof(number), "%.3f", isfinite(f->v.f64) ? f->v.f64 : 0.0);
		break;
	case LOG_KIND_BOOL:
		snprintf(number, sizeof(number), "%s", f->v.yes ? "true" : "false");
		break;
	case LOG_KIND_END:
		return;
	}
	put(l, number);
}

static void put_field(struct line *l, const struct log_field *f)
{
	if (setup.format == LOG_JSON) {
		put(l, l->len > 1 ? "," : "");
		put_quoted(l, f->key);
		put_char(l, ':');
	} else {
		put(l, l->len > 0 ? " " : "");
		put(l, f->key);
		put_char(l, '=');
	}
	put_value(l, f);
}

void log_write(enum log_level level, const char *mod, const struct log_field *fields)
{
	struct line l = {.len = 0};
	char now[RFC3339_LEN];

	clock_rfc3339(clock_unix_us(), now);
	if (setup.format == LOG_JSON)
		put_char(&l, '{');
	put_field(&l, &(struct log_field){LOG_KIND_STR, "time", {.str = now}});
	put_field(&l, &(struct log_field){LOG_KIND_STR, "level", {.str = level_name[level]}});
	put_field(&l, &(struct log_field){LOG_KIND_STR, "mod", {.str = mod}});
	for (; fields->kind != LOG_KIND_END; fields++)
		put_field(&l, fields);
	if (setup.format == LOG_JSON)
		l.text[l.len++] = '}';
	l.text[l.len++] = '\n';

	ssize_t ignored =
		write(STDERR_FILENO, l.text, l.len); /* nowhere to report a lost log line */
	(void)ignored;
}
