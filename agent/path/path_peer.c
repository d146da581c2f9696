#include "agent/path/path_peer.h"

#include <errno.h>
#include <string.h>

#include "agent/path/path_pick.h"
#include "agent/path/path_report.h"
#include "agent/path/path_send.h"
#include "agent/path/path_slot.h"
#include "agent/path/path_why.h"

enum { MARKS = 32, NAMED_MAX = CANDIDATES_MAX };

static const uint64_t active_us = 10 * US_PER_S, wanted_us = 10 * US_PER_S;
/* How late a timer may fire before it counts as our own stall. */
static const uint64_t late_min_us = 20 * US_PER_MS;
/* While data flows, main looks at the lanes' times this often. */
static const uint64_t poll_us = 25 * US_PER_MS;
static const uint64_t mark_gap_us = 10 * US_PER_MS;
static const uint64_t traffic_recent_us = 1 * US_PER_S;
/* A way not proved for so long is not believed when traffic begins again. */
static const uint64_t proof_old_us = 30 * US_PER_S;
static const uint64_t hold_us = 1 * US_PER_S, restart_us = 1500 * US_PER_MS;
static const uint64_t lost_min_us = 1 * US_PER_S;
/* A peer that left is looked for again after that long, where somebody still sends to it. */
static const uint64_t left_rest_us = 2 * US_PER_S;

static const char *const notice_words[] = {
	[PATH_LEAVING] = "leaving",
	[PATH_RESTARTING] = "restarting",
	[PATH_NOT_HEARING] = "not-hearing",
};

static const char *const drop_words[PATH_DROPS] = {
	[PATH_DROP_STALE_REPORT] = "stale-report",     [PATH_DROP_STALE_NOTICE] = "stale-notice",
	[PATH_DROP_PING_REPEATED] = "ping-repeated",   [PATH_DROP_PONG_UNKNOWN] = "pong-unknown",
	[PATH_DROP_PONG_OTHER_WAY] = "pong-other-way", [PATH_DROP_CANDIDATE] = "candidate-refused",
	[PATH_DROP_BUDGET] = "probe-budget",
};

const char *path_notice_str(enum path_notice notice)
{
	return notice_words[notice];
}

const char *path_drop_str(enum path_drop drop)
{
	return drop_words[drop];
}

void path_peer_init(struct path_peer *p, const struct candidate_rules *rules,
		    const uint8_t seed[static PATH_SEED_LEN], uint64_t now_us)
{
	*p = (struct path_peer){
		.rules = rules,
		.in_use = -1,
		.copy_slot = -1,
		.call_us = US_NEVER,
		.better_since_us = US_NEVER,
		.recheck_us = US_NEVER,
		.deadline_us = US_NEVER,
		.serial_floor_us = now_us,
	};
	memcpy(p->seed, seed, PATH_SEED_LEN);
}

/* ---- beginning and end of every event ---- */

/* Where our own timer fired late, the silence of that time is ours. */
static void begin(struct path_peer *p, uint64_t now_us)
{
	if (p->deadline_us >= now_us || now_us - p->deadline_us < late_min_us)
		return;
	uint64_t late_us = now_us - p->deadline_us;

	for (int i = 0; i < PATH_SLOTS; i++)
		liveness_forgive(&p->path[i].live, late_us, now_us);
	if (p->unanswered_us != 0)
		p->unanswered_us =
			p->unanswered_us + late_us < now_us ? p->unanswered_us + late_us : now_us;
	p->deadline_us = now_us;
}

/* The peer was away, as it had said: whatever was lost meanwhile, its absence is no quality. */
static bool met_nobody(const struct path_peer *p, const struct probe *probe, uint64_t wait_us)
{
	return probe->sent_us < p->quiet_until_us &&
	       probe->sent_us + restart_us + wait_us >= p->quiet_until_us;
}

