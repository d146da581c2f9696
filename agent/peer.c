#include "agent/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/observer.h"
#include "common/clock.h"

/* WireGuard renews a keypair after 120 s, or where 15 s brought no answer. Who shakes hands sooner
 * has lost its keys; in the first seconds both ends may, each having begun. */
static const uint64_t renewal_us = 120 * US_PER_S, no_answer_us = 15 * US_PER_S;
static const uint64_t both_began_us = 5 * US_PER_S;

enum { HANDSHAKE_WAYS_MAX = 8, NOTICE_WAYS_MAX = 16, FAILED_SENDS_MAX = 16, INITIATION_MAX = 148 };

/* A handshake initiation without an answer yet, and the ways it went by. */
struct initiation {
	uint8_t bytes[INITIATION_MAX];
	size_t len; /* 0: none is open */
	struct way ways[HANDSHAKE_WAYS_MAX];
	size_t n_ways;
};

struct peer {
	const struct peer_env *env;
	struct control_peer info;
	char full_name[EVENT_PEER_LEN]; /* NAME.OWNER */
	struct engine_peer *engine;
	struct disco_box box;
	struct path_peer path;
	struct observer observer;
	bool was_active; /* when it was last observed */
	struct initiation initiation;
};

/* Sends that the network refused while actions were carried out: path hears of them afterwards. */
struct failed_sends {
	struct failed_send {
		struct way way;
		int error; /* positive errno */
	} list[FAILED_SENDS_MAX];
	size_t n;
};

/* ---- sending ---- */

static int send_by(struct peer *peer, const struct way *way, const uint8_t *packet, size_t len)
{
	const struct peer_env *env = peer->env;

	switch (way->kind) {
	case WAY_DIRECT:
		return engine_send_udp(env->engine, &way->addr, packet, len);
	case WAY_RELAY:
		env->send_relay(env->arg, way->region, &peer->info.node_key.key, packet, len);
		return 0;
	case WAY_NONE:
		break;
	}
	return -ENETUNREACH;
}

static int send_disco(struct peer *peer, const struct way *way, const struct disco_message *m)
{
	uint8_t nonce[DISCO_NONCE_LEN], packet[DISCO_PACKET_MAX];
	size_t len;
	int err = 0;

	for (size_t copy = 0; err == 0 && copy < disco_box_copies(&peer->box); copy++) {
		randombytes_buf(nonce, sizeof(nonce));
		err = disco_box_seal(&peer->box, copy, m, nonce, packet, sizeof(packet), &len);
		if (err == 0)
			err = send_by(peer, way, packet, len);
	}
	return err;
}

/* ---- reports, from path's words to the wire's and back ---- */

static enum disco_way disco_way_of(const struct way *way)
{
	return way->kind == WAY_RELAY ? DISCO_WAY_RELAY : DISCO_WAY_DIRECT;
}

static struct disco_report report_to_wire(struct peer *peer, const struct path_action *a)
{
	enum disco_way way = disco_way_of(&a->way);
	struct disco_report report = {
		.serial = peer->env->next_serial(peer->env->arg),
		.probe = a->report.number,
		.heard_probe = a->report.heard,
	};

	report.data_sent[way] = a->report.data_sent;
	report.data_heard[way] = a->report.data_heard;
	return report;
}

static struct path_report report_from_wire(const struct disco_report *report,
					   const struct way *from)
{
	enum disco_way way = disco_way_of(from);

	return (struct path_report){
		.serial = report->serial,
		.number = report->probe,
		.heard = report->heard_probe,
		.data_sent = report->data_sent[way],
		.data_heard = report->data_heard[way],
	};
}

/* ---- path's actions ---- */

/* What the history tells of a path is what the user felt: of the way in use, not of those that are
 * tried beside it. */
static bool is_in_use(const struct peer *peer, const struct way *way)
{
	return way_equal(way, &path_peer_choice(&peer->path)->first);
}

static int send_ping(struct peer *peer, const struct path_action *a)
{
	struct disco_message m = {.type = DISCO_PING};

	memcpy(m.ping.txid, a->txid, DISCO_TXID_LEN);
	m.ping.has_node_key = true;
	m.ping.node_key = peer->env->node_public;
	m.ping.has_report = true;
	m.ping.report = report_to_wire(peer, a);
	if (is_in_use(peer, &a->way))
		observer_on_probe(&peer->observer);
	return send_disco(peer, &a->way, &m);
}

