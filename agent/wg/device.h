/*
 * device: one WireGuard interface: its peers, their handshakes, keypairs and timers.
 *
 * A pure core on the main thread: events in, a list of effects out. Wire and inner packets, where
 * they go, allowed IPs and roaming are the caller's. WireGuard paper, sections 5 and 6.
 *
 *   MAIN                                            LANE (per packet, no event crosses threads)
 *   type 1-3 -> wg_device_on_handshake_packet       in:  transport_receiver, index_table_find,
 *   deadline -> wg_device_on_deadline                    transport_open_batch, traffic_on_*,
 *   after each call, while (wg_device_next_effect):      keypair_confirm -> tell main, once:
 *     WG_SEND       send bytes                              wg_device_on_first_packet
 *     WG_CURRENT    publish keypair for the lane         keypair_renew_on_receive -> tell main:
 *     WG_CONFIRM    flush what waits, or keep-alive        wg_device_start_handshake
 *     WG_KEEPALIVE  transport_seal(len 0), send it    out: allowed_ips_snapshot_find, current
 *     WG_RETIRED    keypair_free after quiet point         keypair or stage + start_handshake,
 *     WG_GAVE_UP    drop what waits                        transport_seal_batch, traffic_on_*,
 *     WG_RESERVE    put unix_us on disk before WG_SEND     keypair_renew_on_send -> as above
 *   arm one timer for wg_device_next_deadline_us      traffic_on_data_* true -> tell main:
 *                                                          wg_device_on_traffic
 */
#ifndef WARREN_DEVICE_H
#define WARREN_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/wg/index_table.h"
#include "agent/wg/keypair.h"
#include "agent/wg/source.h"
#include "agent/wg/traffic.h"
#include "agent/wg/transport.h"
#include "common/key.h"

struct wg_device;
struct wg_peer;

/* What the world was at an event. random must be fresh in every call. now_us is above 0. */
struct wg_moment {
	uint64_t now_us;
	uint64_t unix_us; /* wall time: for handshake timestamps only */
	uint8_t random[32];
};

enum wg_effect_kind {
	WG_SEND,      /* bytes to peer; a reply goes back to the packet's source */
	WG_CURRENT,   /* keypair is what to send with from now on; NULL: none. Non-NULL: a handshake
			 is complete */
	WG_CONFIRM,   /* as initiator: now send what waits for peer, or a keep-alive if nothing does
		       */
	WG_KEEPALIVE, /* send a keep-alive by the current keypair */
	WG_RETIRED,   /* keypair is out of the index table; yours to free after every lane's quiet
			 point */
	WG_GAVE_UP,   /* no answer to initiations for 90 s: drop what waits for peer */
	WG_RESERVE, /* keep unix_us as the next start's tai_reserved_us, before what is sent next */
};
enum wg_message { WG_INITIATION, WG_RESPONSE, WG_COOKIE_REPLY };
enum { WG_MESSAGE_MAX = 148 };

struct wg_effect {
	enum wg_effect_kind kind;
	struct wg_peer
		*peer; /* NULL for WG_RESERVE, a cookie reply, and WG_RETIRED of a peer removed */
	struct keypair *keypair;
	uint64_t unix_us;
	enum wg_message message;
	bool is_retry; /* an initiation after one without an answer: the path may be dead; or the
			  last answer once more, by the way its question came again */
	size_t len;
	uint8_t bytes[WG_MESSAGE_MAX];
};

/* Why a handshake packet was dropped. */
enum wg_drop {
	WG_DROP_MALFORMED,  /* type or length */
	WG_DROP_MAC1,	    /* not made for our public key */
	WG_DROP_UNDER_LOAD, /* answered with a cookie reply */
	WG_DROP_RATELIMIT,  /* too many from one source under load */
	WG_DROP_DECRYPT,    /* wrong key, preshared key, or forged */
	WG_DROP_UNKNOWN_PEER,
	WG_DROP_REPLAY,	       /* an initiation not newer than the last one taken */
	WG_DROP_FLOOD,	       /* initiations of one peer less than 20 ms apart */
	WG_DROP_UNKNOWN_INDEX, /* an answer to nothing we asked */
	WG_DROP_NO_MEMORY,
	WG_DROP_COUNT,
};
const char *wg_drop_str(enum wg_drop reason); /* "mac1", for metrics */

/* table is borrowed and outlives the device. secret NULL or all zero: no identity, nothing is sent
 * or taken until it has one. tai_reserved_us: what WG_RESERVE last said before this start, or 0.
 * random: fresh. NULL where there is no memory. */
