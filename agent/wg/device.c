#include "agent/wg/device.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/wg/aead.h"
#include "agent/wg/exchange.h"

enum { OVERTAKEN_US = 1000 * 1000 };

struct wg_device {
	struct exchange x;
};

static const char *const drop_names[WG_DROP_COUNT] = {
	[WG_DROP_MALFORMED] = "malformed",
	[WG_DROP_MAC1] = "mac1",
	[WG_DROP_UNDER_LOAD] = "under-load",
	[WG_DROP_RATELIMIT] = "ratelimit",
	[WG_DROP_DECRYPT] = "decrypt",
	[WG_DROP_UNKNOWN_PEER] = "unknown-peer",
	[WG_DROP_REPLAY] = "replay",
	[WG_DROP_FLOOD] = "flood",
	[WG_DROP_UNKNOWN_INDEX] = "unknown-index",
	[WG_DROP_NO_MEMORY] = "no-memory",
};

const char *wg_drop_str(enum wg_drop reason)
{
	return reason < WG_DROP_COUNT ? drop_names[reason] : "none";
}

uint64_t wg_device_dropped(const struct wg_device *dev, enum wg_drop reason)
{
	return reason < WG_DROP_COUNT ? dev->x.dropped[reason] : 0;
}

/* ---- the device ---- */

static void set_identity(struct exchange *x, const struct secret_key *secret)
{
	noise_identity_set(&x->identity, secret);
	cookie_keys_set(&x->checker.keys, x->hash, &x->identity.key);
}

struct wg_device *wg_device_new(const struct secret_key *secret, struct index_table *table,
				uint64_t tai_reserved_us, const uint8_t random[static 16])
{
	struct wg_device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return NULL;
	roster_init(&dev->x.roster, random);
	tai64n_init(&dev->x.tai, tai_reserved_us);
	dev->x.table = table;
	dev->x.hash = hash_new();
	dev->x.aead = aead_new();
	if (!dev->x.hash || !dev->x.aead) {
		wg_device_free(dev);
		return NULL;
	}
	dev->x.identity.hash = dev->x.checker.hash = dev->x.hash;
	dev->x.identity.aead = dev->x.aead;
	set_identity(&dev->x, secret);
	return dev;
}

void wg_device_free(struct wg_device *dev)
{
	struct wg_effect e;

	if (!dev)
		return;
	while (dev->x.roster.first)
		wg_device_remove_peer(dev, dev->x.roster.first);
	while (effects_take(&dev->x.effects, &e))
		if (e.kind == WG_RETIRED)
			keypair_free(e.keypair);
	effects_wipe(&dev->x.effects);
	roster_wipe(&dev->x.roster);
	ratelimit_free(dev->x.ratelimit);
	aead_free(dev->x.aead);
	hash_free(dev->x.hash);
	sodium_memzero(dev, sizeof(*dev));
	free(dev);
}

const struct public_key *wg_device_public_key(const struct wg_device *dev)
{
	return &dev->x.identity.key;
}

bool wg_device_next_effect(struct wg_device *dev, struct wg_effect *out)
{
	return effects_take(&dev->x.effects, out);
}

/* ---- time ---- */

/* Every event on a peer ends here. */
static void reschedule(struct wg_device *dev, struct wg_peer *peer, uint64_t now_us)
{
	roster_set_deadline(&dev->x.roster, peer,
			    timers_deadline_us(&peer->timers, peer->traffic, now_us));
}

static bool can_send(const struct wg_peer *peer, uint64_t now_us)
{
	const struct keypair *current = peer->keypairs.slot[SLOT_CURRENT];
	return current && keypair_can_send(current, now_us);
}

/* We answered an initiation a moment ago: the renewal wanted is already under way. */
static bool is_being_renewed(const struct wg_peer *peer, uint64_t now_us)
{
	const struct keypair *next = peer->keypairs.slot[SLOT_NEXT];

	return can_send(peer, now_us) && next && now_us < next->birth_us + REKEY_TIMEOUT_US;
}

static void start_handshake(struct wg_device *dev, struct wg_peer *peer, bool force,
			    struct event *ev)
{
	if (!peer->noise.is_usable)
		return;
	timers_on_handshake_wanted(&peer->timers, ev->now_us);
	if (!force &&
	    (!timers_may_initiate(&peer->timers, ev->now_us) || is_being_renewed(peer, ev->now_us)))
		return;
	exchange_initiate(&dev->x, peer, false, ev);
}