static int send_pong(struct peer *peer, const struct path_action *a)
{
	struct disco_message m = {.type = DISCO_PONG};

	memcpy(m.pong.txid, a->txid, DISCO_TXID_LEN);
	m.pong.seen = a->observed;
	m.pong.has_report = true;
	m.pong.report = report_to_wire(peer, a);
	return send_disco(peer, &a->way, &m);
}

static int send_call_me_maybe(struct peer *peer, const struct path_action *a)
{
	struct disco_message m = {.type = DISCO_CALL_ME_MAYBE};

	m.call_me_maybe.n = peer->env->own_endpoints(peer->env->arg, m.call_me_maybe.endpoints,
						     DISCO_ENDPOINTS_MAX);
	return send_disco(peer, &a->way, &m);
}

static int send_notice(struct peer *peer, const struct way *way, enum disco_notice_reason reason,
		       enum way_kind about)
{
	struct disco_message m = {.type = DISCO_NOTICE};

	m.notice.serial = peer->env->next_serial(peer->env->arg);
	m.notice.reason = reason;
	m.notice.way = about == WAY_RELAY ? DISCO_WAY_RELAY : DISCO_WAY_DIRECT;
	return send_disco(peer, way, &m);
}

static enum disco_notice_reason notice_to_wire(enum path_notice notice)
{
	switch (notice) {
	case PATH_LEAVING:
		return DISCO_LEAVING;
	case PATH_RESTARTING:
		return DISCO_RESTARTING;
	case PATH_NOT_HEARING:
		break;
	}
	return DISCO_NOT_HEARING;
}

static void tell_event(struct peer *peer, struct event *event)
{
	event->peer_id = peer->info.id;
	memcpy(event->peer, peer->full_name, sizeof(event->peer));
	peer->env->on_event(peer->env->arg, event);
}

static void tell_move(struct peer *peer, const struct path_choice *choice)
{
	enum code code = code_find(choice->why_code);
	struct event event = event_make(EVENT_PATH, code, 0, NULL, choice->why, clock_unix_us());

	event.from = choice->from;
	event.to = choice->first;
	tell_event(peer, &event);
	peer->env->on_moved(peer->env->arg, peer, choice);
}

/* What ends a gap is no cause of it. */
static void note_cause(struct peer *peer, const struct path_choice *choice)
{
	enum code code = code_find(choice->why_code);
	bool is_trouble = choice->moved || choice->copy.kind != WAY_NONE;

	if (is_trouble && code != CODE_PATH_FIRST && code != CODE_PATH_BETTER &&
	    code != CODE_PATH_BACK)
		observer_on_cause(&peer->observer, code, clock_now_us());
}

static bool among(const struct way *ways, size_t n, const struct way *way)
{
	for (size_t i = 0; i < n; i++)
		if (way_equal(&ways[i], way))
			return true;
	return false;
}

/* A way appeared: an initiation that is not answered yet goes by it too, the same bytes, so that an
 * answer under way stays good; a copy that the peer has had already it takes for a replay. */
static void send_initiation(struct peer *peer)
{
	struct initiation *last = &peer->initiation;
	struct way ways[HANDSHAKE_WAYS_MAX];

	if (last->len == 0)
		return;
	size_t n = path_peer_handshake_ways(&peer->path, ways, HANDSHAKE_WAYS_MAX);
	for (size_t i = 0; i < n && last->n_ways < HANDSHAKE_WAYS_MAX; i++) {
		if (among(last->ways, last->n_ways, &ways[i]))
			continue;
		last->ways[last->n_ways++] = ways[i];
		(void)send_by(peer, &ways[i], last->bytes, last->len);
	}
}

static void publish_choice(struct peer *peer)
{
	const struct path_choice *choice = path_peer_choice(&peer->path);

	engine_peer_set_choice(peer->engine, &choice->first, &choice->copy);
	note_cause(peer, choice);
	if (!choice->moved)
		return;
	tell_move(peer, choice);
	send_initiation(peer);
}

