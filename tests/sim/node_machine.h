/*
 * node_machine: a host that runs warrend: the whole of agent/node, started, ended, put to sleep and
 * asked, with a day's hands on its TUN, its disk and its switch.
 *
 *	OFF --start--> RUNNING --term, crash--> OFF        the disk stays as a process leaves it
 *	OFF, RUNNING --power_cut--> OFF                    the disk keeps what was synced, or more
 *	RUNNING --sleep--> ASLEEP --wake--> RUNNING        the host's clock counts on, nothing runs
 *
 * Decides nothing: a day calls it, invariants listen to its taps. Every function may be called from
 * any event of the world, but none from inside a tap.
 */
#ifndef WARREN_SIM_NODE_MACHINE_H
#define WARREN_SIM_NODE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/measure/event.h"
#include "agent/path/path_peer.h"
#include "agent/tunnel/engine.h"
#include "common/endpoint.h"
#include "common/key.h"
#include "common/proto/control.h"
#include "common/way.h"
#include "common/wire.h"

struct host;
struct json;
struct node_machine;
struct world;

enum { NODE_MACHINE_NAME_LEN = 128, NODE_MACHINE_ERROR_LEN = 1400 };

/* Called while the machine's host is world_here(). Any may be NULL. Buffers and structs are valid
 * during the call. */
struct node_taps {
	/* An inner IP packet went into the machine's TUN for the application. */
	void (*on_inner)(void *arg, struct node_machine *m, const uint8_t *packet, size_t len);
	/* What the lane sends a peer's packets by is another than before. peer: NAME.OWNER. */
	void (*on_choice)(void *arg, struct node_machine *m, const char *peer,
			  const struct path_choice *choice);
	/* A line of its history, as the recorder wrote it. */
	void (*on_event)(void *arg, struct node_machine *m, const struct event *event);
	/* A planned power cut has come. */
	void (*on_power_cut)(void *arg, struct node_machine *m);
	/* One line of the answer to node_machine_ask; the last one has "done". */
	void (*on_answer)(void *arg, struct node_machine *m, uint64_t ask_id,
			  const struct json *line);
};

struct node_machine_config {
	struct host *host;   /* borrowed for the machine's life */
	const char *name;    /* what it asks to be called: "laptop" */
	const char *role;    /* "client" or "agent" */
	const char *ca_file; /* a name that kernel_tls knows, or NULL: the pin alone */
	uint16_t port;	     /* 0: any, kept over restarts */
	bool relay_only;
	const struct node_taps *taps; /* borrowed; NULL: none */
	void *arg;
};

struct node_machine *node_machine_new(struct world *world,
				      const struct node_machine_config *config);
/* Whatever state it is in; its memory and its disk go. NULL is fine. */
void node_machine_free(struct node_machine *m);

/* ---- its life ---- */

/* Starts warrend from what its disk holds, with nobody's invitation the first time: see join.
 * -EALREADY: it runs; else node_new's error, with its line in error. */
MUST_CHECK int node_machine_start(struct node_machine *m,
				  char error[static NODE_MACHINE_ERROR_LEN]);
/* SIGTERM: tells its peers, saves, ends within the call. */
void node_machine_term(struct node_machine *m);
/* kill -9: nothing is told, nothing more is written; what was written stays. */
void node_machine_crash(struct node_machine *m);
/* The host loses power: what no sync covered is there, old, torn or gone, by the world's dice. */
void node_machine_power_cut(struct node_machine *m);
/* The same in the instant of its disk's n-th change from now on (n > 0): between any two steps of
 * whatever it writes; at latest_us where it writes less. A cut or a crash before ends the plan; a
 * host that is off has none. */
void node_machine_plan_power_cut(struct node_machine *m, unsigned n, uint64_t latest_us);
/* Is that instant now? Whoever starts or ends it meets a disk that takes nothing more. */
bool node_machine_loses_power(const struct node_machine *m);
/* The lid closes and opens: no event of the host fires in between, packets to it are lost, and
 * what fell due fires at once on waking. */
void node_machine_sleep(struct node_machine *m);
void node_machine_wake(struct node_machine *m);
/* Every write fails with -ENOSPC while full. */
void node_machine_set_disk_full(struct node_machine *m, bool is_full);

bool node_machine_runs(const struct node_machine *m); /* asleep or not */
bool node_machine_is_asleep(const struct node_machine *m);

/* ---- as `warren` would ---- */

/* `warren up INVITATION`. Returns the id under which on_answer tells the lines. */
uint64_t node_machine_join(struct node_machine *m, const char *invitation);
/* Any request of the local socket, as one line of JSON text: {"cmd":"history"}. Answers may come
 * within the call. 0: it does not run, or the text is no JSON. */
uint64_t node_machine_ask(struct node_machine *m, const char *request);
/* The exit status of an ask that is done, -1 while it goes on or the machine forgot it. */
int node_machine_exit_of(const struct node_machine *m, uint64_t ask_id);

/* ---- its TUN ---- */

/* An application sends: a whole IPv4 or IPv6 packet. -ENETDOWN: there is no TUN (never joined);
 * -ENETUNREACH: it has no route there; -ENOBUFS: the queue is full, or nobody reads it. */
int node_machine_send_inner(struct node_machine *m, const uint8_t *packet, size_t len);
/* Its mesh addresses; all zero before it joined. They outlive the process, as the TUN does. */
struct ip_addr node_machine_v4(const struct node_machine *m);
struct ip_addr node_machine_v6(const struct node_machine *m);

/* ---- what is seen from outside ---- */

const char *node_machine_name(const struct node_machine *m); /* as configured */
struct host *node_machine_host(const struct node_machine *m);
/* "online", "connecting" or "offline", as `warren status` says; "off" while it does not run. */
const char *node_machine_state(const struct node_machine *m);
bool node_machine_node_key(const struct node_machine *m, struct public_key *out);
/* What its machine key would sign, with its name and owner. False: it does not run. */
bool node_machine_sign(const struct node_machine *m, enum control_key_kind kind,
		       struct control_key *key);
/* The number under which the coordinator keeps it, another each time it joins anew; 0 before it
 * joined, and while it does not run. */
uint32_t node_machine_member_id(const struct node_machine *m);

struct node_machine_peer {
	char name[NODE_MACHINE_NAME_LEN]; /* NAME.OWNER */
	uint32_t id;
	struct public_key key;
	struct ip_addr v4;
	struct way first, copy; /* what the lane sends by now */
	bool is_active;
	struct engine_peer_stats stats;
};
/* Peers in use (the trusted ones of the map). Returns how many, at most max. */
size_t node_machine_peers(const struct node_machine *m, struct node_machine_peer *out, size_t max);

/* Past events in the recorder's order, also while it does not run (its disk is read). */
typedef bool node_machine_event_fn(void *arg, const struct event *event);
void node_machine_events(struct node_machine *m, uint64_t since_unix_us, node_machine_event_fn *fn,
			 void *arg);

struct node_machine_counters {
	uint64_t drops[DROP_REASONS]; /* of this process */
	uint64_t datagrams_sent, bytes_sent;
	uint64_t disk_writes, disk_bytes; /* since the machine was made */
	size_t timers;			  /* armed now */
};
void node_machine_counters(const struct node_machine *m, struct node_machine_counters *out);

#endif
