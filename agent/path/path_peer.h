/*
 * path_peer: decides which way one peer's packets go, and says why.
 *
 * Joins candidates, probes, scores and liveness of every way to one peer: up to 32 endpoints and 4
 * relays. A pure core: events come in by name with the time, what is to be done comes out as
 * actions in the order in which they are to be carried out, and path_peer_deadline_us says when to
 * call again. It seals nothing and sends nothing: the caller turns pings, pongs and the like into
 * disco messages, adds the serial, and opens them again.
 *
 *	path:  PROBING --answered--> UP --question unanswered--> SUSPECT --silent--> DOWN
 *	                             ^----------answered------------+-----------------+
 *	choice: none -> relay -> direct -> direct + relay (suspect) -> relay (down) -> direct ...
 *
 * Only an answered probe of ours moves where we send to. DESIGN "How a peer is reached" 2 to 5.
 *
 * How to drive it (one per peer, on one thread): call the event's function; carry out the actions;
 * arm one timer for path_peer_deadline_us; when it fires, and when the lanes say that traffic
 * began, call path_peer_on_deadline with a fresh struct path_traffic.
 */
#ifndef WARREN_PATH_PEER_H
#define WARREN_PATH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/path/budget.h"
#include "agent/path/candidate.h"
#include "agent/path/liveness.h"
#include "agent/path/probe.h"
#include "agent/path/score.h"
#include "common/way.h"

enum { PATH_RELAYS_MAX = 4, PATH_SLOTS = CANDIDATES_MAX + PATH_RELAYS_MAX };
enum { PATH_ACTIONS_MAX = 128, PATH_WHY_LEN = 192, PATH_CODE_LEN = 24 };
enum { PATH_SEED_LEN = 32, PATH_MARKS = 32 };

/* What pings and pongs of ours carry behind the deployed fields. All numbers are of the way that
 * the message goes by, counts are of its kind (all direct ways together, all relays together). */
struct path_report {
	uint64_t serial; /* received ones only; in actions the caller fills it in */
	uint32_t number; /* of this ping on this way; 0 in a pong */
	uint32_t heard;	 /* highest number of the peer's pings heard on this way */
	uint32_t data_sent;
	uint32_t data_heard;
};

enum path_notice { PATH_LEAVING, PATH_RESTARTING, PATH_NOT_HEARING };

enum path_action_kind {
	PATH_SEND_PING,		 /* way, txid, report */
	PATH_SEND_PONG,		 /* way, txid, report, observed */
	PATH_SEND_CALL_ME_MAYBE, /* way (a relay): our endpoints as they are now */
	PATH_SEND_NOTICE,	 /* way, notice, about */
	PATH_SET_CHOICE,	 /* publish path_peer_choice() */
	PATH_RESEND,		 /* what was sealed last goes once more by the new choice */
	PATH_HOLD,		 /* hold_until_us: keep packets for the peer's next keypair */
	PATH_HANDSHAKE,		 /* the peer lost its keypairs: initiate now */
	PATH_ASK_ENDPOINTS,	 /* our own mapping is in doubt: ask STUN at once */
};

struct path_action {
	enum path_action_kind kind;
	struct way way;
	uint8_t txid[PROBE_TXID_LEN];
	struct path_report report;
	struct endpoint observed; /* of a ping that came directly: where it came from */
	enum path_notice notice;
	enum way_kind about; /* PATH_NOT_HEARING: which kind of way */
	uint64_t hold_until_us;
};

/* Starts empty; every function appends. Full means that later actions were left out and counted:
 * nothing is lost for good, since probes and calls repeat. */
struct path_actions {
	size_t n;
	size_t left_out;
	struct path_action list[PATH_ACTIONS_MAX]; /* [0..n) */
};

/* The list is large, and mostly stays empty: it is not zeroed. */
static inline void path_actions_init(struct path_actions *out)
{
	out->n = out->left_out = 0;
}

