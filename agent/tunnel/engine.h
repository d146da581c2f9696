/*
 * engine: one WireGuard interface as the main thread sees it. warrend has one for the mesh,
 * warren-wg one for plain WireGuard.
 *
 * It joins the protocol core (agent/wg/device: handshakes, timers) with the lanes, which carry the
 * data. It publishes to the lanes what they read (tries, keypairs, choices), takes their few events
 * (handshake packet, first packet on a new keypair, handshake wanted, traffic began, another
 * endpoint), and owns everything both use. All functions are for the main thread; all ops are
 * called on it. Which way packets go is the caller's: engine_peer_set_choice.
 *
 *	TUN --lane--> sealed --choice--> UDP | relay ring          main <--ring-- lane
 *	UDP | relay ring --lane--> opened --> TUN                  main --published pointers--> lane
 */
#ifndef WARREN_ENGINE_H
#define WARREN_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/tunnel/tun.h"
#include "agent/wg/device.h"
#include "common/endpoint.h"
#include "common/key.h"
#include "common/way.h"
#include "common/wire.h"

struct event_base;
struct filter;
struct ring;
struct engine;
struct engine_peer;

enum engine_datagram { ENGINE_STUN, ENGINE_DISCO };

/* Any may be NULL. user is what engine_peer_add was given. Buffers are valid during the call. */
struct engine_ops {
	/* Came by UDP and is not WireGuard's. Told apart by its first bytes only: nothing is
	 * checked. */
	void (*on_datagram)(void *arg, enum engine_datagram kind, const uint8_t *buf, size_t len,
			    const struct endpoint *from, uint64_t now_us);
	/* A handshake packet for the peer (initiation, response, cookie reply, and the keep-alive
	 * that confirms). reply_to is the way the packet it answers came by; its kind is WAY_NONE
	 * for an initiation. NULL op: it goes by reply_to, else by the first way of the choice.
	 * is_retry: an initiation after one without an answer; or what went by other ways before,
	 * and by reply_to now. */
	void (*on_handshake_send)(void *arg, void *user, const uint8_t *buf, size_t len,
				  const struct way *reply_to, bool is_retry);
	void (*on_handshake_done)(void *arg, void *user, uint64_t now_us);
	/* Tried for REKEY_ATTEMPT_TIME and gave up; what waited for the peer is dropped. */
	void (*on_handshake_failed)(void *arg, void *user);
	/* Data other than keep-alives went or came after at least a second without: the peer is
	 * active. */
	void (*on_traffic)(void *arg, void *user, uint64_t now_us);
	/* The lane's send to the peer failed with -error: at most once a second and peer. */
	void (*on_send_error)(void *arg, void *user, int error);
	/* To be on disk before the next handshake goes out: the next start's tai_reserved_us. */
	void (*on_tai_reserved)(void *arg, uint64_t unix_us);
	/* What engine_save_filter asked for: filter_save's bytes. */
	void (*on_filter_saved)(void *arg, const uint8_t *buf, size_t len);
	/* Authenticated data came from another endpoint; with roaming the engine has already moved.
	 */
	void (*on_roamed)(void *arg, void *user, const struct endpoint *from);
};

struct engine_config {
	struct event_base *base;
	struct tun *tun; /* open; the engine takes it over once it stands, and closes it */
	uint16_t port;	 /* UDP port for both families, 0: any */
	uint32_t fwmark; /* 0: none */
	struct secret_key
		secret; /* all zero: none yet (engine_set_secret_key), nothing is answered */
	bool roaming;	/* authenticated data moves the endpoint: plain WireGuard's way */
	unsigned mss_mtu_bytes; /* TCP SYNs through the tunnel are clamped to this MTU; 0: never */
	/* Packets to and from the relay thread, NULL without relays. Records open with
	 * struct engine_relay_head. The engine is the producer of the first, the consumer of the
	 * second. Both outlive the engine. */
	struct ring *to_relay, *from_relay;
	struct filter *filter;	  /* NULL: everything passes. Outlives the engine. */
	uint64_t tai_reserved_us; /* what on_tai_reserved said last before this start, or 0 */
	const struct engine_ops *ops;
	void *arg;
};

