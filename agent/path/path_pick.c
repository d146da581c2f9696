#include "agent/path/path_pick.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/path/path_send.h"

enum { NONE = -1, SILENT_LOG = 4 };

/* Counts of both ends lag by their looks at the lanes. */
static const uint64_t counts_lag_us = 50 * US_PER_MS;
static const uint64_t young_min_us = 300 * US_PER_MS;
static const uint64_t better_hold_us = 3 * US_PER_S;
static const uint64_t move_gap_us = 5 * US_PER_S;
static const uint64_t flap_window_us = 60 * US_PER_S, flap_hold_us = 5 * US_PER_S;
/* A direct way that was left for its quality is given that long to get better. */
static const uint64_t left_hold_us = 60 * US_PER_S;
static const uint64_t relay_wait_us = 500 * US_PER_MS;
static const uint64_t cause_us = 30 * US_PER_S;
/* Packets a second above which our own traffic makes the queue that a way's RTT shows. */
static const uint64_t loaded_pps = 500;

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

static bool is_loaded(const struct path_peer *p, enum way_kind kind)
{
	const struct traffic_marks *m = &p->marks[kind];
	const struct traffic_mark *new = &m->mark[(m->next + 31) % 32], *old = NULL;

	for (unsigned i = 0; i < 32 && !old; i++)
		if (m->mark[(m->next + i) % 32].at_us != 0)
			old = &m->mark[(m->next + i) % 32];
	if (!old || new->at_us <= old->at_us)
		return false;
	uint64_t packets = new->data_sent - old->data_sent;

	return packets * US_PER_S > loaded_pps * (new->at_us - old->at_us);
}

/* Price of a way; of the one in use under load without the queue that we make ourselves, since the
 * others stand idle beside it. */
static uint64_t price_us(const struct path_peer *p, int slot)
{
	const struct path *path = &p->path[slot];

	if (slot == p->in_use && score_is_known(&path->score) && is_loaded(p, path->way.kind)) {
		struct score calm = path->score;

		calm.srtt_us = calm.min_us;
		calm.jitter_us = 0;
		return score_price_us(&calm, is_direct(path));
	}
	return score_price_us(&path->score, is_direct(path));
}

static int best_up(const struct path_peer *p, int except)
{
	int best = NONE;

	for (int i = 0; i < PATH_SLOTS; i++)
		if (i != except && is_up(&p->path[i]) &&
		    (best == NONE || price_us(p, i) < price_us(p, best)))
			best = i;
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

	for (int i = CANDIDATES_MAX; i < PATH_SLOTS; i++)
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

/* ---- saying why ---- */

struct text {
	char *buf;
	size_t len, cap;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->buf + t->len, t->cap - t->len, format, args);
	va_end(args);
	if (n > 0)
		t->len += (size_t)n < t->cap - t->len ? (size_t)n : t->cap - t->len - 1;
}

static void say_ms(struct text *t, uint64_t us)
{
	if (us < 10 * US_PER_MS)
		say(t, "%.1f ms", (double)us / US_PER_MS);
	else
		say(t, "%llu ms", (unsigned long long)((us + 500) / US_PER_MS));
}

static void say_way(struct text *t, const struct way *way)
{
	char text[WAY_TEXT_LEN];

	way_str(way, text);
	say(t, "%s", text);
}

/* "23 ms", "23 ms with 5.0 % loss" or "not measured". */
static void say_quality(struct text *t, const struct score *s)
{
	if (!score_is_known(s)) {
		say(t, "not measured");
		return;
	}
	say_ms(t, s->srtt_us);
	if (score_loss(s) >= 0.005)
		say(t, " with %.1f %% loss", 100 * score_loss(s));
}

