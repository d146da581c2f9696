#include "agent/path/path_peer.h"

#include <errno.h>
#include <string.h>

#include "agent/path/path_relays.h"
#include "agent/path/path_report.h"
#include "agent/path/path_send.h"
#include "agent/path/path_slot.h"
#include "agent/path/path_traffic.h"
#include "agent/path/path_turn.h"
#include "agent/path/path_why.h"

enum { NAMED_MAX = CANDIDATES_MAX };

static const uint64_t active_us = 10 * US_PER_S, wanted_us = 10 * US_PER_S;
static const uint64_t hold_us = 1 * US_PER_S;
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

/* ---- relays ---- */

void path_peer_set_relays(struct path_peer *p, const struct path_relay *relays, size_t n,
			  uint64_t now_us, struct path_actions *out)
{
	path_turn_begin(p, now_us);
	if (path_relays_set(p, relays, n, now_us))
		path_send_restart_calls(p, now_us);
	path_turn_end(p, now_us, out);
}

void path_peer_on_relay_gone(struct path_peer *p, uint32_t region, uint64_t now_us,
			     struct path_actions *out)
{
	int slot = path_slot_of_relay(p, region);

	path_turn_begin(p, now_us);
	if (slot >= 0)
		liveness_on_loss(&p->path[slot].live, now_us);
	path_turn_end(p, now_us, out);
}

/* ---- candidates ---- */

void path_peer_set_candidates(struct path_peer *p, const struct path_named *named, size_t n,
			      uint64_t now_us, struct path_actions *out)
{
	bool has_news = false;

	path_turn_begin(p, now_us);
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
	path_turn_end(p, now_us, out);
}

void path_peer_want(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	bool is_new = p->has_left || p->wanted_until_us < now_us + wanted_us - US_PER_S;

	path_turn_begin(p, now_us);
	p->has_left = false;
	if (p->wanted_until_us < now_us + wanted_us)
		p->wanted_until_us = now_us + wanted_us;
	if (is_new) {
		path_send_restart_burst(p, now_us);
		path_send_restart_calls(p, now_us);
	}
	path_turn_end(p, now_us, out);
}

void path_peer_on_online(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	p->has_left = false;
	if (path_send_is_active(p, now_us))
		path_peer_want(p, now_us, out);
}

void path_peer_on_own_endpoints(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	path_turn_begin(p, now_us);
	/* Where no server answers, none says what our mapping is now. */
	bool may_be_rebound = p->has_endpoints && p->obstacle != PATH_UDP_BLOCKED;

	if (p->in_trouble && may_be_rebound && p->choice.first.kind == WAY_DIRECT &&
	    p->pending_code[0] == '\0')
		path_why_note_cause(p, "nat-rebound", now_us);
	p->has_endpoints = true;
	path_send_restart_burst(p, now_us);
	path_send_restart_calls(p, now_us);
	path_turn_end(p, now_us, out);
}

void path_peer_set_obstacle(struct path_peer *p, enum path_obstacle obstacle, uint64_t now_us,
			    struct path_actions *out)
{
	bool opens = p->obstacle == PATH_UDP_BLOCKED && obstacle != PATH_UDP_BLOCKED;

	p->obstacle = obstacle;
	if (!opens)
		return;
	path_turn_begin(p, now_us);
	p->opened_us = now_us;
	path_send_restart_burst(p, now_us);
	path_send_restart_calls(p, now_us);
	path_turn_end(p, now_us, out);
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