/* Returns 0 or the negative errno of a send. */
static int carry_out_one(struct peer *peer, const struct path_action *a)
{
	switch (a->kind) {
	case PATH_SEND_PING:
		return send_ping(peer, a);
	case PATH_SEND_PONG:
		return send_pong(peer, a);
	case PATH_SEND_CALL_ME_MAYBE:
		return send_call_me_maybe(peer, a);
	case PATH_SEND_NOTICE:
		return send_notice(peer, &a->way, notice_to_wire(a->notice), a->about);
	case PATH_SET_CHOICE:
		publish_choice(peer);
		return 0;
	case PATH_RESEND:
		engine_peer_resend(peer->engine);
		return 0;
	case PATH_HOLD:
		engine_peer_hold(peer->engine, a->hold_until_us);
		return 0;
	case PATH_HANDSHAKE:
		engine_peer_start_handshake(peer->engine, true);
		return 0;
	case PATH_ASK_ENDPOINTS:
		peer->env->ask_endpoints(peer->env->arg);
		return 0;
	}
	return 0;
}

static void carry_out_all(struct peer *peer, const struct path_actions *actions,
			  struct failed_sends *failed)
{
	for (size_t i = 0; i < actions->n; i++) {
		int err = carry_out_one(peer, &actions->list[i]);

		if (err < 0 && actions->list[i].way.kind == WAY_DIRECT &&
		    failed->n < FAILED_SENDS_MAX)
			failed->list[failed->n++] =
				(struct failed_send){actions->list[i].way, -err};
	}
}

/* Refused sends are news for path; what it answers is carried out, and refusals of that wait for
 * their probe's timeout, so that this ends. */
static void carry_out(struct peer *peer, const struct path_actions *actions, uint64_t now_us)
{
	struct failed_sends failed = {.n = 0}, ignored = {.n = 0};

	carry_out_all(peer, actions, &failed);
	for (size_t i = 0; i < failed.n; i++) {
		struct path_actions more = {.n = 0};

		path_peer_on_send_error(&peer->path, &failed.list[i].way, failed.list[i].error,
					now_us, &more);
		carry_out_all(peer, &more, &ignored);
	}
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
	struct path_actions actions = {.n = 0};

	for (size_t i = 0; i < list->count; i++)
		named[i] = (struct path_named){list->list[i].addr, source_of(list->list[i].kind)};
	path_peer_set_candidates(&peer->path, named, list->count, now_us, &actions);
	carry_out(peer, &actions, now_us);
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
	if (env->relay_only)
		path_peer_set_obstacle(&peer->path, PATH_RELAY_ONLY);
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
		send_initiation(peer);
	}
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

/* ---- disco ---- */

static void on_ping(struct peer *peer, const struct disco_ping *ping, const struct way *from,
		    uint64_t now_us, struct path_actions *actions)
{
	struct path_report report = report_from_wire(&ping->report, from);

	path_peer_on_ping(&peer->path, from, ping->txid, ping->has_report ? &report : NULL, now_us,
			  actions);
}

static void on_pong(struct peer *peer, const struct disco_pong *pong, const struct way *from,
		    uint64_t now_us, struct path_actions *actions)
{
	struct path_report report = report_from_wire(&pong->report, from);
	struct path_pong proved = path_peer_on_pong(
		&peer->path, from, pong->txid, pong->has_report ? &report : NULL, now_us, actions);

	if (!proved.matched)
		return;
	if (is_in_use(peer, &proved.way))
		observer_on_pong(&peer->observer, &proved);
	peer->env->on_pong(peer->env->arg, peer, pong->txid, now_us);
}

static void on_notice(struct peer *peer, const struct disco_notice *notice, uint64_t now_us,
		      struct path_actions *actions)
{
	enum way_kind about = notice->way == DISCO_WAY_RELAY ? WAY_RELAY : WAY_DIRECT;

	switch (notice->reason) {
	case DISCO_LEAVING:
		observer_on_cause(&peer->observer, CODE_PEER_LEFT, now_us);
		path_peer_on_notice(&peer->path, PATH_LEAVING, about, notice->serial, now_us,
				    actions);
		break;
	case DISCO_RESTARTING:
		observer_on_cause(&peer->observer, CODE_PEER_RESTARTED, now_us);
		path_peer_on_notice(&peer->path, PATH_RESTARTING, about, notice->serial, now_us,
				    actions);
		break;
	case DISCO_NOT_HEARING:
		observer_on_peer_saw(&peer->observer);
		path_peer_on_notice(&peer->path, PATH_NOT_HEARING, about, notice->serial, now_us,
				    actions);
		break;
	}
}