/* Without a keypair to seal it with, a keep-alive is a handshake, which goes on by itself. */
static void send_keepalive(struct wg_device *dev, struct wg_peer *peer, struct event *ev)
{
	if (can_send(peer, ev->now_us)) {
		effects_push(&dev->x.effects, WG_KEEPALIVE, peer);
		traffic_on_other_sent(peer->traffic, ev->now_us);
	} else if (!timers_retries(&peer->timers)) {
		start_handshake(dev, peer, false, ev);
	}
}

static void act(struct wg_device *dev, struct wg_peer *peer, unsigned due, struct event *ev)
{
	if (due & DUE_GIVE_UP) {
		exchange_cancel_initiation(&dev->x, peer);
		effects_push(&dev->x.effects, WG_GAVE_UP, peer);
	}
	if (due & DUE_WIPE) {
		exchange_retire_keypairs(&dev->x, peer);
		/* One that the peer's own overtook: nobody repeats it or gives it up. */
		if (!timers_retries(&peer->timers))
			exchange_cancel_initiation(&dev->x, peer);
	}
	if (due & DUE_RETRY)
		exchange_initiate(&dev->x, peer, true, ev);
	if (due & DUE_NEW_HANDSHAKE)
		start_handshake(dev, peer, false, ev);
	if (due & DUE_KEEPALIVE)
		send_keepalive(dev, peer, ev);
	if (due & DUE_KEEPALIVE_AGAIN)
		traffic_rearm_keepalive(peer->traffic, ev->now_us);
}

uint64_t wg_device_next_deadline_us(const struct wg_device *dev)
{
	const struct wg_peer *peer = roster_earliest(&dev->x.roster);
	return peer ? peer->deadline_us : US_NEVER;
}

void wg_device_on_deadline(struct wg_device *dev, const struct wg_moment *at)
{
	struct event ev = event_begin(at);
	struct wg_peer *peer;

	while ((peer = roster_earliest(&dev->x.roster)) && peer->deadline_us <= at->now_us) {
		act(dev, peer, timers_take_due(&peer->timers, peer->traffic, at->now_us), &ev);
		reschedule(dev, peer, at->now_us);
		/* Never twice in one call, whatever a lane writes meanwhile. */
		if (peer->deadline_us <= at->now_us)
			roster_set_deadline(&dev->x.roster, peer, at->now_us + 1);
	}
	aead_forget_keys(dev->x.aead);
	sodium_memzero(&ev, sizeof(ev));
}

/* ---- peers ---- */

int wg_device_add_peer(struct wg_device *dev, const struct public_key *key,
		       const struct secret_key *psk, struct traffic *traffic, void *user,
		       struct wg_peer **out)
{
	struct wg_peer *peer;

	if (roster_find(&dev->x.roster, key))
		return -EEXIST;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	peer->noise.key = *key;
	if (psk)
		peer->noise.psk = *psk;
	peer->traffic = traffic;
	peer->user = user;
	timers_init(&peer->timers);
	cookie_keys_set(&peer->cookie.keys, dev->x.hash, key);

	int rc = noise_peer_bind(&peer->noise, &dev->x.identity);
	if (rc != 0 && !dev->x.identity.is_set)
		rc = 0; /* usable once we have an identity */
	if (rc == 0)
		rc = roster_add(&dev->x.roster, peer);
	if (rc != 0) {
		sodium_memzero(peer, sizeof(*peer));
		free(peer);
		return rc;
	}
	*out = peer;
	return 0;
}

void wg_device_remove_peer(struct wg_device *dev, struct wg_peer *peer)
{
	exchange_cancel_initiation(&dev->x, peer);
	exchange_retire_keypairs(&dev->x, peer);
	effects_forget_peer(&dev->x.effects, peer);
	roster_remove(&dev->x.roster, peer);
	sodium_memzero(peer, sizeof(*peer));
	free(peer);
}

void wg_device_set_secret(struct wg_device *dev, const struct secret_key *secret)
{
	set_identity(&dev->x, secret);
	for (struct wg_peer *peer = dev->x.roster.first; peer; peer = peer->next) {
		exchange_cancel_initiation(&dev->x, peer);
		exchange_retire_keypairs(&dev->x, peer);
		(void)noise_peer_bind(&peer->noise, &dev->x.identity);
	}
}

void wg_device_set_psk(struct wg_peer *peer, const struct secret_key *psk)
{
	peer->noise.psk = psk ? *psk : (struct secret_key){0};
}

