/*
 * town: a day's machines and networks, built into the running world, and the hands that change
 * them. Decides nothing of when: play.h does, by the day's schedule.
 */
#ifndef WARREN_SIM_TOWN_H
#define WARREN_SIM_TOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto/invitation.h"
#include "tests/sim/day.h"
#include "tests/sim/node_machine.h"

struct coordinator_machine;
struct gateway;
struct host;
struct nic;
struct relay_machine;
struct world;

struct town_place {		  /* one of a node's two networks */
	struct gateway *gateway;  /* NULL: public */
	struct gateway *provider; /* NULL: not stacked */
	struct ip_addr address;	  /* of the node in it */
	bool blocks_udp;	  /* always, as its network was drawn */
};

struct town_node {
	struct host *host;
	struct nic *nic;
	struct node_machine *machine;
	struct town_place home, away;
	bool is_away, was_started;
	char invitation[INVITATION_TEXT_LEN]; /* the last it was given */
	uint32_t member_before;		      /* what its number was then */
	bool is_removed;		      /* since then */
	unsigned worse_ms, lossy_permille;
};

struct town {
	const struct day *day; /* borrowed */
	struct world *world;
	struct town_node nodes[DAY_NODES];
	struct host *relay_hosts[DAY_RELAYS], *coordinator_host;
	struct relay_machine *relays[DAY_RELAYS];
	struct coordinator_machine *coordinator;
};

enum { TOWN_ERROR_LEN = NODE_MACHINE_ERROR_LEN };

/* Servers run and know each other; nodes are off. -errno with a line in error. taps and arg: the
 * nodes'. */
MUST_CHECK int town_build(struct town *t, const struct day *day, struct world *world,
			  const struct node_taps *taps, void *arg,
			  char error[static TOWN_ERROR_LEN]);
void town_raze(struct town *t);

/* Starts the daemon if it is off, and joins by a new invitation. */
MUST_CHECK int town_join(struct town *t, unsigned node, char error[static TOWN_ERROR_LEN]);
MUST_CHECK int town_revoke(struct town *t, unsigned node, char error[static TOWN_ERROR_LEN]);
/* The invitation that let the node in, as its own number shows; NULL: it does not run, or is still
 * on its way in. */
const char *town_spent_invitation(const struct town *t, unsigned node);
/* Which node a machine is. */
unsigned town_index(const struct town *t, const struct node_machine *m);

void town_move(struct town *t, unsigned node); /* home or away: where it is not */
void town_block(struct town *t, unsigned node, bool blocks_udp);
void town_rebind(struct town *t, unsigned node);
void town_dark(struct town *t, unsigned node, bool is_dark);
/* What its link does to packets beyond what its network does. */
void town_spoil(struct town *t, unsigned node, unsigned worse_ms, unsigned lossy_permille);
/* Between the public sides of two nodes, wherever they are now. */
void town_cut(struct town *t, unsigned a, unsigned b, bool there, bool back, bool is_cut);

#endif
