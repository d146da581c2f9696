#include "agent/path/path_pick.h"

#include <stdio.h>
#include <string.h>

#include "agent/path/path_send.h"
#include "agent/path/path_slot.h"
#include "agent/path/path_traffic.h"
#include "agent/path/path_why.h"

enum { NONE = -1, SILENT_LOG = 4 };

/* Counts of both ends lag by their looks at the lanes. */
static const uint64_t counts_lag_us = 50 * US_PER_MS;
static const uint64_t young_min_us = 300 * US_PER_MS;
static const uint64_t better_hold_us = 3 * US_PER_S;
/* Ways of one kind differ little, and each move may reorder packets. */
static const uint64_t move_gap_us = 5 * US_PER_S, same_kind_gap_us = 10 * US_PER_S;
static const uint64_t flap_window_us = 60 * US_PER_S, flap_hold_us = 5 * US_PER_S;
/* A direct way that was left for its quality is given that long to get better, and twice as long
 * each time that it is left again soon: who had one bad moment shall not pay for it a minute. */
static const uint64_t left_hold_us = 10 * US_PER_S, left_hold_max_us = 60 * US_PER_S;
static const uint64_t left_again_us = 120 * US_PER_S;
static const uint64_t relay_wait_us = 500 * US_PER_MS;

/* ---- what can be sent by ---- */

static bool is_direct(const struct path *path)
{
	return path->way.kind == WAY_DIRECT;
}

static bool stands(const struct path *path)
{
	return path->way.kind == WAY_DIRECT ||
	       (path->way.kind == WAY_RELAY && path->relay.up && !path->relay.drains);
}

static bool is_up(const struct path *path)
{
	return stands(path) && path->live.state == PATH_UP;
}

/* A relay whose session stands may carry packets before an answer came by it. */
static bool is_hopeful(const struct path *path)
{
	return path->way.kind == WAY_RELAY && path->relay.up && path->live.state != PATH_DOWN;
}

/* Price of a way; of the one in use under load without the queue that we make ourselves, since the
 * others stand idle beside it. */
static uint64_t price_us(const struct path_peer *p, int slot)
{
	const struct path *path = &p->path[slot];

	if (slot == p->in_use && score_is_known(&path->score) &&
	    path_traffic_is_loaded(p, path->way.kind)) {
		struct score calm = path->score;

		calm.srtt_us = calm.min_us;
		calm.jitter_us = 0;
		return score_price_us(&calm, is_direct(path));
	}
	return score_price_us(&path->score, is_direct(path));
}

static int best_up(const struct path_peer *p, int except)
{
	uint64_t best_us = US_NEVER;
	int best = NONE;

	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i)) {
		if (i == except || !is_up(&p->path[i]))
			continue;
		uint64_t its_us = price_us(p, i);
		if (its_us < best_us) {
			best_us = its_us;
			best = i;
		}
	}
	return best;
}

/* Among unproved relays: where the peer was heard last, its home, our home, the nearest. */
static bool is_better_hope(const struct path *a, const struct path *b)
{
	if (a->relay.drains != b->relay.drains)
		return b->relay.drains;
	if (a->live.heard_us != b->live.heard_us)
		return a->live.heard_us > b->live.heard_us;
	if (a->relay.is_peers_home != b->relay.is_peers_home)
		return a->relay.is_peers_home;
	if (a->relay.is_ours != b->relay.is_ours)
		return a->relay.is_ours;
	return a->relay.rtt_us < b->relay.rtt_us;
}

static int best_hope(const struct path_peer *p, int except)
{
	int best = NONE;

	for (int i = path_slot_after(p, CANDIDATES_MAX - 1); i < PATH_SLOTS;
	     i = path_slot_after(p, i))
		if (i != except && is_hopeful(&p->path[i]) &&
		    (best == NONE || is_better_hope(&p->path[i], &p->path[best])))
			best = i;
	return best;
}

static int best_other(const struct path_peer *p, int except)
{
	int best = best_up(p, except);

	return best != NONE ? best : best_hope(p, except);
}

/* ---- the one writer ---- */

