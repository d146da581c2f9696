#include "tests/sim/node_tap.h"

#include <stddef.h>

#include "agent/tunnel/engine_inside.h"
#include "tests/sim/host_part.h"
#include "tests/sim/world.h"

static struct node_machine *machine_here(void)
{
	struct host *here = world_here();

	return here && !world_is_ghost() ? host_part(here, HOST_WARREND) : NULL;
}

void __wrap_engine_peer_set_choice(struct engine_peer *peer, const struct way *first,
				   const struct way *copy)
{
	const struct choice *before = choice_read(&peer->lane.choice);
	struct node_machine *m = machine_here();

	/* An equal one is not published: the pointer tells. */
	__real_engine_peer_set_choice(peer, first, copy);
	if (m && choice_read(&peer->lane.choice) != before)
		node_machine_on_choice(m, peer);
}

void __wrap_recorder_add_event(struct recorder *r, const struct event *event)
{
	struct node_machine *m = machine_here();

	__real_recorder_add_event(r, event);
	if (m)
		node_machine_on_event(m, event);
}