	path_turn_begin(p, now_us);
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
	path_turn_end(p, now_us, out);
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
	path_turn_begin(p, now_us);
	if (!probe_is_new(&p->seen, txid, now_us)) {
		p->drops[PATH_DROP_PING_REPEATED]++;
		path_turn_end(p, now_us, out);
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
	path_turn_end(p, now_us, out);
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

	path_turn_begin(p, now_us);
	const struct probe *probe = probe_close(&p->probes, txid);

	if (!probe)
		p->drops[PATH_DROP_PONG_UNKNOWN]++;
	else if (p->path[probe->slot].way.kind != from->kind)
		p->drops[PATH_DROP_PONG_OTHER_WAY]++;
	else
		accept_pong(p, probe, report, now_us, &pong);
	path_turn_end(p, now_us, out);
	return pong;
}

/* ---- notices and news of the network ---- */

static void on_restarting(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	struct path_action *a = path_send_append(out, PATH_HOLD, NULL);

	if (a)
		a->hold_until_us = now_us + hold_us;
	p->quiet_until_us = now_us + path_restart_us;
	p->restart_serial = p->serial_high;
	for (int i = 0; i < PATH_SLOTS; i++)
		liveness_forgive(&p->path[i].live, path_restart_us, p->quiet_until_us);
}

void path_peer_on_notice(struct path_peer *p, enum path_notice notice, enum way_kind about,
			 uint64_t serial, uint64_t now_us, struct path_actions *out)
{
	path_turn_begin(p, now_us);
	if (serial <= p->serial_high) {
		p->drops[PATH_DROP_STALE_NOTICE]++;
		path_turn_end(p, now_us, out);
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
	path_turn_end(p, now_us, out);
}

void path_peer_on_heard(struct path_peer *p, const struct way *from, uint64_t now_us,
			struct path_actions *out)
{
	int slot = path_slot_of(p, from);

	path_turn_begin(p, now_us);
	if (slot >= 0)
		note_heard(p, slot, now_us);
	path_turn_end(p, now_us, out);
}

void path_peer_on_send_error(struct path_peer *p, const struct way *way, int error, uint64_t now_us,
			     struct path_actions *out)
{
	int slot = path_slot_of(p, way);
	/* A full socket buffer says nothing of the way. */
	bool is_refusal = error != EAGAIN && error != ENOBUFS && error != EINTR;

	path_turn_begin(p, now_us);
	if (slot >= 0 && is_refusal) {
		struct path *path = &p->path[slot];

		if (path->live.state == PATH_UP && slot == p->in_use)
			path_send_question(p, now_us, out);
		liveness_on_doubt(&path->live, now_us);
	}
	path_turn_end(p, now_us, out);
}

void path_peer_on_network_change(struct path_peer *p, const char *code, uint64_t now_us,
				 struct path_actions *out)
{
	path_turn_begin(p, now_us);
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
	path_turn_end(p, now_us, out);
}

/* ---- time and traffic ---- */

void path_peer_on_deadline(struct path_peer *p, const struct path_traffic *traffic, uint64_t now_us,
			   struct path_actions *out)
{
	bool was_active = path_send_is_active(p, now_us);

	path_turn_begin(p, now_us);
	p->traffic = *traffic;
	path_traffic_mark(p, now_us);
	uint64_t last_us = path_traffic_last_us(traffic);

	/* Who begins to send wants to know whether it is back, and who goes on after a while. */
	bool begins = now_us >= p->active_until_us && last_us + active_us > now_us;
	if (begins || (p->has_left && last_us > p->said_left_us + left_rest_us))
		p->has_left = false;
	if (last_us != 0 && last_us + active_us > p->active_until_us)
		p->active_until_us = last_us + active_us;
	if (!was_active && path_send_is_active(p, now_us))
		path_traffic_on_begin(p, now_us, out);
	if (p->in_use >= 0) {
		struct path *cur = &p->path[p->in_use];

		if (p->polled_us < p->alone_us && now_us >= p->alone_us)
			liveness_recount(&cur->live, traffic->kind[cur->way.kind].data_sent);
		path_traffic_ask(p, now_us, out);
	}
	p->polled_us = now_us;
	path_turn_end(p, now_us, out);
}

uint64_t path_peer_deadline_us(const struct path_peer *p)
{
	return p->deadline_us;
}

int path_peer_ping(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	if (p->in_use < 0)
		return -ENETUNREACH;
	path_turn_begin(p, now_us);
	path_send_ping_now(p, p->in_use, now_us, out);
	path_turn_end(p, now_us, out);
	return 0;
}
