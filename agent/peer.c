#include "agent/peer_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"

/* ---- what is measured ---- */

static struct path_traffic read_traffic(const struct peer *peer)
{
	struct path_traffic traffic = {0};

	for (int kind = WAY_NONE; kind <= WAY_RELAY; kind++) {
		struct engine_way_stats from =
			engine_peer_way_stats(peer->engine, (enum way_kind)kind);

		traffic.kind[kind] = (struct path_traffic_kind){
			.data_sent = (uint32_t)from.data_sent,
			.data_heard = (uint32_t)from.data_received,
			.last_data_sent_us = from.last_data_sent_us,
			.last_data_heard_us = from.last_data_received_us,
			.last_heard_us = from.last_received_us,
		};
	}
	return traffic;
}

static void tell_seen(struct peer *peer, struct observer_output *seen)
{
	for (unsigned i = 0; i < seen->n_samples; i++)
		peer->env->on_sample(peer->env->arg, &seen->samples[i]);
	if (seen->has_event)
		peer_tell(peer, &seen->event);
}

static void observe(struct peer *peer, const struct path_traffic *traffic, uint64_t now_us)
{
	struct observer_times at = {now_us, clock_unix_us()};
	struct path_view in_use = {.way = way_none()};
	struct path_proof proof = path_peer_proof(&peer->path);
	struct observer_output seen;

	if (path_peer_list(&peer->path, &in_use, 1) == 0 || !in_use.in_use)
		in_use = (struct path_view){.way = way_none()};
	peer->was_active = peer_is_active(peer, now_us);
	observer_step(&peer->observer,
		      &(struct observer_view){traffic, &proof, &in_use, peer->was_active}, at,
		      &seen);
	tell_seen(peer, &seen);
}

static void observe_end(struct peer *peer, uint64_t now_us)
{
	struct path_traffic traffic = read_traffic(peer);
	struct observer_output seen;

	observe(peer, &traffic, now_us);
	observer_end(&peer->observer, (struct observer_times){now_us, clock_unix_us()}, &seen);
	tell_seen(peer, &seen);
}

/* ---- life ---- */

static enum candidate_source source_of(enum control_endpoint_kind kind)
{
	switch (kind) {
	case CONTROL_LOCAL:
		return CANDIDATE_LOCAL;
	case CONTROL_STUN:
		return CANDIDATE_STUN;
	case CONTROL_PORTMAP:
		return CANDIDATE_PORTMAP;
	case CONTROL_STATIC:
		break;
	}
	return CANDIDATE_STATIC;
}

static void name_candidates(struct peer *peer, uint64_t now_us)
{
	const struct control_endpoints *list = &peer->info.endpoints;
	struct path_named named[CONTROL_MAX_ENDPOINTS];
	struct path_actions actions;

	path_actions_init(&actions);
	for (size_t i = 0; i < list->count; i++)
		named[i] = (struct path_named){list->list[i].addr, source_of(list->list[i].kind)};
	path_peer_set_candidates(&peer->path, named, list->count, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
}

static void set_allowed_ips(struct peer *peer)
{
	struct prefix allowed[2];
	size_t n = 0;

	if (!ip_is_none(&peer->info.v4))
		allowed[n++] = (struct prefix){peer->info.v4, 32};
	if (!ip_is_none(&peer->info.v6))
		allowed[n++] = (struct prefix){peer->info.v6, 128};
	engine_peer_set_allowed_ips(peer->engine, allowed, n);
}

static void take_info(struct peer *peer, const struct control_peer *info)
{
	peer->info = *info;
	snprintf(peer->full_name, sizeof(peer->full_name), "%s.%s", info->name, info->owner);
}

int peer_new(const struct peer_env *env, const struct control_peer *info, uint64_t now_us,
	     struct peer **out)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	uint8_t seed[PATH_SEED_LEN];

	if (!peer)
		return -ENOMEM;
	peer->env = env;
	take_info(peer, info);
	int err = disco_box_init(&peer->box, env->disco_keys, &info->disco_key.key);
	if (err != 0)
		goto fail;
	err = engine_peer_add(env->engine,
			      &(struct engine_peer_config){.key = info->node_key.key,
							   .filter_id = info->id,
							   .user = peer},
			      &peer->engine);
	if (err != 0)
		goto fail;
	set_allowed_ips(peer);
	randombytes_buf(seed, sizeof(seed));
	path_peer_init(&peer->path, env->rules, seed, now_us);
	observer_init(&peer->observer, info->id);
	peer_on_obstacle(peer, now_us);
	name_candidates(peer, now_us);
	*out = peer;
	return 0;
fail:
	disco_box_wipe(&peer->box);
	free(peer);
	return err;
}