static void settle_probes(struct path_peer *p, uint64_t now_us)
{
	for (unsigned i = probe_first_open(&p->probes); i != p->probes.next; i++) {
		struct probe *probe = &p->probes.ring[i % PROBES_OPEN_MAX];

		if (!probe_is_open(probe))
			continue;
		struct path *path = &p->path[probe->slot];
		uint64_t wait_us = 4 * path->live.rtt_us;

		if (now_us - probe->sent_us < (wait_us > lost_min_us ? wait_us : lost_min_us))
			continue;
		probe->settled = true;
		if (path->live.state == PATH_UP && probe->sent_us >= path->live.since_us &&
		    !met_nobody(p, probe, wait_us))
			score_on_lost_probe(&path->score);
	}
}

/* The way in use gives no answer: whatever changed, ask everybody at once. */
static void note_trouble(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	const struct path *cur = p->in_use < 0 ? NULL : &p->path[p->in_use];
	bool in_trouble = cur && cur->live.state == PATH_SUSPECT;

	if (cur && cur->live.asked == 0)
		p->noticed = false;
	if (in_trouble && !p->in_trouble) {
		path_send_ask_endpoints(p, now_us, out);
		path_send_restart_burst(p, now_us);
		path_send_restart_calls(p, now_us);
	}
	p->in_trouble = in_trouble;
}

static uint64_t soonest(uint64_t a_us, uint64_t b_us)
{
	return a_us < b_us ? a_us : b_us;
}

static uint64_t last_data_us(const struct path_traffic *t)
{
	uint64_t last_us = 0;

	for (int kind = WAY_NONE; kind <= WAY_RELAY; kind++) {
		const struct path_traffic_kind *k = &t->kind[kind];

		if (k->last_data_sent_us > last_us)
			last_us = k->last_data_sent_us;
		if (k->last_data_heard_us > last_us)
			last_us = k->last_data_heard_us;
	}
	return last_us;
}

static uint64_t next_deadline_us(const struct path_peer *p, uint64_t now_us)
{
	uint64_t deadline = soonest(path_send_deadline_us(p, now_us), path_pick_deadline_us(p));
	uint64_t last_us = last_data_us(&p->traffic);

	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i)) {
		uint64_t live_us = liveness_deadline_us(&p->path[i].live);

		if (now_us < p->quiet_until_us && live_us != US_NEVER)
			live_us = p->quiet_until_us;
		deadline = soonest(deadline, live_us);
	}
	if (last_us != 0 && now_us - last_us < traffic_recent_us)
		deadline = soonest(deadline, now_us + poll_us);
	/* An event that brings itself about again at once would hold the loop. */
	uint64_t earliest_us = now_us + US_PER_MS;
	return deadline < earliest_us ? earliest_us : deadline;
}

static void settle(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	bool is_quiet = now_us < p->quiet_until_us;

	for (int i = path_slot_after(p, -1); i < PATH_SLOTS && !is_quiet; i = path_slot_after(p, i))
		liveness_on_deadline(&p->path[i].live, now_us);
	settle_probes(p, now_us);
	path_pick(p, now_us, out);
	note_trouble(p, now_us, out);
	path_send_due(p, now_us, out);
	path_slot_expire(p, now_us);
	p->deadline_us = next_deadline_us(p, now_us);
}

/* ---- relays ---- */

static int free_relay_slot(const struct path_peer *p)
{
	for (int i = CANDIDATES_MAX; i < PATH_SLOTS; i++)
		if (p->path[i].way.kind == WAY_NONE)
			return i;
	return -1;
}

