#include "tests/sim/watch_delivery.h"

#include <stdlib.h>

#include "common/clock.h"

void watch_delivery_init(struct watch_delivery *w, const struct day *day, uint64_t grace_us)
{
	*w = (struct watch_delivery){.day = day, .grace_us = grace_us};
}

void watch_delivery_wipe(struct watch_delivery *w)
{
	for (unsigned i = 0; i < TRAFFIC_FLOWS_MAX; i++) {
		free(w->seen[i][0]);
		free(w->seen[i][1]);
		w->seen[i][0] = w->seen[i][1] = NULL;
	}
}

void watch_delivery_on_join(struct watch_delivery *w, unsigned node)
{
	w->revoked_us[node] = 0;
}

void watch_delivery_on_revoke(struct watch_delivery *w, unsigned node, uint64_t now_us)
{
	w->revoked_us[node] = now_us;
}

/* The news is on its way for half a round trip, sent again where it got lost; then live flows are
 * cut within a second. What was let out before may be on the way for as long as a relay takes. */
void watch_delivery_on_forbid(struct watch_delivery *w, unsigned from, unsigned to,
			      const struct expect *expect, uint64_t now_us)
{
	w->forbidden_us[from][to] =
		now_us + expect->server_us / 2 + expect->loss_us + US_PER_S + expect->relay_us / 2;
}

void watch_delivery_on_allow(struct watch_delivery *w, unsigned from, unsigned to)
{
	w->forbidden_us[from][to] = 0;
}

static bool is_forbidden(const struct watch_delivery *w, const struct traffic_packet *p,
			 uint64_t now_us)
{
	uint64_t since_us = w->forbidden_us[p->from % DAY_NODES][p->to % DAY_NODES];

	return since_us != 0 && now_us > since_us;
}

void watch_delivery_on_outage(struct watch_delivery *w, uint64_t since_us)
{
	w->reachable_us = since_us;
}

static bool is_echo(const struct traffic_packet *p)
{
	return p->kind == TRAFFIC_ECHO;
}

void watch_delivery_on_sent(struct watch_delivery *w, const struct traffic_packet *p)
{
	uint32_t *sent = &w->sent[p->flow][is_echo(p)];

	if (p->seq >= *sent)
		*sent = p->seq + 1;
}

/* Was it delivered before? */
static bool mark(struct watch_delivery *w, const struct traffic_packet *p)
{
	uint8_t **bits = &w->seen[p->flow][is_echo(p)];

	if (p->seq >= WATCH_DELIVERY_SEQS)
		return false;
	if (!*bits && !(*bits = calloc(1, WATCH_DELIVERY_SEQS / 8)))
		abort();
	uint8_t bit = (uint8_t)(1u << p->seq % 8);
	bool was_set = (*bits)[p->seq / 8] & bit;

	(*bits)[p->seq / 8] |= bit;
	return was_set;
}

static bool is_revoked(const struct watch_delivery *w, unsigned node, uint64_t now_us)
{
	uint64_t told_us = w->revoked_us[node];

	if (told_us != 0 && told_us < w->reachable_us)
		told_us = w->reachable_us;
	return told_us != 0 && now_us > told_us + w->grace_us;
}

void watch_delivery_on_delivered(struct watch_delivery *w, unsigned at_node,
				 const struct traffic_packet *p, uint64_t now_us, struct verdict *v)
{
	const struct day_node *nodes = w->day->nodes;
	const char *from = nodes[p->from % DAY_NODES].name, *to = nodes[p->to % DAY_NODES].name;
	unsigned wanted = is_echo(p) ? p->from : p->to;

	w->delivered[p->kind]++;
	if (at_node != wanted)
		verdict_fail(v, now_us, "delivery", "%s got what is for %s: %s to %s, %u",
			     nodes[at_node].name, nodes[wanted].name, from, to, p->seq);
	if (p->seq >= w->sent[p->flow][is_echo(p)])
		verdict_fail(v, now_us, "delivery", "%s got what nobody sent: %s to %s, %u",
			     nodes[at_node].name, from, to, p->seq);
	if (mark(w, p))
		verdict_fail(v, now_us, "twice", "%s got it twice: %s to %s, %s %u",
			     nodes[at_node].name, from, to, is_echo(p) ? "echo" : "packet", p->seq);
	if (p->kind == TRAFFIC_TRESPASS || !day_may(w->day, p->from, p->to))
		verdict_fail(v, now_us, "policy", "%s let in what %s may not send", to, from);
	if (is_forbidden(w, p, now_us))
		verdict_fail(v, now_us, "policy", "%s and %s talk after it was forbidden", from,
			     to);
	if (is_revoked(w, p->from, now_us) || is_revoked(w, p->to, now_us))
		verdict_fail(v, now_us, "policy", "%s and %s talk, one of them is removed", from,
			     to);
}