void peer_free(struct peer *peer)
{
	if (!peer)
		return;
	observe_end(peer, clock_now_us());
	engine_peer_remove(peer->engine);
	disco_box_wipe(&peer->box);
	free(peer);
}

static bool same_endpoints(const struct control_endpoints *a, const struct control_endpoints *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!endpoint_equal(&a->list[i].addr, &b->list[i].addr))
			return false;
	return true;
}

static void on_online(struct peer *peer, uint64_t now_us)
{
	struct path_actions actions;

	path_actions_init(&actions);
	path_peer_on_online(&peer->path, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
}

int peer_update(struct peer *peer, const struct control_peer *info, uint64_t now_us)
{
	struct control_peer before = peer->info;

	if (!public_key_equal(&before.node_key.key, &info->node_key.key))
		return -EKEYREJECTED;
	if (!public_key_equal(&before.disco_key.key, &info->disco_key.key)) {
		int err = disco_box_set_theirs(&peer->box, &info->disco_key.key, now_us);
		if (err != 0)
			return err;
	}
	take_info(peer, info);
	if (!ip_equal(&before.v4, &info->v4) || !ip_equal(&before.v6, &info->v6))
		set_allowed_ips(peer);
	if (!same_endpoints(&before.endpoints, &info->endpoints))
		name_candidates(peer, now_us);
	if (info->online && (!before.online || before.home_region != info->home_region)) {
		peer->initiation.n_ways = 0; /* what went to nobody goes again */
		peer_send_initiation(peer);
	}
	if (info->online && !before.online)
		on_online(peer, now_us);
	return 0;
}

void peer_on_own_disco_key(struct peer *peer)
{
	disco_box_own_changed(&peer->box);
}

const struct control_peer *peer_info(const struct peer *peer)
{
	return &peer->info;
}

const char *peer_full_name(const struct peer *peer)
{
	return peer->full_name;
}

struct engine_peer *peer_engine(const struct peer *peer)
{
	return peer->engine;
}

const struct path_peer *peer_path(const struct peer *peer)
{
	return &peer->path;
}

bool peer_is_active(const struct peer *peer, uint64_t now_us)
{
	return path_peer_is_active(&peer->path, now_us);
}

uint64_t peer_talked_unix_s(const struct peer *peer, uint64_t now_us)
{
	struct engine_peer_stats stats;
	uint64_t data_us = 0, unix_us = clock_unix_us();

	engine_peer_stats(peer->engine, &stats);
	for (int kind = WAY_NONE; kind <= WAY_RELAY; kind++) {
		const struct engine_way_stats *way = &stats.way[kind];

		if (way->last_data_sent_us > data_us)
			data_us = way->last_data_sent_us;
		if (way->last_data_received_us > data_us)
			data_us = way->last_data_received_us;
	}
	bool is_dated = data_us != 0 && now_us >= data_us && unix_us > now_us - data_us;
	uint64_t data_unix_us = is_dated ? unix_us - (now_us - data_us) : 0;
	uint64_t shook_unix_us = stats.last_handshake_unix_us;

	return (data_unix_us > shook_unix_us ? data_unix_us : shook_unix_us) / US_PER_S;
}

/* ---- other events ---- */

void peer_on_deadline(struct peer *peer, uint64_t now_us)
{
	struct path_actions actions;
	struct path_traffic traffic = read_traffic(peer);

	path_actions_init(&actions);
	path_peer_on_deadline(&peer->path, &traffic, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
	observe(peer, &traffic, now_us);
}

void peer_on_late(struct peer *peer, uint64_t late_us)
{
	observer_on_late(&peer->observer, late_us);
}

uint64_t peer_deadline_us(const struct peer *peer)
{
	uint64_t path_us = path_peer_deadline_us(&peer->path);
	uint64_t sample_us = timeline_deadline_us(&peer->observer.timeline, peer->was_active);

	return path_us < sample_us ? path_us : sample_us;
}

void peer_on_traffic(struct peer *peer, uint64_t now_us)
{
	peer_on_deadline(peer, now_us);
}

void peer_want(struct peer *peer, uint64_t now_us)
{
	struct path_actions actions;

	path_actions_init(&actions);
	path_peer_want(&peer->path, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
}

void peer_on_send_error(struct peer *peer, int error, uint64_t now_us)
{
	struct path_actions actions;
	struct way first = path_peer_choice(&peer->path)->first;

	path_actions_init(&actions);
	if (first.kind != WAY_DIRECT)
		return;
	path_peer_on_send_error(&peer->path, &first, error, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
}

void peer_on_relay_gone(struct peer *peer, uint32_t region, uint64_t now_us)
{
	struct path_actions actions;

	path_actions_init(&actions);
	path_peer_on_relay_gone(&peer->path, region, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
}

void peer_set_relays(struct peer *peer, const struct path_relay *relays, size_t n, uint64_t now_us)
{
	struct path_actions actions;

	path_actions_init(&actions);
	path_peer_set_relays(&peer->path, relays, n, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
	peer_send_initiation(peer);
}

void peer_on_obstacle(struct peer *peer, uint64_t now_us)
{
	struct path_actions actions;

	path_actions_init(&actions);
	path_peer_set_obstacle(&peer->path, peer->env->obstacle, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
}

void peer_on_own_endpoints(struct peer *peer, uint64_t now_us)
{
	struct path_actions actions;

	path_actions_init(&actions);
	path_peer_on_own_endpoints(&peer->path, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
}

void peer_on_network_change(struct peer *peer, const char *code, uint64_t now_us)
{
	struct path_actions actions;

	path_actions_init(&actions);
	observer_on_cause(&peer->observer, code_find(code), now_us);
	path_peer_on_network_change(&peer->path, code, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
}

/* ---- what the node wants of it ---- */

void peer_warm(struct peer *peer, const struct endpoint *last, uint64_t now_us)
{
	struct path_actions actions;
	struct path_named named[CONTROL_MAX_ENDPOINTS + 1];
	const struct control_endpoints *list = &peer->info.endpoints;
	size_t n = 0;

	path_actions_init(&actions);
	if (!endpoint_is_none(last))
		named[n++] = (struct path_named){*last, CANDIDATE_LAST};
	for (size_t i = 0; i < list->count; i++)
		named[n++] = (struct path_named){list->list[i].addr, source_of(list->list[i].kind)};
	path_peer_set_candidates(&peer->path, named, n, now_us, &actions);
	path_peer_want(&peer->path, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
	engine_peer_start_handshake(peer->engine, true);
}

int peer_ping(struct peer *peer, uint64_t now_us, uint8_t txid[static DISCO_TXID_LEN],
	      struct way *way)
{
	struct path_actions actions;
	path_actions_init(&actions);
	int err = path_peer_ping(&peer->path, now_us, &actions);

	if (err != 0)
		return err;
	/* The first is what was asked for; others may be due in the same turn. */
	err = -EAGAIN;
	for (size_t i = 0; i < actions.n && err != 0; i++) {
		if (actions.list[i].kind != PATH_SEND_PING)
			continue;
		memcpy(txid, actions.list[i].txid, DISCO_TXID_LEN);
		*way = actions.list[i].way;
		err = 0;
	}
	peer_carry_out(peer, &actions, now_us);
	return err;
}
