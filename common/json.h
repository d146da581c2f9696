/*
 * json: reading JSON with checks, and building it. The only module that knows the JSON library.
 *
 * Reading goes like common/wire.h: failure is sticky. A getter checks presence, type and range,
 * gives a harmless value after the first failure, and that failure's text says which field was
 * wrong ("peers[2].endpoints[0].addr: not an endpoint"). A decoder reads straight down and asks
 * json_error.failed once, at its end. The tree dies in the function that parsed it; strings are
 * borrowed from it until then.
 *
 *	struct json_error err = {0};
 *	struct json *tree;
 *	if (json_parse(text, len, MAX, &tree, &err) != 0) ...
 *	struct json_in root = json_root(tree, &err), peers = json_array(&root, "peers", 1024);
 *	for (struct json_in peer = {0}; json_each(&peers, &peer);)
 *		id = json_u64(&peer, "id", 1, UINT32_MAX);
 *	json_free(tree);
 */
#ifndef WARREN_JSON_H
#define WARREN_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

struct json;

/* Integers of JSON are exact up to here only (2^53 - 1, RFC 8259 section 6). */
#define JSON_INT_MAX ((uint64_t)9007199254740991)

enum { JSON_ERROR_LEN = 192, JSON_DEPTH_MAX = 32 };

struct json_error {
	bool failed;
	char text[JSON_ERROR_LEN]; /* of the first failure; values of others are not in it */
};

/* A place in a tree: by value, valid while the tree and its parent cursor are. */
struct json_in {
	const struct json *node; /* NULL: absent, or after a failure */
	const struct json_in *parent;
	const char *key; /* in the parent; NULL for an array's item and the root */
	size_t index;
	struct json_error *err;
};

/* -E2BIG where len > max_len, -EBADMSG where it is not one JSON document (nothing but white space
 * behind it, no NUL inside, at most JSON_DEPTH_MAX deep); err says so. */
MUST_CHECK int json_parse(const char *text, size_t len, size_t max_len, struct json **out,
			  struct json_error *err);
void json_free(struct json *tree);

struct json_in json_root(const struct json *tree, struct json_error *err);

/* Records the failure "path: problem" unless there was one before. */
void json_fail(const struct json_in *at, const char *problem);

/* True where obj has the member and it is not null. Never fails. */
bool json_has(const struct json_in *obj, const char *key);
/* The member whatever it is; node NULL where absent or null. Never fails. */
struct json_in json_find(const struct json_in *obj, const char *key);

/* Members that must be there. The array may hold max items at most. */
struct json_in json_object(const struct json_in *obj, const char *key);
struct json_in json_array(const struct json_in *obj, const char *key, size_t max);
/* Strings have max_len bytes at most and are never NULL. */
const char *json_str(const struct json_in *obj, const char *key, size_t max_len);
uint64_t json_u64(const struct json_in *obj, const char *key, uint64_t min, uint64_t max);
int64_t json_i64(const struct json_in *obj, const char *key, int64_t min, int64_t max);
double json_f64(const struct json_in *obj, const char *key, double min, double max);
bool json_bool(const struct json_in *obj, const char *key);

/* Members that may be absent or null: then the fallback. Wrong type or range still fails. */
struct json_in json_opt_array(const struct json_in *obj, const char *key, size_t max);
const char *json_opt_str(const struct json_in *obj, const char *key, size_t max_len,
			 const char *fallback);
uint64_t json_opt_u64(const struct json_in *obj, const char *key, uint64_t min, uint64_t max,
		      uint64_t fallback);
int64_t json_opt_i64(const struct json_in *obj, const char *key, int64_t min, int64_t max,
		     int64_t fallback);
double json_opt_f64(const struct json_in *obj, const char *key, double min, double max,
		    double fallback);
bool json_opt_bool(const struct json_in *obj, const char *key, bool fallback);

/* Items of an array or members of an object, in order:
 *	for (struct json_in peer = {0}; json_each(&peers, &peer);)
 * A null among them fails and ends the walk. */
bool json_each(const struct json_in *at, struct json_in *item);
/* The same by number, walking there from the first: for short lists only. */
size_t json_count(const struct json_in *at);
struct json_in json_item(const struct json_in *at, size_t i);
/* The name of a member got by json_item from an object; "" for an array's item. */
const char *json_name(const struct json_in *at);

/* The value at a cursor itself, for items of arrays. */
bool json_is_object(const struct json_in *at);
const char *json_as_str(const struct json_in *at, size_t max_len);
uint64_t json_as_u64(const struct json_in *at, uint64_t min, uint64_t max);
double json_as_f64(const struct json_in *at, double min, double max);

/* ---- building ---- */

/* A tree that json_free frees. Parts got from json_add_object and the like belong to it. A NULL
 * text adds null. Memory running out ends the process, as at start-up. */
struct json *json_object_new(void);
struct json *json_array_new(void);
struct json *json_add_object(struct json *obj, const char *key);
struct json *json_add_array(struct json *obj, const char *key);
void json_add_str(struct json *obj, const char *key, const char *text);
void json_add_u64(struct json *obj, const char *key, uint64_t value);
void json_add_i64(struct json *obj, const char *key, int64_t value);
/* Three decimals, as milliseconds and percentages are shown; NAN adds null. */
void json_add_f64(struct json *obj, const char *key, double value);
void json_add_bool(struct json *obj, const char *key, bool value);
void json_add_null(struct json *obj, const char *key);
/* Takes tree over. */
void json_add_tree(struct json *obj, const char *key, struct json *tree);

struct json *json_append_object(struct json *array);
struct json *json_append_array(struct json *array);
void json_append_str(struct json *array, const char *text);
void json_append_u64(struct json *array, uint64_t value);
void json_append_f64(struct json *array, double value);
void json_append_tree(struct json *array, struct json *tree);

/* The text on one line, or indented for people; the caller frees it with free(). */
char *json_print(const struct json *tree);
char *json_print_pretty(const struct json *tree);

#endif
