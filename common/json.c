#include "common/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

/* struct json is never defined: it is the library's node under a name that hides it. */
static const cJSON *node_of(const struct json *tree)
{
	return (const cJSON *)(const void *)tree;
}

static cJSON *writable(struct json *tree)
{
	return (cJSON *)(void *)tree;
}

static struct json *hidden(cJSON *node)
{
	if (!node) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return (struct json *)(void *)node;
}

static const struct json *hidden_const(const cJSON *node)
{
	return (const struct json *)(const void *)node;
}

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
	*out = hidden(node);
	return 0;
}

void json_free(struct json *tree)
{
	cJSON_Delete(writable(tree));
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

/* ---- reading ---- */

static bool is_null(const struct json *node)
{
	return !node || cJSON_IsNull(node_of(node));
}

struct json_in json_find(const struct json_in *obj, const char *key)
{
	struct json_in at = {.parent = obj, .key = key, .err = obj->err};

	if (obj->node && cJSON_IsObject(node_of(obj->node)))
		at.node = hidden_const(cJSON_GetObjectItemCaseSensitive(node_of(obj->node), key));
	if (is_null(at.node))
		at.node = NULL;
	return at;
}

bool json_has(const struct json_in *obj, const char *key)
{
	return json_find(obj, key).node != NULL;
}

/* The member, having failed where it is absent. */
static struct json_in need(const struct json_in *obj, const char *key)
{
	struct json_in at = json_find(obj, key);

	if (!at.node)
		json_fail(&at, "missing");
	return at;
}

static struct json_in checked_array(struct json_in at, size_t max)
{
	if (!at.node)
		return at;
	if (!cJSON_IsArray(node_of(at.node))) {
		json_fail(&at, "not an array");
		at.node = NULL;
	} else if (json_count(&at) > max) {
		json_fail(&at, "too many items");
		at.node = NULL;
	}
	return at;
}

struct json_in json_object(const struct json_in *obj, const char *key)
{
	struct json_in at = need(obj, key);

	if (at.node && !json_is_object(&at)) {
		json_fail(&at, "not an object");
		at.node = NULL;
	}
	return at;
}

struct json_in json_array(const struct json_in *obj, const char *key, size_t max)
{
	return checked_array(need(obj, key), max);
}

struct json_in json_opt_array(const struct json_in *obj, const char *key, size_t max)
{
	return checked_array(json_find(obj, key), max);
}

const char *json_as_str(const struct json_in *at, size_t max_len)
{
	const cJSON *node = node_of(at->node);

	if (at->err->failed)
		return "";
	if (!cJSON_IsString(node) || !node->valuestring) {
		json_fail(at, "not a string");
		return "";
	}
	if (strlen(node->valuestring) > max_len) {
		json_fail(at, "too long");
		return "";
	}
	return node->valuestring;
}

/* A number within the range, whole if asked; min (in range by nature) after a failure. */
static double number(const struct json_in *at, double min, double max, bool whole)
{
	const cJSON *node = node_of(at->node);

	if (at->err->failed)
		return min;
	if (!cJSON_IsNumber(node) || !isfinite(node->valuedouble)) {
		json_fail(at, "not a number");
		return min;
	}
	double v = node->valuedouble;
	if (whole && (floor(v) < v || fabs(v) > (double)JSON_INT_MAX)) {
		json_fail(at, "not a whole number");
		return min;
	}
	if (v < min || v > max) {
		json_fail(at, "out of range");
		return min;
	}
	return v;
}

double json_as_f64(const struct json_in *at, double min, double max)
{
	return number(at, min, max, false);
}

uint64_t json_as_u64(const struct json_in *at, uint64_t min, uint64_t max)
{
	if (max > JSON_INT_MAX)
		max = JSON_INT_MAX;
	return (uint64_t)number(at, (double)min, (double)max, true);
}

static int64_t as_i64(const struct json_in *at, int64_t min, int64_t max)
{
	const int64_t limit = (int64_t)JSON_INT_MAX;

	min = min < -limit ? -limit : min;
	max = max > limit ? limit : max;
	return (int64_t)number(at, (double)min, (double)max, true);
}

static bool as_bool(const struct json_in *at)
{
	if (at->err->failed)
		return false;
	if (!cJSON_IsBool(node_of(at->node)))
		json_fail(at, "not true or false");
	return cJSON_IsTrue(node_of(at->node));
}

const char *json_str(const struct json_in *obj, const char *key, size_t max_len)
{
	struct json_in at = need(obj, key);
	return json_as_str(&at, max_len);
}

uint64_t json_u64(const struct json_in *obj, const char *key, uint64_t min, uint64_t max)
{
	struct json_in at = need(obj, key);
	return json_as_u64(&at, min, max);
}

int64_t json_i64(const struct json_in *obj, const char *key, int64_t min, int64_t max)
{
	struct json_in at = need(obj, key);
	return as_i64(&at, min, max);
}

double json_f64(const struct json_in *obj, const char *key, double min, double max)
{
	struct json_in at = need(obj, key);
	return json_as_f64(&at, min, max);
}

bool json_bool(const struct json_in *obj, const char *key)
{
	struct json_in at = need(obj, key);
	return as_bool(&at);
}

const char *json_opt_str(const struct json_in *obj, const char *key, size_t max_len,
			 const char *fallback)
{
	struct json_in at = json_find(obj, key);
	return at.node ? json_as_str(&at, max_len) : fallback;
}

uint64_t json_opt_u64(const struct json_in *obj, const char *key, uint64_t min, uint64_t max,
		      uint64_t fallback)
{
	struct json_in at = json_find(obj, key);
	return at.node ? json_as_u64(&at, min, max) : fallback;
}

int64_t json_opt_i64(const struct json_in *obj, const char *key, int64_t min, int64_t max,
		     int64_t fallback)
{
	struct json_in at = json_find(obj, key);
	return at.node ? as_i64(&at, min, max) : fallback;
}

double json_opt_f64(const struct json_in *obj, const char *key, double min, double max,
		    double fallback)
{
	struct json_in at = json_find(obj, key);
	return at.node ? json_as_f64(&at, min, max) : fallback;
}

bool json_opt_bool(const struct json_in *obj, const char *key, bool fallback)
{
	struct json_in at = json_find(obj, key);
	return at.node ? as_bool(&at) : fallback;
}

size_t json_count(const struct json_in *at)
{
	size_t n = 0;

	if (!at->node)
		return 0;
	for (const cJSON *child = node_of(at->node)->child; child; child = child->next)
		n++;
	return n;
}

static const cJSON *nth_child(const cJSON *parent, size_t i)
{
	const cJSON *child = parent->child;

	while (child && i-- > 0)
		child = child->next;
	return child;
}

/* The cursor at a child; failed where it is absent or null. */
static struct json_in item_at(const struct json_in *parent, const cJSON *child, size_t index)
{
	struct json_in item = {
		.node = hidden_const(child), .parent = parent, .index = index, .err = parent->err};

	if (child && cJSON_IsObject(node_of(parent->node)))
		item.key = child->string;
	if (is_null(item.node)) {
		item.node = NULL;
		json_fail(&item, "missing");
	}
	return item;
}

struct json_in json_item(const struct json_in *at, size_t i)
{
	return item_at(at, at->node ? nth_child(node_of(at->node), i) : NULL, i);
}

bool json_each(const struct json_in *at, struct json_in *item)
{
	const cJSON *next;

	if (!at->node || at->err->failed)
		return false;
	next = item->node ? node_of(item->node)->next : node_of(at->node)->child;
	if (!next)
		return false;
	*item = item_at(at, next, item->node ? item->index + 1 : 0);
	return item->node != NULL;
}

const char *json_name(const struct json_in *at)
{
	return at->key ? at->key : "";
}

bool json_is_object(const struct json_in *at)
{
	return at->node && cJSON_IsObject(node_of(at->node));
}

/* ---- building ---- */

struct json *json_object_new(void)
{
	return hidden(cJSON_CreateObject());
}

struct json *json_array_new(void)
{
	return hidden(cJSON_CreateArray());
}

void json_add_tree(struct json *obj, const char *key, struct json *tree)
{
	if (!cJSON_AddItemToObject(writable(obj), key, writable(tree)))
		abort();
}

void json_append_tree(struct json *array, struct json *tree)
{
	if (!cJSON_AddItemToArray(writable(array), writable(tree)))
		abort();
}

static struct json *new_text(const char *text)
{
	return hidden(text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

/* Numbers are written as text: the library's own printing goes through a double. */
static struct json *new_u64(uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	return hidden(cJSON_CreateRaw(digits));
}

static struct json *new_i64(int64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, value);
	return hidden(cJSON_CreateRaw(digits));
}

static struct json *new_f64(double value)
{
	char digits[340];

	if (!isfinite(value))
		return hidden(cJSON_CreateNull());
	snprintf(digits, sizeof(digits), "%.3f", value);
	char *end = digits + strlen(digits);
	while (end[-1] == '0')
		*--end = '\0';
	if (end[-1] == '.')
		end[-1] = '\0';
	return hidden(cJSON_CreateRaw(digits));
}

struct json *json_add_object(struct json *obj, const char *key)
{
	struct json *child = json_object_new();
	json_add_tree(obj, key, child);
	return child;
}

struct json *json_add_array(struct json *obj, const char *key)
{
	struct json *child = json_array_new();
	json_add_tree(obj, key, child);
	return child;
}

void json_add_str(struct json *obj, const char *key, const char *text)
{
	json_add_tree(obj, key, new_text(text));
}

void json_add_u64(struct json *obj, const char *key, uint64_t value)
{
	json_add_tree(obj, key, new_u64(value));
}

void json_add_i64(struct json *obj, const char *key, int64_t value)
{
	json_add_tree(obj, key, new_i64(value));
}

void json_add_f64(struct json *obj, const char *key, double value)
{
	json_add_tree(obj, key, new_f64(value));
}

void json_add_bool(struct json *obj, const char *key, bool value)
{
	json_add_tree(obj, key, hidden(cJSON_CreateBool(value)));
}

void json_add_null(struct json *obj, const char *key)
{
	json_add_tree(obj, key, hidden(cJSON_CreateNull()));
}

struct json *json_append_object(struct json *array)
{
	struct json *child = json_object_new();
	json_append_tree(array, child);
	return child;
}

struct json *json_append_array(struct json *array)
{
	struct json *child = json_array_new();
	json_append_tree(array, child);
	return child;
}

void json_append_str(struct json *array, const char *text)
{
	json_append_tree(array, new_text(text));
}

void json_append_u64(struct json *array, uint64_t value)
{
	json_append_tree(array, new_u64(value));
}

void json_append_f64(struct json *array, double value)
{
	json_append_tree(array, new_f64(value));
}

static char *printed(char *text)
{
	if (!text)
		abort();
	return text;
}

char *json_print(const struct json *tree)
{
	return printed(cJSON_PrintUnformatted(node_of(tree)));
}

char *json_print_pretty(const struct json *tree)
{
	return printed(cJSON_Print(node_of(tree)));
}