/* In front of each record of the two relay rings; key is the far node's: receiver of what we send,
 * sender of what comes. The WireGuard packet follows as it is on the wire. */
struct engine_relay_head {
	uint32_t region;
	uint32_t flags;	 /* ENGINE_RELAY_… */
	uint64_t now_us; /* when it was put in, for the age limit of copies */
	struct public_key key;
};

enum {
	ENGINE_RELAY_COPY = 1 << 0,   /* also sent directly: goes to the bounded copy queue */
	ENGINE_RELAY_SPARSE = 1 << 1, /* short and alone: before full-size ones */
	ENGINE_RELAY_URGENT = 1 << 2, /* resent after a path died: before anything newer */
};

/* Errors are udp_open's and -EINVAL. On failure the TUN stays the caller's. */
MUST_CHECK int engine_new(const struct engine_config *config, struct engine **out);
/* Ends the lanes: no packet moves any more, while peers, numbers and engine_send_udp stay. The
 * filter is the caller's alone from here on. */
void engine_stop(struct engine *engine);
/* Stops, then frees all peers. NULL is fine. */
void engine_free(struct engine *engine);

uint16_t engine_port(const struct engine *engine);
const char *engine_tun_name(const struct engine *engine);
/* Another port or mark: the sockets are opened first, the lane swaps them at its next turn.
 * -EADDRINUSE leaves the old ones. Port 0: any. */
MUST_CHECK int engine_set_port(struct engine *engine, uint16_t port);
MUST_CHECK int engine_set_fwmark(struct engine *engine, uint32_t fwmark);
uint32_t engine_fwmark(const struct engine *engine);
/* The TUN's MTU changed: packets are padded up to it and no further. */
void engine_set_mtu(struct engine *engine, unsigned mtu_bytes);
/* Forgets all keypairs; a peer whose key is our own new one is removed. */
void engine_set_secret_key(struct engine *engine, const struct secret_key *secret);
/* All zero while there is none. */
struct secret_key engine_secret_key(const struct engine *engine);
struct public_key engine_public_key(const struct engine *engine);

/* One datagram now, from the lane's port: probes, STUN, handshakes. Returns 0 or -errno as the
 * network answered (-EHOSTUNREACH, -ENETUNREACH, -EPERM, …), -EAFNOSUPPORT for a missing family. */
int engine_send_udp(struct engine *engine, const struct endpoint *to, const void *buf, size_t len);
/* A WireGuard packet that reached main by a relay some other way than the ring. */
void engine_on_relay_packet(struct engine *engine, uint32_t region, const struct public_key *from,
			    const uint8_t *buf, size_t len, uint64_t now_us);

/* The filter's flow table belongs to the lane: it saves, and on_filter_saved brings the bytes. */
void engine_save_filter(struct engine *engine);
/* What filter_publish returned: freed with release once no lane can be reading it. */
void engine_retire(struct engine *engine, void *ptr, void (*release)(void *));

struct engine_peer_config {
	struct public_key key;
	const struct secret_key *psk; /* copied; NULL: none */
	uint32_t filter_id;	      /* what the filter knows the peer by */
	void *user;		      /* handed back by the ops */
};

/* -EEXIST for a known key, -EINVAL for our own or the zero key, -ENOMEM where no more peers fit. */
MUST_CHECK int engine_peer_add(struct engine *engine, const struct engine_peer_config *config,
			       struct engine_peer **out);
void engine_peer_remove(struct engine_peer *peer);
struct engine_peer *engine_peer_find(struct engine *engine, const struct public_key *key);
/* Walks all peers, in the order they came: NULL gives the first, and the last gives NULL. */
struct engine_peer *engine_peer_next(struct engine *engine, const struct engine_peer *peer);

