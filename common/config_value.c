#include "common/config_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

/* A copy of a value, wiped when freed: any of them may be a secret. */
struct config_text {
	struct config_text *next;
	size_t len;
	char text[];
};

const char *config_keep(struct config *c, const char *text, size_t len)
{
	struct config_text *copy = malloc(sizeof(*copy) + len + 1);

	if (!copy)
		abort();
	copy->len = len;
	memcpy(copy->text, text, len);
	copy->text[len] = '\0';
	copy->next = c->texts;
	c->texts = copy;
	return copy->text;
}

void config_wipe(struct config *c)
{
	while (c->texts) {
		struct config_text *copy = c->texts;

		c->texts = copy->next;
		sodium_memzero(copy->text, copy->len);
		free(copy);
	}
	*c = (struct config){0};
}

/* Decimal digits, and how many characters they took. */
static int parse_digits(const char *text, uint64_t *out, const char **rest)
{
	uint64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return -EINVAL;
	}
	if (at == text)
		return -EINVAL;
	*out = value;
	*rest = at;
	return 0;
}

struct unit {
	const char *suffix;
	uint64_t factor;
};

static int parse_with_unit(const char *text, const struct unit *units, uint64_t *out)
{
	const char *suffix;
	uint64_t value;

	if (parse_digits(text, &value, &suffix) != 0)
		return -EINVAL;
	for (; units->suffix; units++) {
		if (strcasecmp(suffix, units->suffix) == 0)
			return __builtin_mul_overflow(value, units->factor, out) ? -EINVAL : 0;
	}
	return -EINVAL;
}

int config_parse_duration(const char *text, uint64_t *out_us)
{
	static const struct unit units[] = {
		{"ms", 1000},
		{"s", 1000000},
		{"m", 60 * UINT64_C(1000000)},
		{"h", 3600 * UINT64_C(1000000)},
		{"d", 86400 * UINT64_C(1000000)},
		{NULL, 0},
	};
	return parse_with_unit(text, units, out_us);
}

int config_parse_bytes(const char *text, uint64_t *out)
{
	static const struct unit units[] = {
		{"", 1}, {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {NULL, 0},
	};
	return parse_with_unit(text, units, out);
}

static int parse_int(const char *text, int64_t *out)
{
	bool negative = *text == '-';
	const char *rest;
	uint64_t value;

	if (parse_digits(text + negative, &value, &rest) != 0 || *rest != '\0' || value > INT64_MAX)
		return -EINVAL;
	*out = negative ? -(int64_t)value : (int64_t)value;
	return 0;
}

static bool is_one_of(const char *text, const char *choices)
{
	size_t len = strlen(text);

	for (const char *at = choices; *at != '\0';) {
		size_t n = strcspn(at, "|");

		if (n == len && memcmp(at, text, n) == 0)
			return true;
		at += n + (at[n] == '|');
	}
	return false;
}

static int parse_bool(const char *text, bool *out)
{
	*out = is_one_of(text, "true|yes|on|1");
	return *out || is_one_of(text, "false|no|off|0") ? 0 : -EINVAL;
}

/* Appends the comma-separated parts of text. */
static int add_to_list(struct config *c, struct config_list *list, const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, ",");

		if (list->n == CONFIG_LIST_MAX)
			return -EINVAL;
		if (n > 0)
			list->items[list->n++] = config_keep(c, text, n);
		text += n + (text[n] == ',');
	}
	return 0;
}

static int set_field(struct config *c, enum config_kind kind, void *field, const char *text)
{
	switch (kind) {
	case CONFIG_STRING:
		*(const char **)field = config_keep(c, text, strlen(text));
		return 0;
	case CONFIG_BOOL:
		return parse_bool(text, field);
	case CONFIG_INT:
		return parse_int(text, field);
	case CONFIG_DURATION:
		return config_parse_duration(text, field);
	case CONFIG_BYTES:
		return config_parse_bytes(text, field);
	case CONFIG_REPEATED:
		return add_to_list(c, field, text);
	}
	return -EINVAL;
}

static void *field_of(const struct config_target *t)
{
	return (char *)t->settings + t->option->offset;
}

int config_set(struct config *c, const struct config_target *t, const char *text, const char *where,
	       char error[static CONFIG_ERROR_LEN])
{
	static const char *const wanted[] = {
		[CONFIG_STRING] = "text",
		[CONFIG_BOOL] = "true or false",
		[CONFIG_INT] = "a number",
		[CONFIG_DURATION] = "a duration such as 10s, 24h or 30d",
		[CONFIG_BYTES] = "a size such as 65536, 64k or 16m",
		[CONFIG_REPEATED] = "fewer values",
	};
	const struct config_option *o = t->option;

	if (o->choices && !is_one_of(text, o->choices)) {
		snprintf(error, CONFIG_ERROR_LEN, "%s: want one of %s", where, o->choices);
		return -EINVAL;
	}
	if (set_field(c, o->kind, field_of(t), text) != 0) {
		snprintf(error, CONFIG_ERROR_LEN, "%s: want %s", where, wanted[o->kind]);
		return -EINVAL;
	}
	return 0;
}

void config_clear(const struct config_target *t)
{
	static const size_t sizes[] = {
		[CONFIG_STRING] = sizeof(const char *),
		[CONFIG_BOOL] = sizeof(bool),
		[CONFIG_INT] = sizeof(int64_t),
		[CONFIG_DURATION] = sizeof(uint64_t),
		[CONFIG_BYTES] = sizeof(uint64_t),
		[CONFIG_REPEATED] = sizeof(struct config_list),
	};
	memset(field_of(t), 0, sizes[t->option->kind]);
}
