#include "tests/sim/watch_wire.h"

#include <string.h>

void watch_wire_init(struct watch_wire *w, const uint8_t *marker)
{
	*w = (struct watch_wire){.marker = marker};
}

void watch_wire_on_address(struct watch_wire *w, unsigned node, const struct ip_addr *mesh)
{
	w->mesh[!ip_is_v4(mesh)][node] = *mesh;
}

static bool is_mesh(const struct watch_wire *w, const struct ip_addr *ip)
{
	const struct ip_addr *mesh = w->mesh[!ip_is_v4(ip)];

	for (unsigned i = 0; i < DAY_NODES; i++)
		if (!ip_is_none(&mesh[i]) && ip_equal(&mesh[i], ip))
			return true;
	return false;
}

/* memmem builds a table for each call; of noise, one byte in 256 is the marker's first. */
static bool holds_marker(const uint8_t *data, size_t len, const uint8_t *marker)
{
	const uint8_t *at = data;

	while (len >= TRAFFIC_MARKER_LEN &&
	       (at = memchr(data, marker[0], len - TRAFFIC_MARKER_LEN + 1))) {
		if (memcmp(at, marker, TRAFFIC_MARKER_LEN) == 0)
			return true;
		len -= (size_t)(at + 1 - data);
		data = at + 1;
	}
	return false;
}

void watch_wire_on_packet(struct watch_wire *w, const char *sender, const struct endpoint *from,
			  const struct endpoint *to, const uint8_t *data, size_t len,
			  uint64_t now_us, struct verdict *v)
{
	char text[ENDPOINT_TEXT_LEN];

	w->packets++;
	if (is_mesh(w, &from->ip) || is_mesh(w, &to->ip)) {
		endpoint_str(to, text);
		verdict_fail(v, now_us, "wire", "%s sends with a mesh address, to %s", sender,
			     text);
	}
	if (holds_marker(data, len, w->marker)) {
		endpoint_str(to, text);
		verdict_fail(v, now_us, "clear", "%s sends %zu bytes in the clear to %s", sender,
			     len, text);
	}
}