/* Where packets go and why, from one choice to the next. */
struct path_choice {
	struct way first;  /* WAY_NONE: no way at all */
	struct way copy;   /* WAY_NONE, or the second way that everything is sent by */
	struct way from;   /* what first was before */
	bool moved;	   /* first is another than before: an event for the history */
	uint64_t since_us; /* when first became what it is */
	char why_code[PATH_CODE_LEN];
	char why[PATH_WHY_LEN];
};

/* Authenticated WireGuard packets by kind of way, read from the lanes. Keep-alives are not data.
 * Index with enum way_kind; [WAY_NONE] is data that waits for a way or a handshake:
 * last_data_sent_us is when some last had to, data_sent what was given up. Times 0: never. */
struct path_traffic {
	struct path_traffic_kind {
		uint32_t data_sent, data_heard; /* may wrap */
		uint64_t last_data_sent_us, last_data_heard_us;
		uint64_t last_heard_us; /* keep-alives included */
	} kind[WAY_RELAY + 1];
};

/* A relay region that this node could send by. */
struct path_relay {
	uint32_t region;
	bool up;     /* our session to it stands */
	bool drains; /* it announced its end: leave it, without haste */
	bool is_peers_home;
	bool is_ours;	 /* our home */
	uint64_t rtt_us; /* between us and the relay; 0: not known */
};

/* Why there may be no direct path, as the node knows it (netcheck here, the map there). */
enum path_obstacle {
	PATH_NO_OBSTACLE,
	PATH_UDP_BLOCKED,
	PATH_HARD_NAT_HERE,
	PATH_HARD_NAT_THERE,
	PATH_HARD_NAT_BOTH,
	PATH_RELAY_ONLY /* configured: no direct way is tried */
};

enum path_drop {
	PATH_DROP_STALE_REPORT, /* its serial is not above the last one heard */
	PATH_DROP_STALE_NOTICE,
	PATH_DROP_PING_REPEATED,  /* this txid was answered within 10 s */
	PATH_DROP_PONG_UNKNOWN,	  /* no probe of ours waits for it */
	PATH_DROP_PONG_OTHER_WAY, /* a direct probe answered by a relay, or the reverse */
	PATH_DROP_CANDIDATE,	  /* named, but not allowed or no room */
	PATH_DROP_BUDGET,	  /* a probe not sent, since strangers' addresses cost too much */
	PATH_DROPS
};

/* One way with all that is known of it. */
struct path {
	struct way way; /* WAY_NONE: the slot is free */
	struct liveness live;
	struct score score;
	uint32_t number;     /* of our last ping */
	uint32_t heard_high; /* highest number of the peer's pings */
	uint32_t heard_count, heard_first;
	uint64_t heard_serial;
	uint64_t last_probe_us;
	unsigned tries;		 /* probes since the last burst began, none answered */
	uint8_t jitter;		 /* random, for the next interval */
	struct path_relay relay; /* WAY_RELAY only */
	/* Packets missing at the peer while all data goes by this way alone. Both ends' counts are
	 * some ms old when they are read, so that the least deficit of each second counts. */
	struct path_deficit {
		uint64_t since_us; /* beginning of the open second; 0: nothing to compare with */
		uint32_t base_sent, base_heard;
		uint32_t heard;	 /* as told last: less means a process that began anew */
		uint32_t sent;	 /* at the beginning of the second, since base */
		int32_t least;	 /* in the open second */
		int32_t counted; /* found missing before */
		bool is_first;	 /* the open second gives the level only */
	} deficit;
};

