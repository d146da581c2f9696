#include <errno.h>
#include <string.h>

#include "common/json_node.h"

/* ---- parsing ---- */

static bool is_blank(const char *text, const char *end)
{
	for (; text < end; text++)
		if (*text != ' ' && *text != '\t' && *text != '\n' && *text != '\r')
			return false;
	return true;
}

/* The library's own limit is 1000 levels; ours is checked on the text, so that no recursion of any
 * decoder or of the library is deep. Brackets within strings do not count. */
static bool too_deep(const char *text, size_t len)
{
	bool in_string = false;
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"')
			in_string = true;
		else if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
			return true;
		else if ((c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return false;
}

static int parse_failed(struct json_error *err, int code, const char *problem)
{
	if (!err->failed)
		snprintf(err->text, sizeof(err->text), "%s", problem);
	err->failed = true;
	return code;
}

int json_parse(const char *text, size_t len, size_t max_len, struct json **out,
	       struct json_error *err)
{
	const char *end = NULL;

	if (len > max_len)
		return parse_failed(err, -E2BIG, "longer than allowed");
	if (memchr(text, '\0', len) || too_deep(text, len))
		return parse_failed(err, -EBADMSG, "not JSON");
	cJSON *node = cJSON_ParseWithLengthOpts(text, len, &end, false);
	if (!node)
		return parse_failed(err, -EBADMSG, "not JSON");
	if (!is_blank(end, text + len)) {
		cJSON_Delete(node);
		return parse_failed(err, -EBADMSG, "more than one JSON document");
	}
	*out = json_made(node);
	return 0;
}

void json_free(struct json *tree)
{
	cJSON_Delete(json_writable(tree));
}

struct json_in json_root(const struct json *tree, struct json_error *err)
{
	return (struct json_in){.node = tree, .err = err};
}

/* ---- failing ---- */

static void append(char *out, size_t cap, const char *text)
{
	size_t used = strlen(out);

	snprintf(out + used, cap - used, "%s", text);
}

/* Control bytes of a stranger's member name must not reach a terminal. */
static void append_key(char *out, size_t cap, const char *key)
{
	char clean[48];
	size_t n = 0;

	for (; key[n] != '\0' && n < sizeof(clean) - 1; n++)
		clean[n] = key[n] >= ' ' && key[n] <= '~' ? key[n] : '?';
	clean[n] = '\0';
	append(out, cap, clean);
}

static void write_path(const struct json_in *at, char *out, size_t cap)
{
	char index[24];

	if (!at->parent)
		return;
	write_path(at->parent, out, cap);
	if (!at->key) {
		snprintf(index, sizeof(index), "[%zu]", at->index);
		append(out, cap, index);
		return;
	}
	if (out[0] != '\0')
		append(out, cap, ".");
	append_key(out, cap, at->key);
}

void json_fail(const struct json_in *at, const char *problem)
{
	struct json_error *err = at->err;

	if (err->failed)
		return;
	err->failed = true;
	err->text[0] = '\0';
	write_path(at, err->text, sizeof(err->text));
	if (err->text[0] != '\0')
		append(err->text, sizeof(err->text), ": ");
	append(err->text, sizeof(err->text), problem);
}
