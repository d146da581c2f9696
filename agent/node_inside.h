/*
 * node_inside: struct node, for the files that node is made of and nobody else.
 *
 *	node.c           life and time
 *	node_parts.c     on and off
 *	node_events.c    what the engine and the peers tell
 *	node_link.c      what the coordinator says: welcome, relays, refusals
 *	node_map.c       the network map as it was heard
 *	node_peers.c     the peers in it: whom to use, and what they may
 *	node_keys.c      our own disco key, and a new one each week
 *	node_reach.c     where we can be reached: addresses, STUN, home relay
 *	node_relays.c    the relay map, sessions with relays, STUN servers
 *	node_commands.c  what `warren` asks for (node_work.h has the rest of its files)
 *	node_status.c    what `warren status` shows, and /metrics
 */
#ifndef WARREN_NODE_INSIDE_H
#define WARREN_NODE_INSIDE_H

#include "agent/disco_keys.h"
#include "agent/key_map.h"
#include "agent/local/local_server.h"
#include "agent/measure/recorder.h"
#include "agent/node.h"
#include "agent/path/candidate.h"
#include "agent/peer.h"
#include "agent/saver.h"
#include "agent/session/coordinator_link.h"
#include "agent/session/home.h"
#include "agent/session/relay_thread.h"
#include "agent/settings.h"
#include "agent/state.h"
#include "agent/system/network.h"
#include "agent/trust.h"
#include "agent/tunnel/engine.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/resolve.h"
#include "common/net/ring.h"
#include "common/proto/derp_map.h"
#include "stun/stun_survey.h"

struct event;
struct filter;
struct peer;

enum {
	NODE_REGIONS_MAX = 64,
	NODE_HELD_MAX = 8,
	NODE_WORK_MAX = 16, /* commands that run at the same time */
};

/* A peer and what the node alone keeps of it. */
struct node_peer {
	struct public_key disco_before; /* its disco key before the one it has; all zero: none */
	struct peer *peer; /* NULL: known from the map, but not used (trust says why) */
	uint32_t id;
	enum trust_verdict told; /* what was last said of its introduction */
	bool is_kept;		 /* goes on as it was known: the last word of it was refused */
};

/* What the relay thread last said of a region. */
struct node_relay {
	struct relay_status status;
	uint64_t since_us;
	unsigned told; /* reasons for not being up, in history since it last was */
};

/* A command that is not answered at once. */
struct node_work;

struct node {
	const struct settings *settings;
	struct state state;
	struct state_identity id;
	struct state_reserve reserve;
	uint64_t serial; /* last one used of those that only rise */
	struct trust_book trust;
	char token[CONTROL_TOKEN_LEN]; /* until it is spent */
	bool is_token_said;	       /* in the last hello */

	struct event_base *base;
	struct loop_signals *signals;
	struct loop_timer *timer;
	uint64_t armed_us;
	struct local_server *local;
	struct http_metrics *metrics;
	struct recorder *recorder;
	struct saver *saver;
	uint64_t asleep_us; /* how long this machine has slept, ever */

	/* ON only from here. */
	bool on;
	struct tun tun;
	struct ring *to_relay, *from_relay;
	struct filter *filter;
	uint64_t rules_generation;
	uint64_t flows_saved_changes, flows_due_us;
	struct engine *engine;
	struct uapi_socket *uapi;
	struct relay_thread *relay_thread;
	struct coordinator_link *link;
	bool link_up;
	uint64_t link_since_unix_us;
	char link_error[CONTROL_TEXT_LEN + 64]; /* empty: none */
	bool refused;
	bool is_removed; /* from the mesh, as the coordinator says: relays would refuse us too */

	/* The map. */
	struct state_map map; /* as the coordinator gave it, full */
	bool has_map;
	struct node_peer *peers;
	size_t n_peers, cap_peers;
	struct key_map by_disco, by_node; /* struct peer */
	struct peer_env env;
	uint64_t map_save_us, warm_save_us;
	uint64_t identity_save_us, reserve_save_us; /* after a failure; also while it is off */

	/* Our disco keys. */
	struct disco_keys disco_keys;
	uint64_t keys_due_us;		  /* when their age is looked at */
	struct state_identity *next_keys; /* on its way to disk, not told yet; or NULL */

