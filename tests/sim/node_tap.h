/*
 * node_tap: where the simulator listens inside warrend: two calls between modules that the linker
 * leads past here (-Wl,--wrap), so that the program itself knows nothing of being watched.
 */
#ifndef WARREN_SIM_NODE_TAP_H
#define WARREN_SIM_NODE_TAP_H

struct engine_peer;
struct event;
struct node_machine;
struct recorder;
struct way;

/* For node_machine: what passed here at its host. */
void node_machine_on_event(struct node_machine *m, const struct event *event);
void node_machine_on_choice(struct node_machine *m, struct engine_peer *peer);

/* The linker's names: calls of engine_peer_set_choice and recorder_add_event from other files. */
void __wrap_engine_peer_set_choice(struct engine_peer *peer, const struct way *first,
				   const struct way *copy);
void __real_engine_peer_set_choice(struct engine_peer *peer, const struct way *first,
				   const struct way *copy);
void __wrap_recorder_add_event(struct recorder *r, const struct event *event);
void __real_recorder_add_event(struct recorder *r, const struct event *event);

#endif