struct path_peer {
	const struct candidate_rules *rules;
	struct candidate_table candidates;
	struct path path[PATH_SLOTS]; /* [slot of candidate], then relays */
	uint64_t slots_used;	      /* bit i: path[i] means a way */
	struct probe_table probes;
	struct probe_seen seen;
	struct budget budget;
	struct path_choice choice;
	struct path_traffic traffic;
	struct traffic_marks {
		struct traffic_mark {
			uint64_t at_us;
			uint32_t data_sent;
		} mark[PATH_MARKS];
		unsigned next;
	} marks[WAY_RELAY + 1];
	uint64_t unanswered_us; /* first data sent by the way in use since it was heard; 0: none */
	uint64_t polled_us;	/* last look at the traffic */
	uint64_t last_call_us, asked_endpoints_us;
	uint64_t serial_high, serial_mark, serial_floor, serial_floor_us;
	uint64_t call_us;	  /* next call-me-maybe; US_NEVER: none planned */
	unsigned call_tries;	  /* sent since the last burst began */
	uint64_t wanted_until_us; /* a direct way is looked for until then, and the peer called */
	uint64_t called_until_us; /* the peer called: a direct way is looked for until then */
	bool owes_call;		  /* one answer to a peer that nothing here wants */
	uint64_t active_until_us; /* inner data passed less than 10 s ago */
	uint64_t moved_us;	  /* last move between ways */
	uint64_t better_since_us; /* another way has been better since; US_NEVER: none is */
	uint64_t changed_us;	  /* our own network did; 0: never */
	uint64_t opened_us;	  /* UDP gets out again since; 0: it always did */
	uint64_t left_us;	  /* a direct way was last left for its quality */
	unsigned left_again;	  /* how often before, each time soon after the time before */
	uint64_t alone_us;	  /* from then on counts tell: no copies, no resends; 0: now */
	uint64_t copy_until_us;	  /* a young path: both ways until then */
	uint64_t quiet_until_us;  /* the peer restarts: its silence is no fault of a path */
	uint64_t restart_serial;  /* of the notice; what has a higher one is of the new process */
	uint64_t silent_us[4];	  /* when paths last went down: flapping */
	uint64_t deadline_us;
	uint64_t drops[PATH_DROPS];
	enum path_obstacle obstacle;
	bool was_direct;       /* a direct way was in use before */
	bool noticed;	       /* the open question was told to the peer */
	bool has_endpoints;    /* ours are known: a call-me-maybe has something to say */
	bool has_left;	       /* the peer said so and was not heard since */
	uint64_t said_left_us; /* that was then */
	bool in_trouble;       /* the way in use is suspect, and what follows from it was done */
	bool says_suspect;     /* the choice's sentence tells of it */
	int in_use;	       /* slot of choice.first, -1: none */
	int copy_slot;	       /* while a path is young: the way it replaced */
	uint64_t recheck_us;   /* a move is allowed then */
	struct endpoint last_direct; /* where we last sent directly; port 0: never */
	uint64_t pending_us;
	char pending_code[PATH_CODE_LEN]; /* a cause that the next move is due to */
	uint8_t seed[PATH_SEED_LEN];
	uint64_t random_count;
};

const char *path_notice_str(enum path_notice notice);
const char *path_drop_str(enum path_drop drop);

/* rules are borrowed for the peer's life. seed: 32 random bytes, unlike any other peer's. */
void path_peer_init(struct path_peer *p, const struct candidate_rules *rules,
		    const uint8_t seed[static PATH_SEED_LEN], uint64_t now_us);

/* Replaces the list of relays that could carry packets to the peer. Call at every change of a
 * session of ours, of the peer's home, and of latencies (the latter at leisure). */
void path_peer_set_relays(struct path_peer *p, const struct path_relay *relays, size_t n,
			  uint64_t now_us, struct path_actions *out);
/* The relay says that the peer is not there. */
void path_peer_on_relay_gone(struct path_peer *p, uint32_t region, uint64_t now_us,
			     struct path_actions *out);

/* What the network map names: replaces what the map named before. */
struct path_named {
	struct endpoint addr;
	enum candidate_source source;
};
void path_peer_set_candidates(struct path_peer *p, const struct path_named *named, size_t n,
			      uint64_t now_us, struct path_actions *out);

/* The peer is to be reached now: first packet, handshake, map arrived. */
void path_peer_want(struct path_peer *p, uint64_t now_us, struct path_actions *out);
/* The map says that the peer is there again. Whoever sends to it looks for it at once, since it
 * may have forgotten us; others leave it in peace. */