static void note_silence(struct path_peer *p, uint64_t now_us)
{
	memmove(&p->silent_us[1], &p->silent_us[0], (SILENT_LOG - 1) * sizeof(p->silent_us[0]));
	p->silent_us[0] = now_us;
}

static void note_left(struct path_peer *p, uint64_t now_us)
{
	bool is_again = p->left_us != 0 && now_us - p->left_us < left_again_us;

	p->left_again = is_again ? p->left_again + 1 : 0;
	p->left_us = now_us;
}

static uint64_t left_until_us(const struct path_peer *p)
{
	uint64_t hold_us = left_hold_us;

	if (p->left_us == 0)
		return 0;
	for (unsigned i = 0; i < p->left_again && hold_us < left_hold_max_us; i++)
		hold_us *= 2;
	return p->left_us + (hold_us < left_hold_max_us ? hold_us : left_hold_max_us);
}

static struct way way_of(const struct path_peer *p, int slot)
{
	return slot == NONE ? way_none() : p->path[slot].way;
}

static void enter_choice(struct path_peer *p, int slot, int copy, uint64_t now_us,
			 struct path_actions *out)
{
	struct path_choice *c = &p->choice;
	struct way first = way_of(p, slot), second = way_of(p, copy);
	bool is_move = !way_equal(&first, &c->first);
	bool was_failing = p->in_use != NONE && !is_up(&p->path[p->in_use]);
	bool changes_copy = !way_equal(&second, &c->copy);

	if (!is_move && !changes_copy)
		return;
	if (was_failing)
		path_why_on_failing(p);
	struct path_reason r = {.code = path_why_code(p, slot, p->in_use, now_us),
				.old = p->in_use,
				.beside = best_other(p, slot)};
	bool recovers = p->says_suspect && !was_failing && !is_move;

	if (recovers)
		r.code = path_why_back(p, now_us);
	/* The end of a copy leaves the reason for the way itself standing. */
	if (is_move || was_failing || recovers) {
		p->says_suspect = !is_move && was_failing;
		path_why_write(p, slot, copy, r, c->why);
		snprintf(c->why_code, sizeof(c->why_code), "%s", r.code);
	}
	c->moved = is_move;
	if (is_move) {
		c->from = c->first;
		c->since_us = p->moved_us = now_us;
		p->better_since_us = US_NEVER;
		if (was_failing)
			note_silence(p, now_us);
		if (!was_failing && c->first.kind == WAY_DIRECT && first.kind == WAY_RELAY)
			note_left(p, now_us);
		if (p->in_use != NONE)
			score_forget_packets(&p->path[p->in_use].score);
	}
	if (is_move && first.kind == WAY_DIRECT) {
		p->was_direct = true;
		p->last_direct = first.addr;
	}
	if (recovers || (is_move && first.kind == WAY_DIRECT))
		p->pending_code[0] = '\0';
	c->first = first;
	c->copy = second;
	p->in_use = slot;
	p->alone_us = second.kind == WAY_NONE ? now_us + counts_lag_us : US_NEVER;
	path_send_append(out, PATH_SET_CHOICE, &first);
	if (was_failing && (is_move || second.kind != WAY_NONE))
		path_send_append(out, PATH_RESEND, &first);
}

/* ---- deciding ---- */

static bool is_flapping(const struct path_peer *p, uint64_t now_us)
{
	uint64_t oldest = p->silent_us[SILENT_LOG - 1];

	return oldest != 0 && now_us - oldest < flap_window_us;
}

/* When a move from the working way in use to a better one is allowed; US_NEVER: it is not better.
 */