	/* Reach. */
	struct network network;
	struct network_watch *watch;
	struct event *watch_event;
	struct resolver *resolver;
	struct stun_survey_server servers[STUN_SURVEY_MAX]; /* beside the map's relays */
	size_t n_servers;
	struct node_lookup *lookups; /* of servers known by name */
	struct stun_survey *survey;
	bool survey_told;    /* the survey under way is done and was drawn conclusions from */
	bool keeps_mappings; /* one was, since the network changed */
	struct derp_map *relay_map;
	struct node_relay relays[NODE_REGIONS_MAX];
	size_t n_relays;
	/* Those that wait were dialled before their time, and are to be once more; 0: not. */
	uint64_t hurried_us, hurry_due_us;
	struct home home;
	struct control_where where; /* as last told */
	struct candidate_rules rules;
	uint64_t survey_due_us, surveyed_us; /* the next one, and the last */
	uint64_t unanswered_us;		     /* since then no server answered; 0: one did */

	struct node_work *work[NODE_WORK_MAX];
	/* What became of the datagrams that reached main, and of those that relays brought. */
	uint64_t disco_taken, disco_strangers, disco_refused; /* strangers: nobody we know */
	uint64_t stun_taken, stun_strangers;		      /* strangers: nobody was asked */
	uint64_t from_relays; /* not WireGuard's: they come past the lane */
};

static const uint64_t node_flows_every_us = 1 * US_PER_S; /* the flow table's way to disk */

/* ---- node.c ---- */

/* Tells of a failed load or save in node->state.error; 0 and -ENOENT are fine. */
void node_warn_state(struct node *node, int err);

/* Arms the timer for whatever is due next. To be called when something changed. */
void node_arm(struct node *node);
struct peer *node_find_peer(struct node *node, uint32_t id);
/* Saves the identity, with a warning where the disk would not. */
void node_save_identity(struct node *node);
/* Identity and reservation, where the disk has refused them and not taken them since. */
void node_save_refused(struct node *node);
void node_record(struct node *node, const struct event *event);
uint64_t node_next_serial(void *arg);

/* ---- node_parts.c ---- */

/* Comes up with the identity as it stands. -errno with one line in error. */
MUST_CHECK int node_turn_on(struct node *node, char error[static NODE_ERROR_LEN]);
/* Leaves the mesh, takes the TUN down; keeps the identity. */
void node_turn_off(struct node *node);
/* Everything but the interface goes, in reverse. */
void node_stop_parts(struct node *node);
/* The process ends, the interface stays: what is for the mesh is dropped meanwhile, never sent in
 * the clear. */
void node_leave_for_restart(struct node *node);

/* ---- node_events.c ---- */

extern const struct engine_ops node_engine_ops;
/* What every peer borrows; to be called once the engine stands. */
void node_init_env(struct node *node);
/* from: the way it came; by a relay, vouched is the key that the relay vouches for, else NULL. */
void node_on_disco(struct node *node, const uint8_t *buf, size_t len, const struct way *from,
		   const struct public_key *vouched);

/* ---- node_link.c ---- */

extern const struct coordinator_link_ops node_coordinator_ops;
/* The relay map as it was saved. */
void node_load_relays(struct node *node, uint64_t now_us);
/* Sets addresses and routes of the TUN. -errno with one line in error. */
MUST_CHECK int node_configure_tun(struct node *node, char error[static NODE_ERROR_LEN]);
/* Until the next process configures it: applications' packets wait in their TCP. */
void node_hold_tun(struct node *node);
/* Tells the coordinator our keys, signed. */
void node_send_keys(struct node *node);

/* ---- node_map.c ---- */

/* Map, relays and peers as they were when last up. */
void node_load_map(struct node *node, uint64_t now_us);
void node_on_map(struct node *node, const struct control_map *news);
/* All of them; the map they came from stays. */
void node_drop_peers(struct node *node);
/* Judges every peer of the map anew, as after `warren trust`. */
void node_apply_map(struct node *node, uint64_t now_us);
void node_save_map(struct node *node);
/* What was put off is written now: the node goes off. */
void node_save_due_map(struct node *node);
/* Where the coordinator is connected, it stands by the map until now, however long nothing changed.
 */
void node_map_heard(struct node *node);
void node_save_warm(struct node *node);
/* Soon, and each 30 s from then on while anybody is to be remembered. */
void node_plan_warm_save(struct node *node);
/* Handshakes at once with those that may believe in keys of the last process. */
void node_warm_start(struct node *node, uint64_t now_us);

/* ---- node_peers.c ---- */

/* The peer as the trust book sees it. */
struct introduction node_introduction(const struct control_peer *p);
/* Uses the peer as the map has it. Where that may not be trusted, it goes on as it was known, or is
 * not used at all. */