const struct public_key *engine_peer_key(const struct engine_peer *peer);
void *engine_peer_user(const struct engine_peer *peer);
/* NULL: none. Holds from the next handshake on. */
void engine_peer_set_psk(struct engine_peer *peer, const struct secret_key *psk);
/* All zero: none. */
const struct secret_key *engine_peer_psk(const struct engine_peer *peer);
/* Replaces all of the peer's prefixes; one that another peer has moves to this one. Copies. */
void engine_peer_set_allowed_ips(struct engine_peer *peer, const struct prefix *prefixes, size_t n);
/* One more; it too moves here from whoever has it. -ENOMEM. */
MUST_CHECK int engine_peer_add_allowed_ip(struct engine_peer *peer, const struct prefix *prefix);
/* -ENOENT where it is not the peer's. */
int engine_peer_remove_allowed_ip(struct engine_peer *peer, const struct prefix *prefix);
/* As it stands now; borrowed until the next change of any peer's allowed IPs. */
size_t engine_peer_allowed_ips(const struct engine_peer *peer, const struct prefix **prefixes);
/* Persistent keep-alive, 0: off. */
void engine_peer_set_keepalive(struct engine_peer *peer, uint16_t interval_s);
uint16_t engine_peer_keepalive(const struct engine_peer *peer);

/* Where the peer's packets go from now on. copy may be NULL or WAY_NONE. Waiting packets go out. */
void engine_peer_set_choice(struct engine_peer *peer, const struct way *first,
			    const struct way *copy);
struct way engine_peer_way(const struct engine_peer *peer);

/* "Twice is once" (a): what was sealed in the last 0.5 s goes once more by the current choice,
 * oldest first, before anything newer. Call set_choice first. */
void engine_peer_resend(struct engine_peer *peer);
/* The peer said it restarts: new packets wait (64, 1 s) for the next keypair, until until_us at
 * most. */
void engine_peer_hold(struct engine_peer *peer, uint64_t until_us);
/* Initiates now. The core limits it to one each REKEY_TIMEOUT; force passes that limit (once, at
 * start, and where the peer is known to have lost its keys). */
void engine_peer_start_handshake(struct engine_peer *peer, bool force);
/* The first packet under a keypair that we began confirms it to the peer, who seals nothing with it
 * before: what waits, or else a keep-alive, goes now by the choice, and a keep-alive by the way on
 * which the peer was heard just now, where that is another one. For where that first packet may be
 * lost. */
void engine_peer_confirm(struct engine_peer *peer, const struct way *heard);

enum engine_drop {
	DROP_NO_PEER,	    /* out: no allowed IP covers the destination, or the peer was removed */
	DROP_NO_CHOICE,	    /* out: waited its second for a way */
	DROP_NO_KEYPAIR,    /* out: waited its second for a handshake */
	DROP_STAGING_FULL,  /* out: more than 64 waited */
	DROP_FILTER_OUT,    /* out: the filter said no */
	DROP_FILTER_IN,	    /* in: the filter said no */
	DROP_SEND_FAILED,   /* out: the network refused the datagram */
	DROP_RELAY_FULL,    /* out: the ring to the relay thread was full */
	DROP_BAD_OUTGOING,  /* out: from the TUN, and no IP packet, or its length lies */
	DROP_BAD_INNER,	    /* in: what was sealed is no IP packet, or its length lies */
	DROP_SHORT,	    /* in: too short for what it says it is */
	DROP_UNKNOWN_TYPE,  /* in: neither STUN, disco nor WireGuard */
	DROP_UNKNOWN_INDEX, /* in: no keypair has this receiver index */
	DROP_FORGED,	    /* in: does not open */
	DROP_REPLAYED,	    /* in: came before, or too old for the window */
	DROP_EXPIRED,	    /* in: its keypair is past REJECT_AFTER */
	DROP_SOURCE,	    /* in: source address is not among the peer's allowed IPs */
	DROP_TUN_WRITE,	    /* in: the TUN refused it */
	DROP_MAIN_FULL,	    /* in: the ring to the main thread was full */
	DROP_HANDSHAKE,	    /* in: a handshake packet the core refused */
	DROP_REASONS,
};