int peer_on_disco(struct peer *peer, const uint8_t *packet, size_t len, const struct way *from,
		  uint64_t now_us)
{
	struct path_actions actions = {.n = 0};
	struct disco_message m;
	int err = disco_box_open(&peer->box, packet, len, now_us, &m);

	if (err != 0)
		return err;
	switch (m.type) {
	case DISCO_PING:
		on_ping(peer, &m.ping, from, now_us, &actions);
		break;
	case DISCO_PONG:
		on_pong(peer, &m.pong, from, now_us, &actions);
		break;
	case DISCO_CALL_ME_MAYBE:
		if (from->kind != WAY_RELAY)
			return -EPROTO;
		path_peer_on_call_me_maybe(&peer->path, m.call_me_maybe.endpoints,
					   m.call_me_maybe.n, now_us, &actions);
		break;
	case DISCO_NOTICE:
		on_notice(peer, &m.notice, now_us, &actions);
		break;
	}
	carry_out(peer, &actions, now_us);
	return 0;
}

/* ---- other events ---- */

static struct path_traffic read_traffic(const struct peer *peer)
{
	struct engine_peer_stats stats;
	struct path_traffic traffic = {0};

	engine_peer_stats(peer->engine, &stats);
	for (int kind = WAY_DIRECT; kind <= WAY_RELAY; kind++) {
		const struct engine_way_stats *from = &stats.way[kind];

		traffic.kind[kind] = (struct path_traffic_kind){
			.data_sent = (uint32_t)from->data_sent,
			.data_heard = (uint32_t)from->data_received,
			.last_data_sent_us = from->last_data_sent_us,
			.last_data_heard_us = from->last_data_received_us,
			.last_heard_us = from->last_received_us,
		};
	}
	return traffic;
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
	for (unsigned i = 0; i < seen.n_samples; i++)
		peer->env->on_sample(peer->env->arg, &seen.samples[i]);
	if (seen.has_event)
		tell_event(peer, &seen.event);
}

void peer_on_deadline(struct peer *peer, uint64_t now_us)
{
	struct path_actions actions = {.n = 0};
	struct path_traffic traffic = read_traffic(peer);

	path_peer_on_deadline(&peer->path, &traffic, now_us, &actions);
	carry_out(peer, &actions, now_us);
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
	struct path_actions actions = {.n = 0};

	path_peer_want(&peer->path, now_us, &actions);
	carry_out(peer, &actions, now_us);
}

/* A handshake packet of the peer, which authenticates itself, came by this way. */
static void on_heard(struct peer *peer, const struct way *from, uint64_t now_us)
{
	struct path_actions actions = {.n = 0};

	path_peer_on_heard(&peer->path, from, now_us, &actions);
	carry_out(peer, &actions, now_us);
}

static bool has_lost_its_keys(const struct peer *peer, uint64_t now_us)
{
	uint64_t heard_us = path_peer_proof(&peer->path).heard_us, unix_us = clock_unix_us();
	struct engine_peer_stats stats;

	engine_peer_stats(peer->engine, &stats);
	uint64_t shook_unix_us = stats.last_handshake_unix_us;
	uint64_t age_us =
		shook_unix_us != 0 && unix_us > shook_unix_us ? unix_us - shook_unix_us : 0;
	return age_us > both_began_us && age_us < renewal_us && heard_us != 0 &&
	       now_us - heard_us < no_answer_us;
}

static void on_answer_send(struct peer *peer, const uint8_t *packet, size_t len,
			   const struct way *reply_to, uint64_t now_us)
{
	struct way ways[HANDSHAKE_WAYS_MAX];
	size_t n = path_peer_handshake_ways(&peer->path, ways, HANDSHAKE_WAYS_MAX - 1);

	if (!among(ways, n, reply_to))
		ways[n++] = *reply_to;
	for (size_t i = 0; i < n; i++)
		(void)send_by(peer, &ways[i], packet, len); /* the handshake's own timer retries */
	if (has_lost_its_keys(peer, now_us))
		observer_on_cause(&peer->observer, CODE_PEER_RESTARTED, now_us);
	on_heard(peer, reply_to, now_us);
}