static uint64_t move_allowed_us(const struct path_peer *p, int to, uint64_t now_us)
{
	const struct path *cur = &p->path[p->in_use], *next = &p->path[to];
	uint64_t price_to = price_us(p, to), price_cur = price_us(p, p->in_use);

	if (cur->live.state == PATH_PROBING) /* an unproved relay */
		return is_direct(next) ? now_us : cur->live.since_us + relay_wait_us;
	if (!stands(cur))
		return now_us;
	if (is_direct(next) && !is_direct(cur) && price_to <= price_cur) {
		uint64_t held_us = is_flapping(p, now_us) ? next->live.since_us + flap_hold_us : 0;
		uint64_t left_us = left_until_us(p);

		return held_us > left_us ? held_us : left_us;
	}
	if (!score_is_clearly_better(price_to, price_cur))
		return US_NEVER;
	if (p->better_since_us == US_NEVER)
		return now_us + better_hold_us;
	uint64_t held_us = p->better_since_us + better_hold_us;
	bool is_same_kind = is_direct(cur) == is_direct(next);
	uint64_t spaced_us = p->moved_us + (is_same_kind ? same_kind_gap_us : move_gap_us);

	return held_us > spaced_us ? held_us : spaced_us;
}

static uint64_t young_us(const struct path *path)
{
	uint64_t four_us = 4 * path->live.rtt_us;

	return four_us > young_min_us ? four_us : young_min_us;
}

/* From one working way to another. */
static void consider_move(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	int cur = p->in_use, to = best_up(p, cur);
	uint64_t allowed_us = to == NONE ? US_NEVER : move_allowed_us(p, to, now_us);
	int copy = NONE;

	if (allowed_us == US_NEVER)
		p->better_since_us = US_NEVER;
	else if (p->better_since_us == US_NEVER)
		p->better_since_us = now_us;
	p->recheck_us = allowed_us > now_us ? allowed_us : US_NEVER;
	if (allowed_us <= now_us) {
		p->copy_until_us = now_us + young_us(&p->path[to]);
		p->copy_slot = cur;
		cur = to;
	}
	if (now_us < p->copy_until_us && p->copy_slot != cur && p->copy_slot != NONE &&
	    (is_up(&p->path[p->copy_slot]) || is_hopeful(&p->path[p->copy_slot])))
		copy = p->copy_slot;
	enter_choice(p, cur, copy, now_us, out);
}

static bool can_stay(const struct path_peer *p)
{
	if (p->in_use == NONE || p->path[p->in_use].way.kind == WAY_NONE)
		return false;
	const struct path *cur = &p->path[p->in_use];

	return is_up(cur) || (is_hopeful(cur) && cur->live.state == PATH_PROBING);
}

/* A direct way that answered what was sent since the one in use became suspect: the address at one
 * end changed, and this is the new one. */
static int successor(const struct path_peer *p)
{
	const struct path *cur = &p->path[p->in_use];
	int best = NONE;

	for (int i = path_slot_after(p, -1); i < CANDIDATES_MAX && is_direct(cur);
	     i = path_slot_after(p, i)) {
		const struct path *path = &p->path[i];

		if (i == p->in_use || !is_up(path) ||
		    path->live.proved_sent_us < cur->live.doubt_us)
			continue;
		if (best == NONE || price_us(p, i) < price_us(p, best))
			best = i;
	}
	return best;
}

void path_pick(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	int cur = p->in_use;

	p->recheck_us = US_NEVER;
	if (can_stay(p)) {
		consider_move(p, now_us, out);
		return;
	}
	int next = best_other(p, cur);
	bool is_gone = cur == NONE || p->path[cur].way.kind == WAY_NONE ||
		       (p->path[cur].way.kind == WAY_RELAY && !p->path[cur].relay.up);

	p->copy_until_us = 0;
	bool is_suspect = !is_gone && p->path[cur].live.state == PATH_SUSPECT;
	int heir = is_suspect ? successor(p) : NONE;

	if (heir != NONE)
		enter_choice(p, heir, NONE, now_us, out);
	else if (is_suspect)
		enter_choice(p, cur, next, now_us, out);
	else if (next != NONE || is_gone)
		enter_choice(p, next, NONE, now_us, out);
	else /* nothing better than what fails: it may yet carry one direction */
		enter_choice(p, cur, NONE, now_us, out);
}

uint64_t path_pick_deadline_us(const struct path_peer *p)
{
	uint64_t copy_us = p->choice.copy.kind != WAY_NONE && p->copy_until_us != 0
				   ? p->copy_until_us
				   : US_NEVER;

	return copy_us < p->recheck_us ? copy_us : p->recheck_us;
}
