#include "tests/sim/liar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/coordinator.h"
#include "coordinator/netmap.h"
#include "coordinator/publish.h"
#include "coordinator/sight.h"
#include "tests/sim/coordinator_machine.h"
#include "tests/sim/node_machine.h"
#include "tests/sim/random.h"
#include "tests/sim/world.h"

/* No member's number ever gets so far. */
enum { DOUBLE_ID = 0x7fff0000, LIAR_STREAM = 0x11a4 };

const char liar_double_name[] = "double";

struct telling {
	struct lie *lie;
	const struct node_machine *about_machine;
	int err;
};

/* ---- what is said ---- */

/* As publish.c does. */
static void fill_truth(const struct node *n, const struct sight *sight, struct control_peer *out)
{
	*out = (struct control_peer){.id = n->id,
				     .role = n->role,
				     .v4 = n->v4,
				     .v6 = n->v6,
				     .machine_key = n->machine_key,
				     .node_key = n->node_key,
				     .disco_key = n->disco_key,
				     .endpoints = n->endpoints,
				     .home_region = n->home_region,
				     .caps = n->caps,
				     .online = n->online,
				     .access_in = sight->in,
				     .access_out = sight->out};
	memcpy(out->name, n->name, sizeof(out->name));
	memcpy(out->owner, n->owner, sizeof(out->owner));
}

static void draw_key(struct random *dice, struct public_key *out)
{
	uint8_t random[KEY_LEN];
	struct secret_key secret;

	random_bytes(dice, random, sizeof(random));
	secret_key_from_random(&secret, random);
	secret_key_public(&secret, out);
}

/* Keys of the liar's own, signed as they should be, by a machine key of its own. */
static void give_own_keys(struct control_peer *p, struct random *dice)
{
	uint8_t random[KEY_LEN];
	struct machine_secret machine;

	random_bytes(dice, random, sizeof(random));
	machine_secret_from_random(&machine, &p->machine_key, random);
	draw_key(dice, &p->node_key.key);
	draw_key(dice, &p->disco_key.key);
	control_key_sign(CONTROL_NODE_KEY, &machine, p->name, p->owner, &p->node_key);
	control_key_sign(CONTROL_DISCO_KEY, &machine, p->name, p->owner, &p->disco_key);
}

/* A key that the machine signed before the one it has now. */
static void give_old_key(struct control_peer *p, const struct node_machine *m, struct random *dice)
{
	draw_key(dice, &p->disco_key.key);
	p->disco_key.serial--;
	(void)node_machine_sign(m, CONTROL_DISCO_KEY, &p->disco_key);
}

static void bend(struct control_peer *p, const struct telling *t)
{
	struct random dice;

	random_init(&dice, world_seed(world_running()), LIAR_STREAM + t->lie->about);
	switch (t->lie->kind) {
	case DAY_LIE_ADDRESS:
		p->id = DOUBLE_ID;
		snprintf(p->name, sizeof(p->name), "%s", liar_double_name);
		give_own_keys(p, &dice);
		break;
	case DAY_LIE_KEY:
		give_own_keys(p, &dice);
		break;
	case DAY_LIE_SERIAL:
		give_old_key(p, t->about_machine, &dice);
		break;
	case DAY_LIES:
		break;
	}
}

static void tell(void *arg, struct coordinator *c)
{
	struct telling *t = arg;
	const struct node *to = registry_find_id(c->registry, t->lie->to);
	const struct node *about = registry_find_id(c->registry, t->lie->about);
	struct control_peer peer;
	struct sight sight;

	if (!to || !about || !sight_of(c->policy, to, about, &sight))
		t->err = -ENOENT;
	else if (!to->session)
		t->err = -ENOTCONN;
	if (t->err)
		return;
	coordinator_reserve_numbers(c);
	t->lie->number = netmap_next(c->netmap);
	t->lie->session_since_us = to->session->opened_us;
	fill_truth(about, &sight, &peer);
	bend(&peer, t);
	struct control_message m = {
		.type = CONTROL_MAP,
		.map = {.number = t->lie->number, .peers = &peer, .n_peers = 1}};
	publish_message(c, to->session, &m);
}

int liar_tell(struct coordinator_machine *m, struct lie *lie,
	      const struct node_machine *about_machine)
{
	struct telling t = {.lie = lie, .about_machine = about_machine};
	int err = coordinator_machine_meddle(m, tell, &t);

	return err ? err : t.err;
}

/* ---- what became of it ---- */

struct question {
	const struct lie *lie;
	bool was_heard;
};

static void look(void *arg, struct coordinator *c)
{
	struct question *q = arg;
	const struct node *to = registry_find_id(c->registry, q->lie->to);

	q->was_heard = to && to->session && to->session->opened_us == q->lie->session_since_us &&
		       to->session->acked >= q->lie->number;
}

bool liar_was_heard(struct coordinator_machine *m, const struct lie *lie)
{
	struct question q = {.lie = lie};

	return coordinator_machine_meddle(m, look, &q) == 0 && q.was_heard;
}

static void recant(void *arg, struct coordinator *c)
{
	const struct lie *lie = arg;
	struct node *about = registry_find_id(c->registry, lie->about);

	if (!about)
		return;
	if (lie->kind == DAY_LIE_ADDRESS) {
		struct node false_one = *about; /* as far as who may see it goes */

		false_one.id = DOUBLE_ID;
		publish_removal(c, &false_one);
	} else {
		publish_node(c, about);
	}
}

void liar_recant(struct coordinator_machine *m, const struct lie *lie)
{
	struct lie copy = *lie;

	(void)!coordinator_machine_meddle(m, recant, &copy);
}
