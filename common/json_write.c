#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/json_node.h"

struct json *json_object_new(void)
{
	return json_made(cJSON_CreateObject());
}

struct json *json_array_new(void)
{
	return json_made(cJSON_CreateArray());
}

void json_add_tree(struct json *obj, const char *key, struct json *tree)
{
	if (!cJSON_AddItemToObject(json_writable(obj), key, json_writable(tree)))
		abort();
}

void json_append_tree(struct json *array, struct json *tree)
{
	if (!cJSON_AddItemToArray(json_writable(array), json_writable(tree)))
		abort();
}

static struct json *new_text(const char *text)
{
	return json_made(text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

/* Numbers are written as text: the library's own printing goes through a double. */
static struct json *new_u64(uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	return json_made(cJSON_CreateRaw(digits));
}

static struct json *new_i64(int64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, value);
	return json_made(cJSON_CreateRaw(digits));
}

static struct json *new_f64(double value)
{
	char digits[340];

	if (!isfinite(value))
		return json_made(cJSON_CreateNull());
	snprintf(digits, sizeof(digits), "%.3f", value);
	char *end = digits + strlen(digits);
	while (end[-1] == '0')
		*--end = '\0';
	if (end[-1] == '.')
		end[-1] = '\0';
	return json_made(cJSON_CreateRaw(digits));
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
	json_add_tree(obj, key, json_made(cJSON_CreateBool(value)));
}

void json_add_null(struct json *obj, const char *key)
{
	json_add_tree(obj, key, json_made(cJSON_CreateNull()));
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
	return printed(cJSON_PrintUnformatted(json_node(tree)));
}

char *json_print_pretty(const struct json *tree)
{
	return printed(cJSON_Print(json_node(tree)));
}