void node_use_peer(struct node *node, const struct control_peer *p, uint64_t now_us);
/* An absent one is fine. */
void node_drop_entry(struct node *node, uint32_t id);
/* Makes the filter what the peers' rules say; to be called behind changes to them. */
void node_publish_rules(struct node *node);

/* ---- node_keys.c ---- */

/* A new disco key where the old one is a week old: on disk first, then told. */
void node_keys_on_deadline(struct node *node, uint64_t now_us);
void node_keys_drop(struct node *node);

/* ---- node_reach.c ---- */

MUST_CHECK int node_reach_start(struct node *node, char error[static NODE_ERROR_LEN]);
void node_reach_stop(struct node *node);
void node_reach_on_stun(struct node *node, const uint8_t *buf, size_t len,
			const struct endpoint *from, uint64_t now_us);
void node_reach_on_deadline(struct node *node, uint64_t now_us);
/* After the peers' deadlines: who begins to talk needs to know where he can be reached now. */
void node_reach_on_activity(struct node *node, uint64_t now_us);
/* A relay's session stands again. What ended it may have cost our mapping too. */
void node_reach_on_relay_up(struct node *node, uint64_t now_us);
uint64_t node_reach_deadline_us(const struct node *node);
/* The machine woke, or the addresses changed: everything proves itself anew. */
void node_reach_changed(struct node *node, const char *code, uint64_t now_us);
/* A fresh survey, and what is known so far. */
void node_reach_survey(struct node *node, uint64_t now_us);
void node_reach_report(const struct node *node, struct stun_survey_report *out);
/* A way that was good gives no answer: servers are asked, and other relays sought. */
void node_reach_ask(void *arg);
size_t node_reach_own_endpoints(void *arg, struct endpoint *out, size_t max);

/* Chooses the home relay by what is known of their latencies. */
void node_reach_decide_home(struct node *node, uint64_t now_us);
/* The relay map named others. */
void node_reach_on_servers(struct node *node, uint64_t now_us);

/* ---- node_relays.c ---- */

extern const struct relay_thread_ops node_relay_ops;
/* Takes the map over. */
void node_relays_set_map(struct node *node, struct derp_map *map, uint64_t now_us);
/* NULL where nothing was heard of it. */
struct node_relay *node_relays_find(struct node *node, uint32_t region);
/* Says which regions are to be held open now. */
void node_relays_hold(struct node *node);
/* Tells one peer which relays there are. */
void node_relays_tell_peer(struct node *node, struct peer *peer, uint64_t now_us);
void node_relays_send(void *arg, uint32_t region, const struct public_key *to, const uint8_t *buf,
		      size_t len);
/* A peer's way gives no answer, or the network changed: relays that wait are dialled soon, once a
 * second at most. */
void node_relays_hurry(struct node *node, uint64_t now_us);
void node_relays_on_deadline(struct node *node, uint64_t now_us);
uint64_t node_relays_deadline_us(const struct node *node);
/* Asks again for the addresses of STUN servers that were not found; and forgets those asked for. */
void node_relays_retry_lookups(struct node *node);
void node_relays_drop_lookups(struct node *node);

/* ---- node_commands.c ---- */

extern const struct local_server_ops node_local_ops;
void node_commands_on_pong(struct node *node, struct peer *peer,
			   const uint8_t txid[static DISCO_TXID_LEN], uint64_t now_us);
void node_commands_on_deadline(struct node *node, uint64_t now_us);
uint64_t node_commands_deadline_us(const struct node *node);
/* The coordinator refused us: whoever waits for `up` hears it. */
void node_commands_on_refused(struct node *node, const char *text);
/* The coordinator cannot be reached: who waits for a first `up` hears it at once. */
void node_commands_on_link_failed(struct node *node);
/* The peer is about to be freed. */
void node_commands_on_peer_gone(struct node *node, struct peer *peer);
/* The node goes down: what needs it up ends. */
void node_commands_on_off(struct node *node);
/* At the end, forgets what still runs. */
void node_commands_drop(struct node *node);
/* Something that `up` or `status --watch` waits for may have changed. */
void node_commands_on_change(struct node *node);

/* ---- node_status.c ---- */

/* "online", "connecting" or "offline". */
const char *node_state(const struct node *node);
struct json *node_status_json(struct node *node);
void node_fill_metrics(void *arg, struct metric_page *page);

#endif
