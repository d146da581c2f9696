#include "agent/path/path_send.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "agent/path/path_slot.h"

static const uint64_t in_use_us = 250 * US_PER_MS;
static const uint64_t standby_us = 1 * US_PER_S;
static const uint64_t spare_us = 10 * US_PER_S;
static const uint64_t suspect_us = 250 * US_PER_MS;
static const uint64_t down_us = 500 * US_PER_MS, down_long_us = 1 * US_PER_S;
static const uint64_t down_fresh_us = 60 * US_PER_S;
/* Many NATs drop an idle mapping after 30 s. */
static const uint64_t keepalive_us = 25 * US_PER_S;
/* Who answers may be pinged by each event that wants it, but not in a loop of events. */
static const uint64_t ping_gap_us = 1 * US_PER_MS;
static const uint64_t call_gap_us = 50 * US_PER_MS;
static const uint64_t called_us = 5 * US_PER_S; /* what a call of the peer's is good for */
static const uint64_t news_us = 10 * US_PER_S;
static const uint64_t ask_endpoints_gap_us = 1 * US_PER_S;

/* An endpoint that never answered, and a call-me-maybe: in quick succession at first, since a NAT's
 * filter opens only when both sides have sent; then ever slower. */
static const uint64_t burst_us[] = {
	100 * US_PER_MS, /* after a burst began anew upon a ping just sent */
	100 * US_PER_MS, 200 * US_PER_MS,  400 * US_PER_MS,
	800 * US_PER_MS, 1600 * US_PER_MS, 3000 * US_PER_MS,
};
enum { BURST_STEPS = sizeof(burst_us) / sizeof(burst_us[0]), SLOW_TRIES = 16 };
static const uint64_t later_us = 5 * US_PER_S, slow_us = 30 * US_PER_S;

static uint64_t burst_interval_us(unsigned tries)
{
	if (tries < BURST_STEPS)
		return burst_us[tries];
	return tries < SLOW_TRIES ? later_us : slow_us;
}

struct path_action *path_send_append(struct path_actions *out, enum path_action_kind kind,
				     const struct way *way)
{
	if (out->n == PATH_ACTIONS_MAX) {
		out->left_out++;
		return NULL;
	}
	struct path_action *a = &out->list[out->n++];

	*a = (struct path_action){.kind = kind};
	if (way)
		a->way = *way;
	return a;
}

bool path_send_is_active(const struct path_peer *p, uint64_t now_us)
{
	return now_us < p->active_until_us && !p->has_left;
}

static bool is_wanted(const struct path_peer *p, uint64_t now_us)
{
	return now_us < p->wanted_until_us || path_send_is_active(p, now_us);
}

/* The peer's word makes us look too, but not call: two that cannot meet would keep each other
 * awake for ever. */
static bool is_looked_for(const struct path_peer *p, uint64_t now_us)
{
	return is_wanted(p, now_us) || now_us < p->called_until_us;
}

static bool can_send_by(const struct path_peer *p, const struct path *path)
{
	switch (path->way.kind) {
	case WAY_NONE:
		return false;
	case WAY_DIRECT:
		return p->obstacle != PATH_RELAY_ONLY;
	case WAY_RELAY:
		return path->relay.up;
	}
	return false;
}

static struct path_report report_by(const struct path_peer *p, const struct path *path)
{
	const struct path_traffic_kind *t = &p->traffic.kind[path->way.kind];

	return (struct path_report){
		.heard = path->heard_high,
		.data_sent = t->data_sent,
		.data_heard = t->data_heard,
	};
}

/* Unlike any other, and not to be guessed by the peer, who could else claim that an address which
 * is not its own had answered. */
static void draw_txid(struct path_peer *p, uint8_t txid[static PROBE_TXID_LEN], uint8_t *jitter)
{
	uint8_t drawn[crypto_generichash_BYTES_MIN];
	uint64_t count = ++p->random_count;

	static_assert(sizeof(drawn) > PROBE_TXID_LEN, "one byte more for the jitter");
	crypto_generichash(drawn, sizeof(drawn), (const uint8_t *)&count, sizeof(count), p->seed,
			   sizeof(p->seed));
	memcpy(txid, drawn, PROBE_TXID_LEN);
	*jitter = drawn[PROBE_TXID_LEN];
}

