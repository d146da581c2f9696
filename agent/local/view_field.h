/*
 * view_field: the few kinds of field that every document of the local API is made of: times,
 * durations and shares, each null where nothing is known.
 */
#ifndef WARREN_VIEW_FIELD_H
#define WARREN_VIEW_FIELD_H

#include <stdint.h>

#include "common/endpoint.h"
#include "common/json.h"
#include "common/way.h"

/* RFC 3339 in UTC; 0: null. */
void view_add_time(struct json *obj, const char *key, uint64_t unix_us);
/* Milliseconds with three decimals; 0: null. */
void view_add_ms(struct json *obj, const char *key, uint64_t us);
/* IP:PORT; none: null. */
void view_add_endpoint(struct json *obj, const char *key, const struct endpoint *ep);
/* 0: null. */
void view_add_region(struct json *obj, const char *key, uint32_t region);
/* "addr" and "region", the one that the way does not have null. */
void view_add_way_place(struct json *obj, const struct way *way);
/* "direct 192.0.2.1:5", "relay 3", "none". */
void view_add_way(struct json *obj, const char *key, const struct way *way);
/* "direct", "relay", "none". */
const char *view_way_kind(const struct way *way);

#endif
