/*
 * node_map: the network map as it was heard, on its way to the peers and to disk.
 */
#include "agent/node_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* A peer believes for so long in the keys that it had with us: WireGuard's REJECT_AFTER_TIME. */
enum { MAP_WARN_AFTER_S = 3 * 24 * 3600, WARM_FOR_S = 180 };

static const uint64_t map_save_after_us = 200 * US_PER_MS;
/* What is younger by less than that is no matter of the disk. */
static const uint64_t heard_anew_s = 3600;
static const uint64_t warm_after_us = 1 * US_PER_S, warm_every_us = 30 * US_PER_S;

static uint64_t unix_s(void)
{
	return clock_unix_us() / US_PER_S;
}

/* ---- the map as heard ---- */

static struct control_peer *find_in_map(struct control_map *map, uint32_t id)
{
	for (size_t i = 0; i < map->n_peers; i++)
		if (map->peers[i].id == id)
			return &map->peers[i];
	return NULL;
}

static int upsert(struct control_map *map, const struct control_peer *p)
{
	struct control_peer *known = find_in_map(map, p->id);

	if (!known && map->n_peers == CONTROL_MAX_PEERS)
		return -E2BIG;
	if (!known) {
		struct control_peer *grown =
			realloc(map->peers, (map->n_peers + 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		map->peers = grown;
		known = &map->peers[map->n_peers++];
	}
	*known = *p;
	return 0;
}

static void remove_from_map(struct control_map *map, uint32_t id)
{
	struct control_peer *known = find_in_map(map, id);

	if (known)
		*known = map->peers[--map->n_peers];
}

static bool is_in(const struct control_map *map, uint32_t id)
{
	for (size_t i = 0; i < map->n_peers; i++)
		if (map->peers[i].id == id)
			return true;
	return false;
}

/* A full map: whoever is not in it is gone. */
static void forget_absent(struct node *node, const struct control_map *news)
{
	for (size_t i = node->n_peers; i-- > 0;) {
		uint32_t id = node->peers[i].id;

		if (is_in(news, id))
			continue;
		remove_from_map(&node->map.map, id);
		node_drop_entry(node, id);
	}
}

static void take_map(struct node *node, const struct control_map *news, uint64_t now_us)
{
	if (news->full)
		forget_absent(node, news);
	for (size_t i = 0; i < news->n_removed; i++) {
		remove_from_map(&node->map.map, news->removed[i]);
		node_drop_entry(node, news->removed[i]);
	}
	for (size_t i = 0; i < news->n_peers; i++) {
		int err = upsert(&node->map.map, &news->peers[i]);

		if (err == 0)
			node_use_peer(node, &news->peers[i], now_us);
		else
			log_error("map", log_event("peer-left-out"),
				  log_str("error",
					  err == -E2BIG ? "the map is full" : "out of memory"));
	}
	node->map.map.number = news->number;
	node->map.heard_unix_s = unix_s();
	node->has_map = true;
	node_publish_rules(node);
	node_relays_hold(node);
}

static void save_trust(struct node *node)
{
	if (!node->trust.changed)
		return;
	node->trust.changed = false;
	node_warn_state(node, state_save_trust(&node->state, &node->trust));
}

void node_on_map(struct node *node, const struct control_map *news)
{
	uint64_t now_us = clock_now_us();

	take_map(node, news, now_us);
	coordinator_link_ack(node->link, news->number);
	if (node->map_save_us == US_NEVER)
		node->map_save_us = now_us + map_save_after_us;
	node_commands_on_change(node);
	node_arm(node);
}

/* ---- disk ---- */

/* A file may stand behind the book, which is one of its own, where the disk was full or power went
 * amid the two. Nobody came with older keys then: who is affected waits for the coordinator. */
static void leave_out_outdated(struct node *node, struct control_map *saved)
{
	for (size_t i = saved->n_peers; i-- > 0;) {
		struct introduction in = node_introduction(&saved->peers[i]);

		if (!trust_knows_newer(&node->trust, &in))
			continue;
		log_warn("map", log_event("outdated"), log_str("peer", in.name));
		memmove(&saved->peers[i], &saved->peers[i + 1],
			(--saved->n_peers - i) * sizeof(*saved->peers));
	}
}

/* From a `down` before in this process, else from disk, which may be behind. */
static int recall_map(struct node *node, struct state_map *out)
{
	if (node->has_map) {
		*out = node->map;
		node->map = (struct state_map){0};
		node->has_map = false;
		return 0;
	}
	int rc = state_load_map(&node->state, out);
	node_warn_state(node, rc);
	if (rc == 0)
		leave_out_outdated(node, &out->map);
	return rc;
}

void node_load_map(struct node *node, uint64_t now_us)
{
	uint64_t age_s, max_s = node->settings->map_max_age_us / US_PER_S;
	struct state_map saved;

	if (node->id.id == 0)
		return;
	node_load_relays(node, now_us);
	if (recall_map(node, &saved) != 0)
		return;
	age_s = unix_s() > saved.heard_unix_s ? unix_s() - saved.heard_unix_s : 0;
	if (age_s > max_s) {
		log_warn("map", log_event("too-old"), log_u64("days", age_s / 86400));
		state_map_wipe(&saved);
		return;
	}
	if (age_s > MAP_WARN_AFTER_S)
		log_warn("map", log_event("old"), log_u64("days", age_s / 86400));
	node->map.epoch = saved.epoch;
	take_map(node, &saved.map, now_us);
	node->map.heard_unix_s = saved.heard_unix_s;
	state_map_wipe(&saved);
}

void node_apply_map(struct node *node, uint64_t now_us)
{
	save_trust(node);
	if (!node->on)
		return;
	for (size_t i = 0; i < node->map.map.n_peers; i++)
		node_use_peer(node, &node->map.map.peers[i], now_us);
	node_publish_rules(node);
	node_arm(node);
}

/* The map with, in front of a word that was refused, the peer that goes on as it was known: read
 * again in this order, the two come to the same. The list is the caller's; NULL: out of memory. */
static struct control_peer *list_with_kept(const struct node *node, size_t *count)
{
	const struct control_map *map = &node->map.map;
	struct control_peer *list = calloc(node->n_peers + map->n_peers + 1, sizeof(*list));

	*count = 0;
	if (!list)
		return NULL;
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].is_kept && *count + map->n_peers < CONTROL_MAX_PEERS)
			list[(*count)++] = *peer_info(node->peers[i].peer);
	if (map->n_peers > 0)
		memcpy(&list[*count], map->peers, map->n_peers * sizeof(*list));
	*count += map->n_peers;
	return list;
}

