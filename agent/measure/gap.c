#include "agent/measure/gap.h"

#include <stdio.h>

#include "common/clock.h"

static const uint64_t gap_min_us = 250 * US_PER_MS;
/* A probe goes each 250 ms: proofs of our direction come no more often than that. */
static const uint64_t proof_rhythm_us = 250 * US_PER_MS;
/* A cause named so long before the gap began still explains it. */
static const uint64_t cause_before_us = 5 * US_PER_S;

/* Which of two causes of one incident names it: the one nearer to its root. */
static unsigned weight_of(enum code code)
{
	switch (code) {
	case CODE_UNKNOWN:
		return 0;
	case CODE_PATH_FIRST:
	case CODE_PATH_BETTER:
	case CODE_PATH_BACK:
		return 1;
	case CODE_PATH_SILENT:
		return 2;
	case CODE_RELAY_LOST:
	case CODE_RELAY_DRAINED:
	case CODE_NO_RELAY:
	case CODE_UDP_BLOCKED:
	case CODE_HARD_NAT_HERE:
	case CODE_HARD_NAT_THERE:
	case CODE_HARD_NAT_BOTH:
	case CODE_COORDINATOR_UNREACHABLE:
		return 3;
	case CODE_NAT_REBOUND:
	case CODE_PEER_OFFLINE:
		return 4;
	case CODE_NETWORK_CHANGED:
	case CODE_ADDRESS_CHANGED:
	case CODE_IDENTITY_CHANGED:
	case CODE_ADDRESS_OVERLAP:
		return 5;
	case CODE_PEER_RESTARTED:
	case CODE_PEER_LEFT:
	case CODE_HOST_CPU_STARVED:
		return 6;
	case CODE_ASLEEP:
	case CODE_RESTARTED:
		return 7;
	case CODES:
		break;
	}
	return 0;
}

void gap_on_cause(struct gap *g, enum code code, uint64_t now_us)
{
	bool is_old = now_us - g->cause_us > cause_before_us && !g->open;

	if (!is_old && weight_of(code) < weight_of(g->cause))
		return;
	g->cause = code;
	g->cause_us = now_us;
}

void gap_on_peer_saw(struct gap *g)
{
	g->peer_saw = true;
}

void gap_forgive(struct gap *g, uint64_t late_us)
{
	if (g->unheard_us != 0)
		g->unheard_us += late_us;
	if (g->unproved_us != 0)
		g->unproved_us += late_us;
}

static uint64_t patience_us(uint64_t rtt_us)
{
	return 5 * rtt_us > gap_min_us ? 5 * rtt_us : gap_min_us;
}

/* First data sent since the last sign of a direction. */
static void track(uint64_t *waiting_us, uint64_t *known_us, uint64_t sign_us, uint64_t sent_us,
		  uint32_t *sent_then, uint32_t sent)
{
	if (sign_us > *known_us) {
		*known_us = sign_us;
		*waiting_us = 0;
		*sent_then = sent;
	}
	if (sent_us <= *known_us)
		*waiting_us = 0;
	else if (*waiting_us == 0)
		*waiting_us = sent_us;
}

/* A way that is tried in vain, and was slow when it last answered, buys no patience. */
static void track_rtt(struct gap *g, const struct gap_view *view)
{
	bool is_heard = view->heard_us > g->heard_us;
	bool is_quicker = view->rtt_us != 0 && view->rtt_us < g->rtt_us;

	if (is_heard || g->rtt_us == 0 || is_quicker)
		g->rtt_us = view->rtt_us;
}

static bool is_waiting(uint64_t since_us, uint64_t patience, uint64_t now_us)
{
	return since_us != 0 && now_us > since_us && now_us - since_us > patience;
}

static uint64_t proof_patience_us(uint64_t rtt_us)
{
	return patience_us(rtt_us) + proof_rhythm_us + rtt_us;
}

static void open_gap(struct gap *g, bool unheard, const struct gap_view *view, uint64_t now_us)
{
	bool is_cause_old = now_us - g->cause_us > cause_before_us;

	g->open = true;
	g->start_us = unheard ? g->heard_us : g->proved_us;
	g->sent_at_start = unheard ? g->sent_at_heard : g->sent_at_proved;
	g->sent_now = view->data_sent;
	g->from = view->way;
	if (is_cause_old)
		g->cause = CODE_UNKNOWN;
}

static struct event close_gap(struct gap *g, struct way to, uint64_t end_us, uint64_t now_us,
			      uint64_t unix_us)
{
	struct event e =
		event_make(EVENT_GAP, g->cause, 0, NULL, NULL, unix_us - (now_us - g->start_us));

	e.end_unix_us = unix_us - (now_us - end_us);
	e.from = g->from;
	e.to = to;
	e.lost_packets = g->sent_now - g->sent_at_start;
	e.seen_by = g->peer_saw ? EVENT_SEEN_BY_BOTH : EVENT_SEEN_HERE;
	g->open = g->peer_saw = false;
	g->cause = CODE_UNKNOWN;
	g->cause_us = 0;
	return e;
}

bool gap_step(struct gap *g, const struct gap_view *view, uint64_t now_us, uint64_t unix_us,
	      struct event *out)
{
	bool has_answered = view->heard_us != 0 && view->proved_us != 0;

	if (!has_answered)
		return false;
	track_rtt(g, view);
	track(&g->unheard_us, &g->heard_us, view->heard_us, view->last_data_sent_us,
	      &g->sent_at_heard, view->data_sent);
	track(&g->unproved_us, &g->proved_us, view->proved_us, view->last_data_sent_us,
	      &g->sent_at_proved, view->data_sent);
	bool unheard = is_waiting(g->unheard_us, patience_us(g->rtt_us), now_us);
	bool unproved = is_waiting(g->unproved_us, proof_patience_us(g->rtt_us), now_us);

	if (!g->open) {
		if (unheard || unproved)
			open_gap(g, unheard, view, now_us);
		return false;
	}
	if (view->heard_us <= g->start_us || view->proved_us <= g->start_us || unheard ||
	    unproved) {
		g->sent_now = view->data_sent;
		return false;
	}
	uint64_t end_us = view->heard_us > view->proved_us ? view->heard_us : view->proved_us;

	*out = close_gap(g, view->way, end_us, now_us, unix_us);
	return true;
}

bool gap_end(struct gap *g, uint64_t now_us, uint64_t unix_us, struct event *out)
{
	if (!g->open)
		return false;
	*out = close_gap(g, way_none(), now_us, now_us, unix_us);
	return true;
}