/* Somebody named the address, and it never answered. */
static bool is_stranger(const struct path_peer *p, int slot)
{
	return p->path[slot].way.kind == WAY_DIRECT && p->candidates.slot[slot].answered_us == 0;
}

static bool is_fresh(uint64_t since_us, uint64_t now_us)
{
	return since_us != 0 && now_us - since_us < news_us;
}

static enum budget_claim claim_of(const struct path_peer *p, int slot, uint64_t now_us)
{
	const struct candidate *c = &p->candidates.slot[slot];

	if (is_fresh(p->path[slot].live.heard_us, now_us))
		return BUDGET_NEWS; /* UDP that does not get out may get to a neighbour */
	if (p->obstacle == PATH_UDP_BLOCKED)
		return BUDGET_OLD; /* what is kept is for when UDP gets out again */
	if (is_fresh(p->changed_us, now_us) || is_fresh(p->opened_us, now_us) ||
	    is_fresh(c->first_us, now_us))
		return BUDGET_NEWS;
	return is_fresh(c->named_us, now_us) ? BUDGET_NAMED : BUDGET_OLD;
}

/* Tells whether the ping may go; takes it from the budget where it goes to a stranger. */
static bool may_ping(struct path_peer *p, int slot, uint64_t now_us)
{
	if (!can_send_by(p, &p->path[slot]))
		return false;
	if (!is_stranger(p, slot))
		return true;
	if (budget_take(&p->budget, claim_of(p, slot, now_us), now_us))
		return true;
	p->drops[PATH_DROP_BUDGET]++;
	return false;
}

void path_send_ping_now(struct path_peer *p, int slot, uint64_t now_us, struct path_actions *out)
{
	struct path *path = &p->path[slot];

	path->last_probe_us = now_us; /* refused or not: its turn comes again */
	if (!may_ping(p, slot, now_us))
		return;
	struct path_action *a = path_send_append(out, PATH_SEND_PING, &path->way);

	if (!a)
		return;
	draw_txid(p, a->txid, &path->jitter);
	a->report = report_by(p, path);
	a->report.number = ++path->number;
	path->tries++;
	struct probe *probe = probe_open(&p->probes, a->txid, slot, path->number, now_us);

	probe->data_sent = a->report.data_sent;
	probe->is_counted = p->polled_us == now_us;
	liveness_on_probe(&path->live, now_us);
}

void path_send_ping(struct path_peer *p, int slot, uint64_t now_us, struct path_actions *out)
{
	if (is_stranger(p, slot) || now_us - p->path[slot].last_probe_us >= ping_gap_us)
		path_send_ping_now(p, slot, now_us, out);
}

void path_send_on_named(struct path_peer *p, int slot, uint64_t now_us, struct path_actions *out)
{
	p->path[slot].tries = 0;
	/* The same call comes by two relays. */
	if (now_us - p->path[slot].last_probe_us >= call_gap_us)
		path_send_ping(p, slot, now_us, out);
}

void path_send_pong(struct path_peer *p, const struct way *to, int slot,
		    const uint8_t txid[static PROBE_TXID_LEN], struct path_actions *out)
{
	struct path_action *a = path_send_append(out, PATH_SEND_PONG, to);

	if (!a)
		return;
	memcpy(a->txid, txid, PROBE_TXID_LEN);
	a->observed = to->addr;
	if (slot >= 0)
		a->report = report_by(p, &p->path[slot]);
}

static bool is_worth_asking(const struct path_peer *p, const struct path *path)
{
	return can_send_by(p, path) &&
	       (path->live.state == PATH_UP || path->live.state == PATH_SUSPECT);
}

static void ask(struct path_peer *p, int slot, uint64_t now_us, struct path_actions *out)
{
	liveness_on_question(&p->path[slot].live, now_us);
	path_send_ping_now(p, slot, now_us, out);
}

