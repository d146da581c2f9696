#include "agent/path/candidate.h"

#include <errno.h>

#include "common/clock.h"

/* A path that broke comes back by the same address, if it does, within minutes. */
static const uint64_t keep_answered_us = (uint64_t)600 * US_PER_S;
static const uint64_t keep_unnamed_us = 30 * US_PER_S;
static const uint64_t keep_heard_us = 45 * US_PER_S;
/* The way in use and the one beside it give a sign within a second. */
static const uint64_t port_fresh_us = 2 * US_PER_S;

static const char *const source_words[CANDIDATE_SOURCES] = {
	[CANDIDATE_LOCAL] = "local",	 [CANDIDATE_STUN] = "stun",
	[CANDIDATE_PORTMAP] = "portmap", [CANDIDATE_STATIC] = "static",
	[CANDIDATE_HEARD] = "heard",	 [CANDIDATE_CALL_ME_MAYBE] = "call-me-maybe",
	[CANDIDATE_LAST] = "last",
};

const char *candidate_source_str(enum candidate_source source)
{
	return source_words[source];
}

static bool is_in_mesh(const struct candidate_rules *rules, const struct ip_addr *ip)
{
	for (size_t i = 0; i < rules->mesh_n; i++)
		if (prefix_contains(&rules->mesh[i], ip))
			return true;
	return false;
}

static bool is_ours(const struct candidate_rules *rules, const struct endpoint *addr)
{
	for (size_t i = 0; i < rules->own_n; i++) {
		const struct endpoint *own = &rules->own[i];

		if (ip_equal(&own->ip, &addr->ip) && (own->port == 0 || own->port == addr->port))
			return true;
	}
	return false;
}

bool candidate_is_allowed(const struct candidate_rules *rules, const struct endpoint *addr)
{
	return addr->port != 0 && ip_is_dialable(&addr->ip) && !is_in_mesh(rules, &addr->ip) &&
	       !is_ours(rules, addr);
}

int candidate_find(const struct candidate_table *table, const struct endpoint *addr)
{
	for (int i = 0; i < CANDIDATES_MAX; i++)
		if (table->slot[i].addr.port != 0 && endpoint_equal(&table->slot[i].addr, addr))
			return i;
	return -1;
}

static bool is_proved(const struct candidate *c, uint64_t now_us)
{
	return c->answered_us != 0 && now_us - c->answered_us < keep_answered_us;
}

static bool is_passing(const struct candidate *c)
{
	const unsigned passing = 1u << CANDIDATE_HEARD | 1u << CANDIDATE_LAST;

	return c->addr.port != 0 && (c->sources & ~passing) == 0;
}

static uint64_t last_sign_us(const struct candidate *c)
{
	return c->answered_us > c->named_us ? c->answered_us : c->named_us;
}

/* Behind a NAT with a mapping for each destination a peer is heard from another port for each of
 * ours, and we by the peer in turn: each new port would make the next. So few are kept of an
 * address; another takes the place of the one without a sign for the longest time, if that is long
 * enough for the port to be gone. Returns that one's slot, CANDIDATES_MAX where there is room, or
 * -1. */
static int port_to_give_up(const struct candidate_table *table, const struct ip_addr *ip,
			   uint64_t now_us)
{
	unsigned ports = 0;
	int victim = -1;

	for (int i = 0; i < CANDIDATES_MAX; i++) {
		const struct candidate *c = &table->slot[i];

		if (!is_passing(c) || !ip_equal(&c->addr.ip, ip))
			continue;
		ports++;
		if (victim < 0 || last_sign_us(c) < last_sign_us(&table->slot[victim]))
			victim = i;
	}
	if (ports < CANDIDATE_HEARD_PORTS_MAX)
		return CANDIDATES_MAX;
	return now_us - last_sign_us(&table->slot[victim]) >= port_fresh_us ? victim : -1;
}

/* A free slot, else the unproved one that was named longest ago. */
static int slot_for_newcomer(const struct candidate_table *table, uint64_t now_us)
{
	int victim = -1;

	for (int i = 0; i < CANDIDATES_MAX; i++) {
		const struct candidate *c = &table->slot[i];

		if (c->addr.port == 0)
			return i;
		if (is_proved(c, now_us))
			continue;
		if (victim < 0 || c->named_us < table->slot[victim].named_us)
			victim = i;
	}
	return victim;
}

int candidate_add(struct candidate_table *table, const struct candidate_rules *rules,
		  const struct endpoint *addr, enum candidate_source source, uint64_t now_us,
		  bool *fresh)
{
	*fresh = false;
	if (!candidate_is_allowed(rules, addr)) {
		table->refused++;
		return -EACCES;
	}
	int i = candidate_find(table, addr);

	if (i < 0) {
		i = source == CANDIDATE_HEARD ? port_to_give_up(table, &addr->ip, now_us)
					      : CANDIDATES_MAX;
		if (i == CANDIDATES_MAX)
			i = slot_for_newcomer(table, now_us);
		if (i < 0) {
			table->refused++;
			return -ENOBUFS;
		}
		table->slot[i] = (struct candidate){.addr = *addr, .first_us = now_us};
		*fresh = true;
	}
	table->slot[i].sources |= 1u << source;
	table->slot[i].named_us = now_us;
	return i;
}

void candidate_unname(struct candidate_table *table, enum candidate_source source)
{
	for (int i = 0; i < CANDIDATES_MAX; i++)
		table->slot[i].sources &= ~(1u << source);
}

void candidate_on_answer(struct candidate_table *table, int slot, uint64_t now_us)
{
	table->slot[slot].answered_us = now_us;
}

bool candidate_is_stale(const struct candidate *c, uint64_t now_us)
{
	if (!is_passing(c))
		return false;
	if (c->answered_us != 0)
		return !is_proved(c, now_us);
	return now_us - c->named_us > (c->sources ? keep_heard_us : keep_unnamed_us);
}

void candidate_remove(struct candidate_table *table, int slot)
{
	table->slot[slot] = (struct candidate){0};
}
