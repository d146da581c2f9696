#include "agent/local/view_field.h"

#include "common/clock.h"

void view_add_time(struct json *obj, const char *key, uint64_t unix_us)
{
	char text[RFC3339_LEN];

	if (unix_us == 0) {
		json_add_null(obj, key);
		return;
	}
	clock_rfc3339(unix_us, text);
	json_add_str(obj, key, text);
}

void view_add_ms(struct json *obj, const char *key, uint64_t us)
{
	if (us == 0)
		json_add_null(obj, key);
	else
		json_add_f64(obj, key, (double)us / US_PER_MS);
}

void view_add_endpoint(struct json *obj, const char *key, const struct endpoint *ep)
{
	char text[ENDPOINT_TEXT_LEN];

	if (endpoint_is_none(ep)) {
		json_add_null(obj, key);
		return;
	}
	endpoint_str(ep, text);
	json_add_str(obj, key, text);
}

void view_add_region(struct json *obj, const char *key, uint32_t region)
{
	if (region == 0)
		json_add_null(obj, key);
	else
		json_add_u64(obj, key, region);
}

void view_add_way_place(struct json *obj, const struct way *way)
{
	static const struct endpoint none;

	view_add_endpoint(obj, "addr", way->kind == WAY_DIRECT ? &way->addr : &none);
	view_add_region(obj, "region", way->kind == WAY_RELAY ? way->region : 0);
}

void view_add_way(struct json *obj, const char *key, const struct way *way)
{
	char text[WAY_TEXT_LEN];

	way_str(way, text);
	json_add_str(obj, key, text);
}

const char *view_way_kind(const struct way *way)
{
	switch (way->kind) {
	case WAY_NONE:
		return "none";
	case WAY_DIRECT:
		return "direct";
	case WAY_RELAY:
		return "relay";
	}
	return "none";
}
