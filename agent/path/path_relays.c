#include "agent/path/path_relays.h"

#include "agent/path/path_slot.h"

static int free_slot(const struct path_peer *p)
{
	for (int i = CANDIDATES_MAX; i < PATH_SLOTS; i++)
		if (p->path[i].way.kind == WAY_NONE)
			return i;
	return -1;
}

static void forget_missing(struct path_peer *p, const struct path_relay *relays, size_t n,
			   uint64_t now_us)
{
	for (int i = CANDIDATES_MAX; i < PATH_SLOTS; i++) {
		bool is_named = false;

		for (size_t k = 0; k < n; k++)
			is_named |= p->path[i].way.region == relays[k].region;
		if (p->path[i].way.kind == WAY_RELAY && !is_named)
			path_slot_clear(p, i, now_us);
	}
}

/* True where the relay offers something that it did not before. */
static bool update(struct path_peer *p, const struct path_relay *relay, uint64_t now_us)
{
	int slot = path_slot_of_relay(p, relay->region);

	if (slot < 0) {
		struct way way = way_relay(relay->region);

		slot = free_slot(p);
		if (slot < 0)
			return false;
		path_slot_set(p, slot, &way, now_us);
	}
	struct path *path = &p->path[slot];
	bool comes_up = relay->up && !path->relay.up;
	bool becomes_home = relay->is_peers_home && !path->relay.is_peers_home;
	bool goes = !relay->up && path->relay.up;

	path->relay = *relay;
	if (goes)
		liveness_on_loss(&path->live, now_us);
	if (!comes_up && !(becomes_home && path->live.state == PATH_DOWN))
		return false;
	liveness_reset(&path->live, now_us);
	path->tries = 0;
	path->last_probe_us = 0;
	return relay->up;
}

bool path_relays_set(struct path_peer *p, const struct path_relay *relays, size_t n,
		     uint64_t now_us)
{
	bool has_news = false;

	if (n > PATH_RELAYS_MAX)
		n = PATH_RELAYS_MAX;
	forget_missing(p, relays, n, now_us);
	for (size_t i = 0; i < n; i++)
		has_news |= update(p, &relays[i], now_us);
	return has_news;
}
