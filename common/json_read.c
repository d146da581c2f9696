#include <math.h>
#include <string.h>

#include "common/json_node.h"

static bool is_null(const struct json *node)
{
	return !node || cJSON_IsNull(json_node(node));
}

struct json_in json_find(const struct json_in *obj, const char *key)
{
	struct json_in at = {.parent = obj, .key = key, .err = obj->err};

	if (obj->node && cJSON_IsObject(json_node(obj->node)))
		at.node = json_of_node(cJSON_GetObjectItemCaseSensitive(json_node(obj->node), key));
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
	if (!cJSON_IsArray(json_node(at.node))) {
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
	const cJSON *node = json_node(at->node);

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
	const cJSON *node = json_node(at->node);

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
	if (!cJSON_IsBool(json_node(at->node)))
		json_fail(at, "not true or false");
	return cJSON_IsTrue(json_node(at->node));
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
	for (const cJSON *child = json_node(at->node)->child; child; child = child->next)
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
		.node = json_of_node(child), .parent = parent, .index = index, .err = parent->err};

	if (child && cJSON_IsObject(json_node(parent->node)))
		item.key = child->string;
	if (is_null(item.node)) {
		item.node = NULL;
		json_fail(&item, "missing");
	}
	return item;
}

struct json_in json_item(const struct json_in *at, size_t i)
{
	return item_at(at, at->node ? nth_child(json_node(at->node), i) : NULL, i);
}

bool json_each(const struct json_in *at, struct json_in *item)
{
	const cJSON *next;

	if (!at->node || at->err->failed)
		return false;
	next = item->node ? json_node(item->node)->next : json_node(at->node)->child;
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
	return at->node && cJSON_IsObject(json_node(at->node));
}