void wg_device_set_keepalive(struct wg_device *dev, struct wg_peer *peer, uint16_t interval_s,
			     const struct wg_moment *at)
{
	struct event ev = event_begin(at);
	bool is_new = interval_s != 0 && peer->keepalive_s == 0;

	peer->keepalive_s = interval_s;
	timers_set_interval(&peer->timers, interval_s, at->now_us);
	if (is_new)
		send_keepalive(dev, peer, &ev);
	reschedule(dev, peer, at->now_us);
	sodium_memzero(&ev, sizeof(ev));
}

struct wg_peer *wg_device_find_peer(const struct wg_device *dev, const struct public_key *key)
{
	return roster_find(&dev->x.roster, key);
}

struct wg_peer *wg_device_next_peer(const struct wg_device *dev, const struct wg_peer *after)
{
	return after ? after->next : dev->x.roster.first;
}

void *wg_peer_user(const struct wg_peer *peer)
{
	return peer->user;
}

const struct public_key *wg_peer_key(const struct wg_peer *peer)
{
	return &peer->noise.key;
}

const struct secret_key *wg_peer_psk(const struct wg_peer *peer)
{
	return &peer->noise.psk;
}

uint16_t wg_peer_keepalive_s(const struct wg_peer *peer)
{
	return peer->keepalive_s;
}

uint64_t wg_peer_last_handshake_unix_us(const struct wg_peer *peer)
{
	return peer->last_handshake_unix_us;
}

struct keypair *wg_peer_current(const struct wg_peer *peer)
{
	return peer->keypairs.slot[SLOT_CURRENT];
}

/* ---- events ---- */

/* A copy that somebody replays, or the peer itself, whose clock was set back without what it had
 * reserved: nothing that it sends will be taken, but it takes ours. Copies that were overtaken by a
 * newer one come within a second; replays get us to ask each 5 s at most. */
static void ask_back(struct wg_device *dev, struct wg_peer *peer, struct event *ev)
{
	uint64_t taken_us = peer->noise.last_initiation_us;
	bool is_overtaken = taken_us != 0 && ev->now_us - taken_us < OVERTAKEN_US;

	if (is_overtaken || !timers_may_initiate(&peer->timers, ev->now_us))
		return;
	start_handshake(dev, peer, true, ev);
	reschedule(dev, peer, ev->now_us);
}

int wg_device_on_handshake_packet(struct wg_device *dev, const uint8_t *pkt, size_t len,
				  const struct wg_source *source, bool under_load,
				  const struct wg_moment *at, struct wg_peer **from,
				  enum wg_drop *why)
{
	struct event ev = event_begin(at);
	struct wg_peer *peer;
	enum wg_drop reason;
	int rc = exchange_on_packet(&dev->x, pkt, len, source, under_load, &ev, &peer, &reason);

	if (peer)
		reschedule(dev, peer, at->now_us);
	if (ev.outdated)
		ask_back(dev, ev.outdated, &ev);
	if (from)
		*from = peer;
	if (why)
		*why = reason;
	sodium_memzero(&ev, sizeof(ev));
	return rc;
}

void wg_device_on_first_packet(struct wg_device *dev, uint32_t local_index,
			       const struct wg_moment *at)
{
	struct event ev = event_begin(at);
	struct wg_peer *peer = index_table_owner(dev->x.table, local_index);

	if (peer) {
		exchange_on_first_packet(&dev->x, peer, &ev);
		reschedule(dev, peer, at->now_us);
	}
	sodium_memzero(&ev, sizeof(ev));
}

void wg_device_start_handshake(struct wg_device *dev, struct wg_peer *peer, bool force,
			       const struct wg_moment *at)
{
	struct event ev = event_begin(at);

	start_handshake(dev, peer, force, &ev);
	reschedule(dev, peer, at->now_us);
	aead_forget_keys(dev->x.aead);
	sodium_memzero(&ev, sizeof(ev));
}

int wg_device_seal_keepalive(struct wg_device *dev, struct wg_peer *peer, uint64_t now_us,
			     uint8_t out[static TRANSPORT_OVERHEAD])
{
	struct keypair *current = peer->keypairs.slot[SLOT_CURRENT];
	size_t len = 0;

	if (!current)
		return -ENOKEY;
	int rc = transport_seal(dev->x.aead, current, out, &len, 0, now_us);
	if (rc == 0)
		traffic_on_other_sent(peer->traffic, now_us);
	aead_forget_keys(dev->x.aead);
	return rc;
}

void wg_device_on_traffic(struct wg_device *dev, struct wg_peer *peer, const struct wg_moment *at)
{
	reschedule(dev, peer, at->now_us);
}
