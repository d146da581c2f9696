#include "tests/sim/watch_budget.h"

#include <string.h>

#include "common/clock.h"

/* Peers are active for 10 s after the last packet, and a while longer the home relay is measured.
 */
static const uint64_t until_idle_us = 30 * US_PER_S;
static const uint8_t disco_magic[6] = {'T', 'S', 0xf0, 0x9f, 0x92, 0xac};

void watch_budget_init(struct watch_budget *w, const char *node)
{
	*w = (struct watch_budget){.node = node};
}

static void count_probe(struct watch_budget *w, uint64_t now_us, struct verdict *v)
{
	uint64_t second = now_us / US_PER_S;

	if (second != w->second) {
		w->second = second;
		w->probes = 0;
	}
	w->probes++;
	if (w->probes > w->most_probes)
		w->most_probes = w->probes;
	if (w->probes > WATCH_BUDGET_PROBES)
		verdict_fail(v, now_us, "probes", "%s sends more than %d probes in a second",
			     w->node, WATCH_BUDGET_PROBES);
}

void watch_budget_on_packet(struct watch_budget *w, const uint8_t *data, size_t len, bool is_udp,
			    uint64_t now_us, struct verdict *v)
{
	if (is_udp && len >= sizeof(disco_magic) &&
	    memcmp(data, disco_magic, sizeof(disco_magic)) == 0)
		count_probe(w, now_us, v);
	if (w->idle_since_us != 0 && now_us > w->idle_since_us + until_idle_us)
		w->idle_bytes += len + 28;
}

void watch_budget_on_busy(struct watch_budget *w, uint64_t now_us, struct verdict *v)
{
	uint64_t began_us = w->idle_since_us + until_idle_us;

	if (w->idle_since_us != 0 && now_us > began_us + 10 * US_PER_S) {
		uint64_t search = WATCH_BUDGET_SEARCH_BYTES;
		uint64_t bytes = w->idle_bytes > search ? w->idle_bytes - search : 0;
		uint64_t rate = bytes * US_PER_S / (now_us - began_us);

		if (rate > w->most_idle)
			w->most_idle = rate;
		if (rate > WATCH_BUDGET_IDLE_BYTES)
			verdict_fail(v, now_us, "idle", "%s sends %u bytes a second while idle",
				     w->node, (unsigned)rate);
	}
	w->idle_since_us = w->idle_bytes = 0;
}

void watch_budget_on_calm(struct watch_budget *w, uint64_t now_us)
{
	w->idle_since_us = now_us;
	w->idle_bytes = 0;
}

void watch_budget_on_timers(struct watch_budget *w, size_t timers, uint64_t now_us,
			    struct verdict *v)
{
	if (timers > w->most_timers)
		w->most_timers = timers;
	if (timers > WATCH_BUDGET_TIMERS)
		verdict_fail(v, now_us, "timers", "%s has %zu timers armed", w->node, timers);
}

void watch_budget_on_heap(size_t bytes, uint64_t now_us, struct verdict *v)
{
	if (bytes > WATCH_BUDGET_HEAP)
		verdict_fail(v, now_us, "memory", "%zu bytes are held", bytes);
}