struct wg_device *wg_device_new(const struct secret_key *secret, struct index_table *table,
				uint64_t tai_reserved_us, const uint8_t random[static 16]);
/* Removes the peers that are left and frees their keypairs at once: lanes must have stopped. */
void wg_device_free(struct wg_device *dev);

/* Another identity: handshakes under way and keypairs end; a peer of our own public key is left
 * alone and never spoken to. */
void wg_device_set_secret(struct wg_device *dev, const struct secret_key *secret);
const struct public_key *wg_device_public_key(const struct wg_device *dev);

/* Takes the next effect; false where there is none. To be called until false after every call
 * that may have something to say: all below but the const ones. */
bool wg_device_next_effect(struct wg_device *dev, struct wg_effect *out);

/* When wg_device_on_deadline is due; US_NEVER where nothing is. */
uint64_t wg_device_next_deadline_us(const struct wg_device *dev);
void wg_device_on_deadline(struct wg_device *dev, const struct wg_moment *at);

/* ---- peers ---- */

/* psk may be NULL. traffic is borrowed until after wg_device_remove_peer and shared with the lane;
 * user is what keypairs and effects carry for the caller. -EEXIST: key is known. -EINVAL: our own
 * key, or one of low order. -ENOMEM. */
MUST_CHECK int wg_device_add_peer(struct wg_device *dev, const struct public_key *key,
				  const struct secret_key *psk, struct traffic *traffic, void *user,
				  struct wg_peer **out);
/* Retires its keypairs, with effects whose peer is NULL; other effects queued for it vanish. */
void wg_device_remove_peer(struct wg_device *dev, struct wg_peer *peer);
/* NULL psk: none. Holds from the next handshake on. */
void wg_device_set_psk(struct wg_peer *peer, const struct secret_key *psk);
/* 0: off. Turning it on sends one at once. */
void wg_device_set_keepalive(struct wg_device *dev, struct wg_peer *peer, uint16_t interval_s,
			     const struct wg_moment *at);

struct wg_peer *wg_device_find_peer(const struct wg_device *dev, const struct public_key *key);
/* Walks all peers: NULL gives the first; NULL at the end. */
struct wg_peer *wg_device_next_peer(const struct wg_device *dev, const struct wg_peer *after);

void *wg_peer_user(const struct wg_peer *peer);
const struct public_key *wg_peer_key(const struct wg_peer *peer);
const struct secret_key *wg_peer_psk(const struct wg_peer *peer); /* all zero: none */
uint16_t wg_peer_keepalive_s(const struct wg_peer *peer);
/* Wall time of the last complete handshake; 0: never. */
uint64_t wg_peer_last_handshake_unix_us(const struct wg_peer *peer);
/* What lanes may send with now, or NULL. */
struct keypair *wg_peer_current(const struct wg_peer *peer);

/* ---- events ---- */

/* A message of type 1-3, as it came. under_load: answer strangers with cookies (load.h says when).
 * An initiation older than the peer's last is refused, and may lead to one of ours.
 * *from, where not NULL, becomes the peer proven to have sent it, or NULL: there plain WireGuard
 * moves the peer's endpoint. Returns 0 or a negative errno; *why, where not NULL, then says the
 * reason, which is counted too. */
int wg_device_on_handshake_packet(struct wg_device *dev, const uint8_t *pkt, size_t len,
				  const struct wg_source *source, bool under_load,
				  const struct wg_moment *at, struct wg_peer **from,
				  enum wg_drop *why);

/* The lane received the first packet on the keypair of this local index (keypair_confirm): what
 * waits as next becomes current. An index released meanwhile is ignored. */
void wg_device_on_first_packet(struct wg_device *dev, uint32_t local_index,
			       const struct wg_moment *at);

/* Lanes: a packet waits without a keypair, or one wants renewal. Sends an initiation unless one
 * went out in the last 5 s (REKEY_TIMEOUT); force skips that limit: once, at start. */
void wg_device_start_handshake(struct wg_device *dev, struct wg_peer *peer, bool force,
			       const struct wg_moment *at);

/* A keep-alive by the current keypair, for the caller to send by a way of his choice. -ENOKEY,
 * -EKEYEXPIRED: there is none to seal it with. */
MUST_CHECK int wg_device_seal_keepalive(struct wg_device *dev, struct wg_peer *peer,
					uint64_t now_us, uint8_t out[static TRANSPORT_OVERHEAD]);

/* peer's traffic moved after a rest (traffic.h): sets timers anew. */
void wg_device_on_traffic(struct wg_device *dev, struct wg_peer *peer, const struct wg_moment *at);

uint64_t wg_device_dropped(const struct wg_device *dev, enum wg_drop reason);

#endif