/* The protocol core's reasons for refusing handshake packets are counted there: agent/wg/device.h.
 */
uint64_t engine_handshake_drops(const struct engine *engine, enum wg_drop reason);

/* "no-peer", "forged", …: for /metrics. */
const char *engine_drop_name(enum engine_drop reason);

/* Where packets pass the lane. With its drops they add up, whenever no turn is under way:
 *
 *	out: TUN_READ + KEEPALIVE_MADE + SENT_AGAIN
 *		== SENT_UDP + SENT_RELAY + waiting + drops marked "out"
 *	in:  UDP_READ + RELAY_READ == TUN_WRITTEN + KEEPALIVE_READ + TO_MAIN + drops marked "in"
 */
enum engine_flow {
	FLOW_TUN_READ,	     /* out: inner packets, as cut from what the TUN gave */
	FLOW_KEEPALIVE_MADE, /* out: made here */
	FLOW_SENT_AGAIN,     /* out: sealed ones that go once more: copies, and what is resent */
	FLOW_SENT_UDP,	     /* out: taken by the kernel */
	FLOW_SENT_RELAY,     /* out: taken by the ring to the relay thread */
	FLOW_UDP_READ,	     /* in: datagrams, whatever they are */
	FLOW_RELAY_READ,     /* in: from the relay thread */
	FLOW_TUN_WRITTEN,    /* in: inner packets, taken by the TUN */
	FLOW_KEEPALIVE_READ, /* in */
	FLOW_TO_MAIN,	     /* in: handshakes, STUN and disco, taken by the ring to main */
	ENGINE_FLOWS,
};

/* "tun-read", "sent-udp", …: for /metrics. */
const char *engine_flow_name(enum engine_flow flow);

enum { ENGINE_WAYS = WAY_RELAY + 1 }; /* arrays indexed by enum way_kind */

/* Times are clock_now_us, 0: never. WAY_NONE is data that found no way or no keypair:
 * data_sent what was given up, last_data_sent_us when some last had to wait; the rest is 0. */
struct engine_way_stats {
	/* Data packets, keep-alives not counted. */
	uint64_t data_sent, data_received;
	/* Any authenticated packet, keep-alives included. */
	uint64_t last_sent_us, last_received_us;
	/* Data only. */
	uint64_t last_data_sent_us, last_data_received_us;
};

struct engine_peer_stats {
	uint64_t rx_bytes, tx_bytes; /* WireGuard packets, as `wg show` counts them */
	struct engine_way_stats way[ENGINE_WAYS];
	uint64_t last_handshake_unix_us; /* wall time, 0: never */
	struct endpoint last_from;	 /* where authenticated packets last came from by UDP */
	uint64_t drops[DROP_REASONS];	 /* those that a peer could be named for */
};

struct engine_way_stats engine_peer_way_stats(const struct engine_peer *peer, enum way_kind kind);
void engine_peer_stats(const struct engine_peer *peer, struct engine_peer_stats *out);
/* Of the whole interface, for /metrics: drops of all lanes, peers' included. */
void engine_drops(const struct engine *engine, uint64_t out[static DROP_REASONS]);
void engine_flows(const struct engine *engine, uint64_t out[static ENGINE_FLOWS]);
/* Packets of the TUN that wait for a choice or a keypair now. */
uint64_t engine_waiting(const struct engine *engine);
/* Handshake packets that were taken, by whatever way they came. */
uint64_t engine_handshakes_taken(const struct engine *engine);

#endif