void peer_on_handshake_send(struct peer *peer, const uint8_t *packet, size_t len,
			    const struct way *reply_to, uint64_t now_us)
{
	if (reply_to->kind != WAY_NONE) {
		on_answer_send(peer, packet, len, reply_to, now_us);
		return;
	}
	peer->initiation = (struct initiation){.len = len < INITIATION_MAX ? len : INITIATION_MAX};
	memcpy(peer->initiation.bytes, packet, peer->initiation.len);
	send_initiation(peer);
	peer_want(peer, now_us);
}

void peer_on_handshake_done(struct peer *peer, uint64_t now_us)
{
	peer->initiation.len = 0;
	observer_on_proof(&peer->observer, now_us);
}

void peer_on_send_error(struct peer *peer, int error, uint64_t now_us)
{
	struct path_actions actions = {.n = 0};
	struct way first = path_peer_choice(&peer->path)->first;

	if (first.kind != WAY_DIRECT)
		return;
	path_peer_on_send_error(&peer->path, &first, error, now_us, &actions);
	carry_out(peer, &actions, now_us);
}

void peer_on_relay_gone(struct peer *peer, uint32_t region, uint64_t now_us)
{
	struct path_actions actions = {.n = 0};

	path_peer_on_relay_gone(&peer->path, region, now_us, &actions);
	carry_out(peer, &actions, now_us);
}

void peer_set_relays(struct peer *peer, const struct path_relay *relays, size_t n, uint64_t now_us)
{
	struct path_actions actions = {.n = 0};

	path_peer_set_relays(&peer->path, relays, n, now_us, &actions);
	carry_out(peer, &actions, now_us);
	send_initiation(peer);
}

void peer_set_obstacle(struct peer *peer, enum path_obstacle obstacle)
{
	path_peer_set_obstacle(&peer->path, peer->env->relay_only ? PATH_RELAY_ONLY : obstacle);
}

void peer_on_own_endpoints(struct peer *peer, uint64_t now_us)
{
	struct path_actions actions = {.n = 0};

	path_peer_on_own_endpoints(&peer->path, now_us, &actions);
	carry_out(peer, &actions, now_us);
}

void peer_on_network_change(struct peer *peer, const char *code, uint64_t now_us)
{
	struct path_actions actions = {.n = 0};

	observer_on_cause(&peer->observer, code_find(code), now_us);
	path_peer_on_network_change(&peer->path, code, now_us, &actions);
	carry_out(peer, &actions, now_us);
}

/* ---- what the node wants of it ---- */

void peer_warm(struct peer *peer, const struct endpoint *last, uint64_t now_us)
{
	struct path_actions actions = {.n = 0};
	struct path_named named[CONTROL_MAX_ENDPOINTS + 1];
	const struct control_endpoints *list = &peer->info.endpoints;
	size_t n = 0;

	if (!endpoint_is_none(last))
		named[n++] = (struct path_named){*last, CANDIDATE_LAST};
	for (size_t i = 0; i < list->count; i++)
		named[n++] = (struct path_named){list->list[i].addr, source_of(list->list[i].kind)};
	path_peer_set_candidates(&peer->path, named, n, now_us, &actions);
	path_peer_want(&peer->path, now_us, &actions);
	carry_out(peer, &actions, now_us);
	engine_peer_start_handshake(peer->engine, true);
}

int peer_ping(struct peer *peer, uint64_t now_us, uint8_t txid[static DISCO_TXID_LEN],
	      struct way *way)
{
	struct path_actions actions = {.n = 0};
	int err = path_peer_ping(&peer->path, now_us, &actions);

	if (err != 0)
		return err;
	for (size_t i = 0; i < actions.n; i++) {
		if (actions.list[i].kind != PATH_SEND_PING)
			continue;
		memcpy(txid, actions.list[i].txid, DISCO_TXID_LEN);
		*way = actions.list[i].way;
	}
	carry_out(peer, &actions, now_us);
	return 0;
}

void peer_send_notice(struct peer *peer, enum disco_notice_reason reason)
{
	struct way ways[NOTICE_WAYS_MAX];
	size_t n = path_peer_notice_ways(&peer->path, ways, NOTICE_WAYS_MAX);

	for (size_t i = 0; i < n; i++)
		(void)send_notice(peer, &ways[i], reason, WAY_NONE); /* nobody waits for it */
}
