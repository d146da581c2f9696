/*
 * mesh_fuzz: what an operator gives a relay as --mesh-with.
 *
 * Must hold: a list is good exactly where each of its hosts is good alone and they are no more than
 * the relay takes; a pin is a whole SHA-256; what is refused says why in one line.
 */
#include "derp-relay/mesh.h"

#include <event2/event.h>

#include "common/net/loop.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { HOSTS_MAX = 16, LIST_MAX = 2048, PIN_DIGITS = 64 };
static const char pin_mark[] = "=sha256-raw:";

/* Nothing is dialled: the loop never runs. */
static bool is_good(struct event_base *base, const char *hosts)
{
	struct mesh_config cfg = {.base = base, .hosts = hosts};
	char error[MESH_ERROR_LEN] = "";
	struct mesh *mesh;

	if (mesh_new(&cfg, &mesh, error) != 0) {
		MUST(error[0] != '\0' && memchr(error, '\0', sizeof(error)));
		return false;
	}
	MUST(mesh_count_up(mesh) == 0);
	mesh_free(mesh);
	return true;
}

static void check_pin(const char *host)
{
	const char *pin = strstr(host, pin_mark);

	if (!pin)
		return;
	pin += sizeof(pin_mark) - 1;
	MUST(strlen(pin) == PIN_DIGITS && strspn(pin, "0123456789abcdefABCDEF") == PIN_DIGITS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct event_base *base;
	char list[LIST_MAX + 1], *rest = list;
	bool all_good = true;
	size_t n = 0;

	if (len > LIST_MAX)
		return 0;
	base = base ? base : loop_base_new();
	if (len > 0)
		memcpy(list, data, len);
	list[len] = '\0';
	bool good = is_good(base, list);
	for (char *host; (host = strsep(&rest, ",")) != NULL;) {
		bool host_is_good = is_good(base, host);

		if (host_is_good)
			check_pin(host);
		all_good &= host_is_good;
		n += *host != '\0';
	}
	MUST(good == (all_good && n <= HOSTS_MAX));
	return 0;
}