static bool keeps_any(const struct node *node)
{
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].is_kept)
			return true;
	return false;
}

static int save_map(struct node *node)
{
	struct state_map saved = node->map;
	struct control_peer *list =
		keeps_any(node) ? list_with_kept(node, &saved.map.n_peers) : NULL;

	if (!list)
		return state_save_map(&node->state, &node->map);
	saved.map.peers = list;
	int err = state_save_map(&node->state, &saved);

	free(list);
	return err;
}

void node_map_heard(struct node *node)
{
	uint64_t now_s = unix_s();

	if (!node->link_up || !node->has_map || now_s < node->map.heard_unix_s + heard_anew_s)
		return;
	node->map.heard_unix_s = now_s;
	if (node->map_save_us == US_NEVER)
		node->map_save_us = clock_now_us() + map_save_after_us;
}

void node_save_map(struct node *node)
{
	/* In this order: where power goes between the two, a map older than the book would leave
	 * out who is newer in it. */
	node_warn_state(node, save_map(node));
	save_trust(node);
}

void node_save_due_map(struct node *node)
{
	if (node->map_save_us != US_NEVER)
		node_save_map(node);
	node->map_save_us = US_NEVER;
}

/* Over a `down` as over a restart. */
static void leave_kept_in_map(struct node *node)
{
	size_t n;
	struct control_peer *list = keeps_any(node) ? list_with_kept(node, &n) : NULL;

	if (!list)
		return;
	free(node->map.map.peers);
	node->map.map.peers = list;
	node->map.map.n_peers = n;
}

void node_drop_peers(struct node *node)
{
	leave_kept_in_map(node);
	while (node->n_peers > 0)
		node_drop_entry(node, node->peers[0].id);
	free(node->peers);
	node->peers = NULL;
	node->cap_peers = 0;
	key_map_free(&node->by_disco);
	key_map_free(&node->by_node);
}

void node_save_warm(struct node *node)
{
	struct state_warm list[STATE_WARM_MAX];
	uint64_t now_us = clock_now_us();
	size_t n = 0;

	for (size_t i = 0; i < node->n_peers && n < STATE_WARM_MAX; i++) {
		struct peer *peer = node->peers[i].peer;

		uint64_t talked_unix_s = peer ? peer_talked_unix_s(peer, now_us) : 0;

		if (talked_unix_s == 0 || talked_unix_s + WARM_FOR_S < unix_s())
			continue;
		const struct way *way = &path_peer_choice(peer_path(peer))->first;
		list[n] = (struct state_warm){.id = node->peers[i].id,
					      .active_unix_s = talked_unix_s};
		if (way->kind == WAY_DIRECT)
			list[n].endpoint = way->addr;
		n++;
	}
	node_warn_state(node, state_save_warm(&node->state, list, n));
	if (n > 0)
		node->warm_save_us = now_us + warm_every_us;
}

void node_plan_warm_save(struct node *node)
{
	if (node->warm_save_us == US_NEVER)
		node->warm_save_us = clock_now_us() + warm_after_us;
}

void node_warm_start(struct node *node, uint64_t now_us)
{
	struct state_warm list[STATE_WARM_MAX];
	size_t n = STATE_WARM_MAX;

	node_warn_state(node, state_load_warm(&node->state, list, &n));
	for (size_t i = 0; i < n; i++) {
		struct peer *peer = node_find_peer(node, list[i].id);

		if (peer && list[i].active_unix_s + WARM_FOR_S >= unix_s())
			peer_warm(peer, &list[i].endpoint, now_us);
	}
}