/* "(23 ms; relay 1 measured 41 ms)" */
static void say_beside(struct text *t, const struct path_peer *p, int slot, int other)
{
	if (!score_is_known(&p->path[slot].score))
		return;
	say(t, " (");
	say_quality(t, &p->path[slot].score);
	if (other != NONE && score_is_known(&p->path[other].score)) {
		say(t, "; ");
		say_way(t, &p->path[other].way);
		say(t, " measured ");
		say_quality(t, &p->path[other].score);
	}
	say(t, ")");
}

static const struct {
	const char *code, *text;
} obstacles[] = {
	[PATH_NO_OBSTACLE] = {"path-first", "no direct address has answered yet"},
	[PATH_UDP_BLOCKED] = {"udp-blocked", "UDP does not get out of this network"},
	[PATH_HARD_NAT_HERE] = {"hard-nat-here", "this side's NAT shows every peer another port"},
	[PATH_HARD_NAT_THERE] = {"hard-nat-there", "the peer's NAT shows everyone another port"},
	[PATH_HARD_NAT_BOTH] = {"hard-nat-both",
				"the NATs of both sides show everyone another port"},
	[PATH_RELAY_ONLY] = {"path-first", "set to relays only"},
};

struct reason {
	const char *code;
	int old; /* slot that was in use, NONE */
};

static void say_relay(struct text *t, const struct path_peer *p, int slot, struct reason r)
{
	if (strcmp(r.code, "path-back") == 0) {
		say(t, "answers again");
	} else if (strcmp(r.code, "path-silent") == 0) {
		say(t, "no answer by ");
		say_way(t, &p->choice.first);
	} else if (strcmp(r.code, "relay-lost") == 0) {
		say_way(t, &p->choice.first);
		say(t, " is gone");
	} else if (strcmp(r.code, "relay-drained") == 0) {
		say_way(t, &p->choice.first);
		say(t, " announced its end");
	} else if (strcmp(r.code, "path-better") == 0) {
		say(t, "better than ");
		say_way(t, &p->choice.first);
		say_beside(t, p, slot, r.old);
	} else if (p->obstacle != PATH_NO_OBSTACLE || p->choice.first.kind == WAY_NONE) {
		say(t, "%s", obstacles[p->obstacle].text);
	} else {
		say_way(t, &p->choice.first);
		say(t, " is no longer trusted (%s)", r.code);
	}
}

static void say_direct(struct text *t, const struct path_peer *p, int slot, struct reason r)
{
	bool has_old = r.old != NONE && r.old != slot;
	int other = has_old ? r.old : best_other(p, slot);

	if (strcmp(r.code, "path-first") == 0)
		say(t, "first path that answered");
	else if (strcmp(r.code, "path-back") == 0)
		say(t, "answers again");
	else if (strcmp(r.code, "path-better") == 0)
		say(t, "better path");
	else if (strcmp(r.code, "nat-rebound") == 0)
		say(t, "a NAT gave the path another port");
	else if (strcmp(r.code, "address-changed") == 0)
		say(t, "an address changed");
	else
		say(t, "answers again after %s", r.code);
	say_beside(t, p, slot, other);
}

static void write_why(struct path_peer *p, int slot, int copy, struct reason r, char *out)
{
	struct text t = {.buf = out, .cap = PATH_WHY_LEN};

	out[0] = '\0';
	if (slot == NONE) {
		say(&t, "none: no relay stands and no direct address answers");
		return;
	}
	say_way(&t, &p->path[slot].way);
	if (copy != NONE && p->path[slot].live.state == PATH_SUSPECT) {
		say(&t, " and ");
		say_way(&t, &p->path[copy].way);
		say(&t, ": the first gives no answer, so packets go by both");
		return;
	}
	say(&t, ": ");
	if (is_direct(&p->path[slot]))
		say_direct(&t, p, slot, r);
	else
		say_relay(&t, p, slot, r);
}

/* ---- causes ---- */

void path_pick_note_cause(struct path_peer *p, const char *code, uint64_t now_us)
{
	snprintf(p->pending_code, sizeof(p->pending_code), "%s", code);
	p->pending_us = now_us;
}

