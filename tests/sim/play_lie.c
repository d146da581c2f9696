/* The coordinator is in bad hands for a while: it lies to one node about another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/sim/liar.h"
#include "tests/sim/play_inside.h"

/* Trouble from before is over for so long that the link to the coordinator stands. */
static const uint64_t settled_us = 12 * US_PER_S;
/* A map is on the disk that long after it came: node_map.c waits for 200 ms. */
static const uint64_t saved_us = US_PER_S;

static bool is_online(const struct play *p, unsigned node)
{
	const struct node_machine *m = p->town.nodes[node].machine;

	return !node_machine_is_asleep(m) && strcmp(node_machine_state(m), "online") == 0;
}

/* NAME.OWNER that is heard to be another. */
static void name_of(const struct play *p, const struct day_event *e,
		    char out[static WATCH_LIE_NAME_LEN])
{
	const struct day_node *n = &p->day->nodes[e->who];

	snprintf(out, WATCH_LIE_NAME_LEN, "%s.%s",
		 e->amount == DAY_LIE_ADDRESS ? liar_double_name : n->name, n->owner);
}

static struct lie lie_of(const struct play *p, const struct day_event *e)
{
	return (struct lie){.kind = (enum day_lie)e->amount,
			    .to = node_machine_member_id(p->town.nodes[e->whom].machine),
			    .about = node_machine_member_id(p->town.nodes[e->who].machine)};
}

/* Who knows nobody of that name takes whoever comes under it. */
static bool knows(const struct play *p, const struct day_event *e)
{
	struct node_machine_peer peers[DAY_NODES];
	size_t n = node_machine_peers(p->town.nodes[e->whom].machine, peers, DAY_NODES);
	uint32_t id = node_machine_member_id(p->town.nodes[e->who].machine);

	for (size_t i = 0; i < n; i++)
		if (peers[i].id == id)
			return true;
	return false;
}

void play_lie(struct play *p, const struct day_event *e)
{
	struct lie lie = lie_of(p, e);
	char name[WATCH_LIE_NAME_LEN];

	name_of(p, e, name);
	if (lie.to == 0 || lie.about == 0 || !knows(p, e) || p->lies[e->whom].event ||
	    !watch_lie_on_begin(&p->lied[e->whom], name, play_now_us(p)))
		return;
	const struct node_machine *about = p->town.nodes[e->who].machine;
	int err = liar_tell(p->town.coordinator, &lie, about);

	if (!err) /* a liar repeats himself; that is told once */
		err = liar_tell(p->town.coordinator, &lie, about);
	if (!err)
		p->lies[e->whom] = (struct play_lie){.event = e, .lie = lie};
	else
		watch_lie_on_end(&p->lied[e->whom], false, 0, play_now_us(p), &p->result->verdict);
}

/* Has nothing come between the coordinator and the one who is lied to? */
static bool is_calm(const struct play *p, const struct day_event *e, uint64_t now_us)
{
	uint64_t since_us = e->at_us > settled_us ? e->at_us - settled_us : 0;

	for (size_t i = 0; i < p->day->n_events; i++) {
		const struct day_event *other = &p->day->events[i];

		if (day_word_is_coordinator(other->word) && other->at_us <= now_us &&
		    other->at_us + other->for_us >= since_us)
			return false;
	}
	return expect_is_calm(play_expect(p, e->who, e->whom), since_us, now_us);
}

/* Does its process end, or fill its disk, before the truth is on it? Then it starts with the lie.
 */
static bool forgets(const struct play *p, unsigned node, uint64_t until_us)
{
	for (size_t i = 0; i < p->day->n_events; i++) {
		const struct day_event *e = &p->day->events[i];
		bool ends = e->word == DAY_CRASH || e->word == DAY_POWER || e->word == DAY_TORN ||
			    e->word == DAY_RESTART || e->word == DAY_FULL;

		if (ends && e->who == node && e->at_us + e->for_us >= play_now_us(p) &&
		    e->at_us <= until_us)
			return true;
	}
	return false;
}

void play_lied(struct play *p, const struct day_event *e)
{
	struct play_lie *told = &p->lies[e->whom];
	uint64_t now_us = play_now_us(p), heals_us = US_NEVER;

	if (told->event != e)
		return;
	const struct expect *expect = play_expect(p, e->who, e->whom);
	bool is_sure = is_online(p, e->whom) && is_calm(p, e, now_us);
	bool was_heard = liar_was_heard(p->town.coordinator, &told->lie);

	told->event = NULL;
	if (is_sure)
		play_watch_agreement(p, e->whom, e->who);
	liar_recant(p->town.coordinator, &told->lie);
	if (is_sure)
		heals_us = 300 * US_PER_MS + expect->server_us + expect->loss_us;
	if (is_sure && forgets(p, e->whom, now_us + heals_us + saved_us))
		heals_us = US_NEVER;
	watch_lie_on_end(&p->lied[e->whom], was_heard, heals_us, now_us, &p->result->verdict);
}