static void forget_missing_relays(struct path_peer *p, const struct path_relay *relays, size_t n,
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
static bool update_relay(struct path_peer *p, const struct path_relay *relay, uint64_t now_us)
{
	int slot = path_slot_of_relay(p, relay->region);

	if (slot < 0) {
		struct way way = way_relay(relay->region);

		slot = free_relay_slot(p);
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

void path_peer_set_relays(struct path_peer *p, const struct path_relay *relays, size_t n,
			  uint64_t now_us, struct path_actions *out)
{
	bool has_news = false;

	begin(p, now_us);
	if (n > PATH_RELAYS_MAX)
		n = PATH_RELAYS_MAX;
	forget_missing_relays(p, relays, n, now_us);
	for (size_t i = 0; i < n; i++)
		has_news |= update_relay(p, &relays[i], now_us);
	if (has_news)
		path_send_restart_calls(p, now_us);
	settle(p, now_us, out);
}

void path_peer_on_relay_gone(struct path_peer *p, uint32_t region, uint64_t now_us,
			     struct path_actions *out)
{
	int slot = path_slot_of_relay(p, region);

	begin(p, now_us);
	if (slot >= 0)
		liveness_on_loss(&p->path[slot].live, now_us);
	settle(p, now_us, out);
}

/* ---- candidates ---- */

void path_peer_set_candidates(struct path_peer *p, const struct path_named *named, size_t n,
			      uint64_t now_us, struct path_actions *out)
{
	bool has_news = false;

	begin(p, now_us);
	for (int source = CANDIDATE_LOCAL; source <= CANDIDATE_STATIC; source++)
		candidate_unname(&p->candidates, (enum candidate_source)source);
	for (size_t i = 0; i < n && i < NAMED_MAX; i++) {
		bool fresh;

		if (path_slot_add_candidate(p, &named[i].addr, named[i].source, now_us, &fresh) >=
		    0)
			has_news |= fresh;
	}
	if (has_news)
		path_send_restart_calls(p, now_us);
	settle(p, now_us, out);
}

void path_peer_want(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	bool is_new = p->has_left || p->wanted_until_us < now_us + wanted_us - US_PER_S;

	begin(p, now_us);
	p->has_left = false;
	if (p->wanted_until_us < now_us + wanted_us)
		p->wanted_until_us = now_us + wanted_us;
	if (is_new) {
		path_send_restart_burst(p, now_us);
		path_send_restart_calls(p, now_us);
	}
	settle(p, now_us, out);
}

void path_peer_on_online(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	p->has_left = false;
	if (path_send_is_active(p, now_us))
		path_peer_want(p, now_us, out);
}

void path_peer_on_own_endpoints(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	begin(p, now_us);
	if (p->in_trouble && p->has_endpoints && p->choice.first.kind == WAY_DIRECT &&
	    p->pending_code[0] == '\0')
		path_why_note_cause(p, "nat-rebound", now_us);
	p->has_endpoints = true;
	path_send_restart_burst(p, now_us);
	path_send_restart_calls(p, now_us);
	settle(p, now_us, out);
}

void path_peer_set_obstacle(struct path_peer *p, enum path_obstacle obstacle, uint64_t now_us)
{
	if (p->obstacle == PATH_UDP_BLOCKED && obstacle != PATH_UDP_BLOCKED)
		p->opened_us = now_us;
	p->obstacle = obstacle;
}

/* The way in use leads to an address that the peer named before and does not name now. */
static bool left_in_use(const struct path_peer *p, bool was_named)
{
	return was_named &&
	       !(p->candidates.slot[p->in_use].sources & 1u << CANDIDATE_CALL_ME_MAYBE);
}

void path_peer_on_call_me_maybe(struct path_peer *p, const struct endpoint *addrs, size_t n,
				uint64_t now_us, struct path_actions *out)
{
	bool uses_direct = p->in_use >= 0 && p->in_use < CANDIDATES_MAX;
	bool was_named = uses_direct &&
			 p->candidates.slot[p->in_use].sources & 1u << CANDIDATE_CALL_ME_MAYBE;

	begin(p, now_us);
	p->has_left = false;
	if (p->obstacle == PATH_RELAY_ONLY)
		n = 0;
	if (n > 0)
		candidate_unname(&p->candidates, CANDIDATE_CALL_ME_MAYBE);
	for (size_t i = 0; i < n && i < NAMED_MAX; i++) {
		bool fresh;
		int slot = path_slot_add_candidate(p, &addrs[i], CANDIDATE_CALL_ME_MAYBE, now_us,
						   &fresh);

		if (slot < 0)
			continue;
		path_send_on_named(p, slot, now_us, out);
	}
	if (n > 0 && p->in_use >= 0 && left_in_use(p, was_named))
		liveness_on_doubt(&p->path[p->in_use].live, now_us);
	path_send_on_called(p, now_us);
	settle(p, now_us, out);
}

/* ---- pings and pongs ---- */

/* The peer is back as soon as its new process is heard: from here on silence is a fault again. */
static void note_back(struct path_peer *p, const struct path_report *report, uint64_t now_us)
{
	if (now_us >= p->quiet_until_us || !report || report->serial <= p->restart_serial)
		return;
	p->quiet_until_us = now_us;
	for (int i = 0; i < PATH_SLOTS; i++)
		liveness_resume(&p->path[i].live, now_us);
}

/* Slot of the way a ping came by, made where it is a new endpoint that we may send to; -1. */
static int slot_of_ping(struct path_peer *p, const struct way *from, uint64_t now_us)
{
	bool fresh;

	if (from->kind != WAY_DIRECT)
		return path_slot_of(p, from);
	if (p->obstacle == PATH_RELAY_ONLY)
		return -1;
	return path_slot_add_candidate(p, &from->addr, CANDIDATE_HEARD, now_us, &fresh);
}

/* A relay that carries the peer's packets carries ours too, whatever it said before. */
static void note_heard(struct path_peer *p, int slot, uint64_t now_us)
{
	struct path *path = &p->path[slot];

	p->has_left = false;
	liveness_on_heard(&path->live, now_us);
	if (path->way.kind == WAY_RELAY && path->relay.up && path->live.state == PATH_DOWN) {
		liveness_reset(&path->live, now_us);
		path->tries = 0;
	}
}

void path_peer_on_ping(struct path_peer *p, const struct way *from,
		       const uint8_t txid[static PROBE_TXID_LEN], const struct path_report *report,
		       uint64_t now_us, struct path_actions *out)
{
	begin(p, now_us);
	if (!probe_is_new(&p->seen, txid, now_us)) {
		p->drops[PATH_DROP_PING_REPEATED]++;
		settle(p, now_us, out);
		return;
	}
	int slot = slot_of_ping(p, from, now_us);
	bool may_answer = from->kind == WAY_RELAY || slot >= 0;

	if (slot >= 0) {
		note_back(p, report, now_us);
		note_heard(p, slot, now_us);
		path_report_accept(p, slot, report, now_us);
	}
	if (may_answer)
		path_send_pong(p, from, slot, txid, out);
	/* It came through, so that ours may now pass the peer's NAT too. */
	if (slot >= 0 && p->path[slot].live.state != PATH_UP)
		path_send_ping(p, slot, now_us, out);
	settle(p, now_us, out);
}

/* A relay's TCP even brings answers to what was asked before we slept. They prove the way; their
 * time would blind every threshold to what happens after we woke. */
static bool is_timely(const struct path_peer *p, const struct probe *probe)
{
	return probe->slot < CANDIDATES_MAX || probe->sent_us >= p->changed_us;
}

static void accept_pong(struct path_peer *p, const struct probe *probe,
			const struct path_report *report, uint64_t now_us, struct path_pong *pong)
{
	int slot = probe->slot;
	struct path *path = &p->path[slot];

	pong->matched = true;
	pong->way = path->way;
	if (is_timely(p, probe)) {
		pong->rtt_us = now_us - probe->sent_us;
		score_on_rtt(&path->score, pong->rtt_us, now_us);
		path->live.rtt_us = score_rtt_bound_us(&path->score);
	}
	if (slot < CANDIDATES_MAX)
		candidate_on_answer(&p->candidates, slot, now_us);
	note_back(p, report, now_us);
	note_heard(p, slot, now_us);
	path_slot_on_proof(path, probe->sent_us, now_us);
	if (path_report_accept(p, slot, report, now_us))
		path_report_count_packets(p, slot, probe, report->data_heard, now_us, pong);
}

struct path_pong path_peer_on_pong(struct path_peer *p, const struct way *from,
				   const uint8_t txid[static PROBE_TXID_LEN],
				   const struct path_report *report, uint64_t now_us,
				   struct path_actions *out)
{
	struct path_pong pong = {.matched = false};

	begin(p, now_us);
	const struct probe *probe = probe_close(&p->probes, txid);

	if (!probe)
		p->drops[PATH_DROP_PONG_UNKNOWN]++;
	else if (p->path[probe->slot].way.kind != from->kind)
		p->drops[PATH_DROP_PONG_OTHER_WAY]++;
	else
		accept_pong(p, probe, report, now_us, &pong);
	settle(p, now_us, out);
	return pong;
}

/* ---- notices and news of the network ---- */

static void on_restarting(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	struct path_action *a = path_send_append(out, PATH_HOLD, NULL);

	if (a)
		a->hold_until_us = now_us + hold_us;
	p->quiet_until_us = now_us + restart_us;
	p->restart_serial = p->serial_high;
	for (int i = 0; i < PATH_SLOTS; i++)
		liveness_forgive(&p->path[i].live, restart_us, p->quiet_until_us);
}

void path_peer_on_notice(struct path_peer *p, enum path_notice notice, enum way_kind about,
			 uint64_t serial, uint64_t now_us, struct path_actions *out)
{
	begin(p, now_us);
	if (serial <= p->serial_high) {
		p->drops[PATH_DROP_STALE_NOTICE]++;
		settle(p, now_us, out);
		return;
	}
	p->serial_high = serial;
	switch (notice) {
	case PATH_LEAVING:
		p->has_left = true;
		p->said_left_us = now_us;
		p->wanted_until_us = p->called_until_us = 0;
		p->owes_call = false;
		break;
	case PATH_RESTARTING:
		on_restarting(p, now_us, out);
		break;
	case PATH_NOT_HEARING:
		if (p->in_use >= 0 && p->path[p->in_use].way.kind == about &&
		    now_us >= p->quiet_until_us)
			liveness_on_doubt(&p->path[p->in_use].live, now_us);
		break;
	}
	settle(p, now_us, out);
}

void path_peer_on_heard(struct path_peer *p, const struct way *from, uint64_t now_us,
			struct path_actions *out)
{
	int slot = path_slot_of(p, from);

	begin(p, now_us);
	if (slot >= 0)
		note_heard(p, slot, now_us);
	settle(p, now_us, out);
}

void path_peer_on_send_error(struct path_peer *p, const struct way *way, int error, uint64_t now_us,
			     struct path_actions *out)
{
	int slot = path_slot_of(p, way);
	/* A full socket buffer says nothing of the way. */
	bool is_refusal = error != EAGAIN && error != ENOBUFS && error != EINTR;

	begin(p, now_us);
	if (slot >= 0 && is_refusal) {
		struct path *path = &p->path[slot];

		if (path->live.state == PATH_UP && slot == p->in_use)
			path_send_question(p, now_us, out);
		liveness_on_doubt(&path->live, now_us);
	}
	settle(p, now_us, out);
}

void path_peer_on_network_change(struct path_peer *p, const char *code, uint64_t now_us,
				 struct path_actions *out)
{
	begin(p, now_us);
	path_why_note_cause(p, code, now_us);
	for (int i = 0; i < CANDIDATES_MAX; i++) {
		struct path *path = &p->path[i];

		if (path->way.kind == WAY_NONE)
			continue;
		if (i == p->in_use && path->live.state == PATH_UP)
			liveness_on_doubt(&path->live, now_us);
		else
			liveness_reset(&path->live, now_us);
		score_forget(&path->score);
		path->tries = 0;
		path->last_probe_us = 0;
	}
	/* Relays' sessions are tested by their owner; here the peer is asked through them. */
	for (int i = CANDIDATES_MAX; i < PATH_SLOTS; i++)
		p->path[i].last_probe_us = 0;
	path_send_ask_endpoints(p, now_us, out);
	path_send_restart_calls(p, now_us);
	if (p->obstacle != PATH_RELAY_ONLY)
		p->obstacle = PATH_NO_OBSTACLE; /* what was in the way was there, not here */
	p->left_us = 0;
	p->changed_us = now_us;
	settle(p, now_us, out);
}

/* ---- time and traffic ---- */

static void mark_traffic(struct path_peer *p, uint64_t now_us)
{
	for (int kind = WAY_DIRECT; kind <= WAY_RELAY; kind++) {
		struct traffic_marks *m = &p->marks[kind];
		const struct traffic_mark *last = &m->mark[(m->next + MARKS - 1) % MARKS];

		if (last->at_us != 0 && now_us - last->at_us < mark_gap_us)
			continue;
		m->mark[m->next % MARKS] = (struct traffic_mark){
			.at_us = now_us, .data_sent = p->traffic.kind[kind].data_sent};
		m->next = (m->next + 1) % MARKS;
	}
}

/* Traffic begins after a pause: what was true then is asked again at once. */
static void on_became_active(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	for (int i = 0; i < PATH_SLOTS; i++) {
		struct path *path = &p->path[i];
		bool is_old = now_us - path->live.proved_us > proof_old_us;

		if (path->live.state != PATH_UP || !is_old)
			continue;
		if (i == p->in_use && path->way.kind == WAY_DIRECT)
			liveness_on_doubt(&path->live, now_us);
		else if (i != p->in_use)
			liveness_reset(&path->live, now_us);
	}
	path_send_question(p, now_us, out);
	path_send_restart_burst(p, now_us);
	path_send_restart_calls(p, now_us);
}

/* Since when data sent by the way in use has had no echo of any kind. */
static void note_unanswered(struct path_peer *p, uint64_t now_us)
{
	const struct path *cur = &p->path[p->in_use];
	const struct path_traffic_kind *k = &p->traffic.kind[cur->way.kind];
	uint64_t heard_us = k->last_heard_us;

	if (cur->live.proved_us > heard_us)
		heard_us = cur->live.proved_us;
	if (k->last_data_sent_us <= heard_us)
		p->unanswered_us = 0;
	else if (p->unanswered_us <= heard_us)
		/* The first of them went after the last sign of life, and after the last look. */
		p->unanswered_us = heard_us > p->polled_us ? heard_us : p->polled_us;
	if (p->unanswered_us == 0 && k->last_data_sent_us > heard_us)
		p->unanswered_us = now_us;
}

static void ask_when_unanswered(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	struct liveness *live = &p->path[p->in_use].live;

	note_unanswered(p, now_us);
	bool is_question = p->unanswered_us != 0 && live->state == PATH_UP && live->asked == 0 &&
			   now_us - p->unanswered_us >= liveness_question_us(live) &&
			   now_us >= p->quiet_until_us;
	if (is_question)
		path_send_question(p, now_us, out);
}

void path_peer_on_deadline(struct path_peer *p, const struct path_traffic *traffic, uint64_t now_us,
			   struct path_actions *out)
{
	bool was_active = path_send_is_active(p, now_us);

	begin(p, now_us);
	p->traffic = *traffic;
	mark_traffic(p, now_us);
	uint64_t last_us = last_data_us(traffic);

	/* Who begins to send wants to know whether it is back, and who goes on after a while. */
	bool begins = now_us >= p->active_until_us && last_us + active_us > now_us;
	if (begins || (p->has_left && last_us > p->said_left_us + left_rest_us))
		p->has_left = false;
	if (last_us != 0 && last_us + active_us > p->active_until_us)
		p->active_until_us = last_us + active_us;
	if (!was_active && path_send_is_active(p, now_us))
		on_became_active(p, now_us, out);
	if (p->in_use >= 0) {
		struct path *cur = &p->path[p->in_use];

		if (p->polled_us < p->alone_us && now_us >= p->alone_us)
			liveness_recount(&cur->live, traffic->kind[cur->way.kind].data_sent);
		ask_when_unanswered(p, now_us, out);
	}
	p->polled_us = now_us;
	settle(p, now_us, out);
}

uint64_t path_peer_deadline_us(const struct path_peer *p)
{
	return p->deadline_us;
}

int path_peer_ping(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	if (p->in_use < 0)
		return -ENETUNREACH;
	path_send_ping(p, p->in_use, now_us, out);
	return 0;
}