static const char *pending_cause(const struct path_peer *p, uint64_t now_us)
{
	bool is_fresh = p->pending_code[0] != '\0' && now_us - p->pending_us < cause_us;

	return is_fresh ? p->pending_code : NULL;
}

static const char *why_back(const struct path_peer *p, uint64_t now_us)
{
	const char *cause = pending_cause(p, now_us);

	return cause ? cause : "path-back";
}

static const char *why_relay(const struct path_peer *p, int old, uint64_t now_us)
{
	const char *cause = pending_cause(p, now_us);
	const struct path *left = old == NONE ? NULL : &p->path[old];

	if (!left || p->choice.first.kind == WAY_NONE)
		return obstacles[p->obstacle].code;
	if (left->way.kind == WAY_RELAY && left->relay.drains && left->relay.up)
		return "relay-drained";
	if (left->way.kind == WAY_RELAY && !left->relay.up)
		return "relay-lost";
	if (left->live.state == PATH_UP || left->live.state == PATH_PROBING)
		return cause ? cause : "path-better";
	return cause ? cause : "path-silent";
}

static const char *why_direct(const struct path_peer *p, int slot, int old, uint64_t now_us)
{
	const char *cause = pending_cause(p, now_us);
	const struct endpoint *addr = &p->path[slot].way.addr;

	if (cause)
		return cause;
	if (!p->was_direct)
		return "path-first";
	if (p->last_direct.port != 0 && !endpoint_equal(&p->last_direct, addr) &&
	    (old == NONE || !is_up(&p->path[old]) || !is_direct(&p->path[old])))
		return ip_equal(&p->last_direct.ip, &addr->ip) ? "nat-rebound" : "address-changed";
	return old != NONE && is_direct(&p->path[old]) ? "path-better" : "path-back";
}

static const char *why_code(const struct path_peer *p, int slot, int old, uint64_t now_us)
{
	if (slot == NONE)
		return "no-relay";
	if (slot == old && p->path[slot].live.state == PATH_SUSPECT) {
		const char *cause = pending_cause(p, now_us);
		return cause ? cause : "path-silent";
	}
	return is_direct(&p->path[slot]) ? why_direct(p, slot, old, now_us)
					 : why_relay(p, old, now_us);
}

/* ---- the one writer ---- */

static void note_silence(struct path_peer *p, uint64_t now_us)
{
	memmove(&p->silent_us[1], &p->silent_us[0], (SILENT_LOG - 1) * sizeof(p->silent_us[0]));
	p->silent_us[0] = now_us;
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
	bool adds_copy = second.kind != WAY_NONE && !way_equal(&second, &c->copy);
	struct reason r = {.code = why_code(p, slot, p->in_use, now_us), .old = p->in_use};

	if (!is_move && way_equal(&second, &c->copy))
		return;
	bool recovers = p->says_suspect && !was_failing && !is_move;

	if (recovers)
		r.code = why_back(p, now_us);
	/* The end of a copy leaves the reason for the way itself standing. */
	if (is_move || was_failing || recovers) {
		p->says_suspect = !is_move && was_failing;
		write_why(p, slot, copy, r, c->why);
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
			p->left_us = now_us;
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
	if (was_failing && (is_move || adds_copy))
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
		uint64_t left_us = p->left_us != 0 ? p->left_us + left_hold_us : 0;

		return held_us > left_us ? held_us : left_us;
	}
	if (!score_is_clearly_better(price_to, price_cur))
		return US_NEVER;
	if (p->better_since_us == US_NEVER)
		return now_us + better_hold_us;
	uint64_t held_us = p->better_since_us + better_hold_us;
	uint64_t spaced_us = p->moved_us + move_gap_us;

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

	for (int i = 0; i < CANDIDATES_MAX && is_direct(cur); i++) {
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
