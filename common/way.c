#include "common/way.h"

#include <stdio.h>

bool way_equal(const struct way *a, const struct way *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case WAY_NONE:
		return true;
	case WAY_DIRECT:
		return endpoint_equal(&a->addr, &b->addr);
	case WAY_RELAY:
		return a->region == b->region;
	}
	return false;
}

bool way_among(const struct way *ways, size_t n, const struct way *way)
{
	for (size_t i = 0; i < n; i++)
		if (way_equal(&ways[i], way))
			return true;
	return false;
}

void way_str(const struct way *way, char out[static WAY_TEXT_LEN])
{
	char addr[ENDPOINT_TEXT_LEN];

	switch (way->kind) {
	case WAY_NONE:
		snprintf(out, WAY_TEXT_LEN, "none");
		return;
	case WAY_DIRECT:
		endpoint_str(&way->addr, addr);
		snprintf(out, WAY_TEXT_LEN, "direct %s", addr);
		return;
	case WAY_RELAY:
		snprintf(out, WAY_TEXT_LEN, "relay %u", way->region);
		return;
	}
}