void path_peer_on_online(struct path_peer *p, uint64_t now_us, struct path_actions *out);
/* Our own endpoints are known, or others than before. */
void path_peer_on_own_endpoints(struct path_peer *p, uint64_t now_us, struct path_actions *out);
/* Where UDP gets out again, the peer is asked at once. */
void path_peer_set_obstacle(struct path_peer *p, enum path_obstacle obstacle, uint64_t now_us,
			    struct path_actions *out);

/* Sealed messages of the peer. report is NULL where its message carried none. */
void path_peer_on_call_me_maybe(struct path_peer *p, const struct endpoint *addrs, size_t n,
				uint64_t now_us, struct path_actions *out);
void path_peer_on_ping(struct path_peer *p, const struct way *from,
		       const uint8_t txid[static PROBE_TXID_LEN], const struct path_report *report,
		       uint64_t now_us, struct path_actions *out);
/* An answer to a probe of ours: which way it proves and how long it took. */
struct path_pong {
	bool matched;
	struct way way;	 /* the way we probed: what is proved */
	uint64_t rtt_us; /* 0: asked before we slept or moved, which took part of the time */
	/* Data packets sent by this way since the pong before, and those the peer did not hear;
	 * 0 where it cannot be told. */
	uint32_t out_sent, out_lost;
};
struct path_pong path_peer_on_pong(struct path_peer *p, const struct way *from,
				   const uint8_t txid[static PROBE_TXID_LEN],
				   const struct path_report *report, uint64_t now_us,
				   struct path_actions *out);
/* about: the kind of way that PATH_NOT_HEARING is about. */
void path_peer_on_notice(struct path_peer *p, enum path_notice notice, enum way_kind about,
			 uint64_t serial, uint64_t now_us, struct path_actions *out);

/* A handshake by this way was completed or a WireGuard packet heard by a relay: the peer lives and
 * hears us there. */
void path_peer_on_heard(struct path_peer *p, const struct way *from, uint64_t now_us,
			struct path_actions *out);
/* The network refused what was sent by the way; error is the positive errno. */
void path_peer_on_send_error(struct path_peer *p, const struct way *way, int error, uint64_t now_us,
			     struct path_actions *out);
/* Our addresses or routes changed (code "address-changed", "network-changed") or the machine slept
 * ("asleep"): no direct way is trusted, all are swept at once, relays meanwhile. */
void path_peer_on_network_change(struct path_peer *p, const char *code, uint64_t now_us,
				 struct path_actions *out);

/* Everything that is due. Early calls are harmless. */
void path_peer_on_deadline(struct path_peer *p, const struct path_traffic *traffic, uint64_t now_us,
			   struct path_actions *out);
uint64_t path_peer_deadline_us(const struct path_peer *p);

/* One more ping by the way in use, for `warren ping`: the first of the actions that is one, and its
 * txid comes back in the pong. -ENETUNREACH where there is no way. */
int path_peer_ping(struct path_peer *p, uint64_t now_us, struct path_actions *out);

const struct path_choice *path_peer_choice(const struct path_peer *p);
bool path_peer_is_active(const struct path_peer *p, uint64_t now_us);
/* By which ways a handshake packet goes: the choice's, or while nothing is proved every relay that
 * stands and the endpoints that worked before. Returns how many, at most max. */
size_t path_peer_handshake_ways(const struct path_peer *p, struct way *out, size_t max);
/* By which ways a notice of ours goes: every way that is not down. */
size_t path_peer_notice_ways(const struct path_peer *p, struct way *out, size_t max);

/* When anything authenticated of disco's came last, and when the peer last proved to hear us; by
 * any way, 0: never. For measure's gap. */
struct path_proof {
	uint64_t heard_us, proved_us;
};
struct path_proof path_peer_proof(const struct path_peer *p);

/* One way as `warren status` shows it. */
struct path_view {
	struct way way;
	enum path_state state;
	uint64_t since_us;
	uint64_t rtt_us, jitter_us; /* 0: not measured */
	double loss;		    /* 0..1 of our probes and packets */
	bool in_use;
	const char *why; /* good until the path_peer is told of the next event */
};
/* Every way tried, the one in use first. Returns how many, at most max. */
size_t path_peer_list(const struct path_peer *p, struct path_view *out, size_t max);

#endif