void path_send_question(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i)) {
		struct path *path = &p->path[i];

		if (is_worth_asking(p, path) && path->live.asked == 0)
			ask(p, i, now_us, out);
		else if (path->way.kind == WAY_RELAY && path->live.state != PATH_UP)
			path_send_ping(p, i, now_us, out);
	}
}

void path_send_not_hearing(struct path_peer *p, struct path_actions *out)
{
	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i)) {
		if (!is_worth_asking(p, &p->path[i]))
			continue;
		struct path_action *a = path_send_append(out, PATH_SEND_NOTICE, &p->path[i].way);
		if (!a)
			return;
		a->notice = PATH_NOT_HEARING;
		a->about = p->choice.first.kind;
	}
}

void path_send_restart_burst(struct path_peer *p, uint64_t now_us)
{
	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i)) {
		struct path *path = &p->path[i];

		if (path->live.state == PATH_UP)
			continue;
		path->tries = 0;
		if (now_us - path->last_probe_us > call_gap_us)
			path->last_probe_us = 0;
	}
}

void path_send_restart_calls(struct path_peer *p, uint64_t now_us)
{
	p->call_tries = 0;
	p->call_us = now_us;
	if (p->last_call_us != 0 && now_us - p->last_call_us < call_gap_us)
		p->call_us = p->last_call_us + call_gap_us;
}

void path_send_ask_endpoints(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	if (p->asked_endpoints_us != 0 && now_us - p->asked_endpoints_us < ask_endpoints_gap_us)
		return;
	p->asked_endpoints_us = now_us;
	path_send_append(out, PATH_ASK_ENDPOINTS, NULL);
}

/* The best of each kind beside the one in use; -1: none. */
struct standby {
	int slot[WAY_RELAY + 1];
};

static struct standby find_standby(const struct path_peer *p)
{
	struct standby best = {.slot = {-1, -1, -1}};
	uint64_t best_us[WAY_RELAY + 1];

	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i)) {
		const struct path *path = &p->path[i];
		enum way_kind kind = path->way.kind;

		if (i == p->in_use || path->live.state != PATH_UP)
			continue;
		uint64_t its_us = score_price_us(&path->score, kind == WAY_DIRECT);
		if (best.slot[kind] < 0 || its_us < best_us[kind]) {
			best.slot[kind] = i;
			best_us[kind] = its_us;
		}
	}
	return best;
}

/* The second way that everything is sent by is in use as well: its proofs are what tells a move
 * from a gap. */
static bool is_used(const struct path_peer *p, int slot)
{
	return slot == p->in_use ||
	       (p->choice.copy.kind != WAY_NONE && way_equal(&p->path[slot].way, &p->choice.copy));
}

static uint64_t up_interval_us(const struct path_peer *p, int slot, const struct standby *standby,
			       uint64_t now_us)
{
	if (path_send_is_active(p, now_us)) {
		if (is_used(p, slot))
			return in_use_us;
		return standby->slot[p->path[slot].way.kind] == slot ? standby_us : spare_us;
	}
	bool holds_mapping = slot == p->in_use && p->path[slot].way.kind == WAY_DIRECT;
	return holds_mapping && !p->has_left ? keepalive_us : US_NEVER;
}

static uint64_t interval_us(const struct path_peer *p, int slot, const struct standby *standby,
			    uint64_t now_us)
{
	const struct path *path = &p->path[slot];

	if (!can_send_by(p, path))
		return US_NEVER;
	switch (path->live.state) {
	case PATH_PROBING:
		return is_looked_for(p, now_us) ? burst_interval_us(path->tries) : US_NEVER;
	case PATH_UP:
		return up_interval_us(p, slot, standby, now_us);
	case PATH_SUSPECT:
		return suspect_us;
	case PATH_DOWN:
		if (!is_looked_for(p, now_us))
			return US_NEVER;
		return now_us - path->live.since_us < down_fresh_us ? down_us : down_long_us;
	case PATH_STATES:
		break;
	}
	return US_NEVER;
}

