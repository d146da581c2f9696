/*
 * json_node: what json.h hides: struct json is never defined, it is the library's node under
 * another name. For json's own files alone.
 */
#ifndef WARREN_JSON_NODE_H
#define WARREN_JSON_NODE_H

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "common/json.h"

static inline const cJSON *json_node(const struct json *tree)
{
	return (const cJSON *)(const void *)tree;
}

static inline cJSON *json_writable(struct json *tree)
{
	return (cJSON *)(void *)tree;
}

static inline const struct json *json_of_node(const cJSON *node)
{
	return (const struct json *)(const void *)node;
}

/* What the library made; without memory it is the end. */
static inline struct json *json_made(cJSON *node)
{
	if (!node) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return (struct json *)(void *)node;
}

#endif