static uint64_t next_ping_us(const struct path_peer *p, int slot, const struct standby *standby,
			     uint64_t now_us)
{
	const struct path *path = &p->path[slot];
	uint64_t wait_us = interval_us(p, slot, standby, now_us);

	if (wait_us == US_NEVER)
		return US_NEVER;
	if (path->last_probe_us == 0)
		return now_us;
	/* Up to an eighth earlier, so that nodes do not march in step. */
	return path->last_probe_us + wait_us - wait_us / 2048 * path->jitter;
}

static bool has_relay(const struct path_peer *p)
{
	for (int i = path_slot_after(p, CANDIDATES_MAX - 1); i < PATH_SLOTS;
	     i = path_slot_after(p, i))
		if (can_send_by(p, &p->path[i]))
			return true;
	return false;
}

static bool can_call(const struct path_peer *p, uint64_t now_us)
{
	bool is_direct = p->in_use >= 0 && p->choice.first.kind == WAY_DIRECT &&
			 p->path[p->in_use].live.state == PATH_UP;

	return p->has_endpoints && !is_direct && (is_wanted(p, now_us) || p->owes_call) &&
	       has_relay(p) && p->obstacle != PATH_RELAY_ONLY && !p->has_left;
}

/* By two relays at most: the one in use or heard last comes first in the list of the caller. */
static unsigned call_by_relays(struct path_peer *p, struct path_actions *out)
{
	unsigned sent = 0;

	for (int i = path_slot_after(p, CANDIDATES_MAX - 1); i < PATH_SLOTS && sent < 2;
	     i = path_slot_after(p, i))
		if (can_send_by(p, &p->path[i]) &&
		    path_send_append(out, PATH_SEND_CALL_ME_MAYBE, &p->path[i].way))
			sent++;
	return sent;
}

static void call_due(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	if (now_us < p->call_us || !can_call(p, now_us) || call_by_relays(p, out) == 0)
		return;
	p->owes_call = false;
	p->last_call_us = now_us;
	p->call_us = now_us + burst_interval_us(++p->call_tries);
}

void path_send_on_called(struct path_peer *p, uint64_t now_us)
{
	p->called_until_us = now_us + called_us;
	/* One answer tells the peer where we are now; its own call a moment ago was none. */
	if (is_wanted(p, now_us) || now_us - p->last_call_us < called_us)
		return;
	p->owes_call = true;
	p->call_us = now_us;
}

static void questions_due(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	if (now_us < p->quiet_until_us)
		return;
	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i)) {
		struct path *path = &p->path[i];

		if (!can_send_by(p, path) || now_us < liveness_ask_us(&path->live))
			continue;
		bool is_second = path->live.asked == 1;

		ask(p, i, now_us, out);
		if (i != p->in_use)
			continue;
		if (!is_second) {
			path_send_question(p, now_us, out);
		} else if (!p->noticed) {
			p->noticed = true;
			path_send_not_hearing(p, out);
		}
	}
}

void path_send_due(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	struct standby standby = find_standby(p);

	questions_due(p, now_us, out);
	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i))
		if (now_us >= next_ping_us(p, i, &standby, now_us))
			path_send_ping(p, i, now_us, out);
	call_due(p, now_us, out);
}

uint64_t path_send_deadline_us(const struct path_peer *p, uint64_t now_us)
{
	uint64_t deadline = US_NEVER;
	bool is_quiet = now_us < p->quiet_until_us;
	struct standby standby = find_standby(p);

	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i)) {
		const struct path *path = &p->path[i];
		uint64_t ask_us = is_quiet ? p->quiet_until_us : liveness_ask_us(&path->live);
		uint64_t ping_us = next_ping_us(p, i, &standby, now_us);

		if (can_send_by(p, path) && ask_us < deadline)
			deadline = ask_us;
		if (ping_us < deadline)
			deadline = ping_us;
	}
	if (p->call_us < deadline && can_call(p, now_us))
		deadline = p->call_us;
	return deadline;
}
