/*
 * device_world: three WireGuard devices and the wire between them, for device_fuzz: what nodes know
 * of each other, what they make and what their effects ask for. What the wire and the liar do with
 * it is the target's.
 */
#ifndef WARREN_FUZZ_DEVICE_WORLD_H
#define WARREN_FUZZ_DEVICE_WORLD_H

#include "agent/wg/device.h"
#include "agent/wg/tai64n.h"
#include "agent/wg/transport.h"
#include "tests/fuzz/fixed_key.h"
#include "tests/fuzz/script.h"

enum { DEVICE, HONEST, LIAR, NODES };
enum { PACKET_MAX = 256, FLIGHT_MAX = 16, TAPE_MAX = 1024, DATA_MAX = 1024 };
static const uint64_t START_US = 1000 * (uint64_t)US_PER_S;
static const uint64_t UNIX_US = 1700000000 * (uint64_t)US_PER_S;

struct packet {
	uint8_t from, to;
	bool taken; /* as a handshake message, by the one it was made for */
	size_t len;
	uint8_t bytes[PACKET_MAX];
};

struct link { /* what one node knows of another; peer NULL: nothing */
	unsigned other;
	struct wg_peer *peer;
	struct traffic traffic;
	struct keypair *current;
	uint64_t initiated_us;
};

struct node {
	struct wg_device *dev;
	struct index_table *table;
	struct secret_key secret;
	struct public_key key;
	struct link link[NODES];
	uint64_t reserved_us; /* its disk */
	unsigned sent_now;    /* messages, in the event that runs */
};

struct world {
	struct script s;
	struct aead *aead;
	struct hash *hash;
	uint64_t now_us;
	int64_t wall_step_us;
	bool under_load; /* the device under test */
	struct node node[NODES];
	struct packet flight[FLIGHT_MAX]; /* oldest first */
	size_t in_flight;
	struct packet tape[TAPE_MAX]; /* all that was ever made, the data of which stays sealed */
	size_t taped;
	struct inner {
		uint8_t from, to;
		bool delivered;
	} inner[DATA_MAX];
	size_t n_inner;
	unsigned delivered[NODES][NODES]; /* [from][to] */
};

static inline struct wg_moment moment(struct world *w)
{
	struct wg_moment at = {.now_us = w->now_us};

	at.unix_us = UNIX_US + (uint64_t)((int64_t)(w->now_us - START_US) + w->wall_step_us);
	script_random(&w->s, at.random, sizeof(at.random));
	return at;
}

static inline struct wg_source source_of(unsigned node)
{
	const struct endpoint from = {.ip.b = {[10] = 0xff, 0xff, 192, 0, 2, (uint8_t)node},
				      .port = 51820};
	return wg_source_from_endpoint(&from);
}

static inline void fly(struct world *w, const struct packet *p)
{
	if (w->in_flight == FLIGHT_MAX)
		memmove(w->flight, w->flight + 1, --w->in_flight * sizeof(*p));
	w->flight[w->in_flight++] = *p;
}

/* Somebody makes a packet: it is on the tape, so that it can come again. */
static inline void make(struct world *w, unsigned from, unsigned to, const uint8_t *bytes,
			size_t len)
{
	struct packet p = {.from = (uint8_t)from, .to = (uint8_t)to, .len = len};

	MUST(len <= PACKET_MAX);
	memcpy(p.bytes, bytes, len);
	if (w->taped < TAPE_MAX)
		w->tape[w->taped++] = p;
	fly(w, &p);
}

static inline void seal(struct world *w, struct node *n, struct link *l, const uint8_t *inner,
			size_t len)
{
	uint8_t pkt[PACKET_MAX] = {0};

	if (len > 0)
		memcpy(pkt + TRANSPORT_HEADER_LEN, inner, len);
	if (l->current && transport_seal(w->aead, l->current, pkt, &len, 1280, w->now_us) == 0)
		make(w, (unsigned)(n - w->node), l->other, pkt, len);
}

static inline void on_sent(struct world *w, struct node *n, const struct wg_effect *e)
{
	unsigned self = (unsigned)(n - w->node);
	struct link *l = e->peer ? wg_peer_user(e->peer) : NULL;

	n->sent_now++;
	if (e->message == WG_INITIATION) {
		MUST(l != NULL);
		MUST(l->initiated_us == 0 || w->now_us - l->initiated_us >= REKEY_TIMEOUT_US);
		l->initiated_us = w->now_us;
	}
	/* A cookie reply goes to where the question came from: from the wire, as we play it. */
	make(w, self, l ? l->other : self == DEVICE ? HONEST : DEVICE, e->bytes, e->len);
}

static inline void take_effects(struct world *w, struct node *n)
{
	struct wg_effect e;

	while (wg_device_next_effect(n->dev, &e)) {
		struct link *l = e.peer ? wg_peer_user(e.peer) : NULL;

		switch (e.kind) {
		case WG_SEND:
			on_sent(w, n, &e);
			break;
		case WG_CURRENT:
			MUST(l);
			l->current = e.keypair;
			break;
		case WG_CONFIRM:
		case WG_KEEPALIVE:
			MUST(l);
			seal(w, n, l, NULL, 0);
			break;
		case WG_RETIRED:
			MUST(!l || l->current != e.keypair);
			MUST(!index_table_find(n->table, e.keypair->local_index));
			keypair_free(e.keypair);
			break;
		case WG_RESERVE:
			n->reserved_us = e.unix_us;
			break;
		case WG_GAVE_UP:
			break;
		}
	}
}

/* ---- life ---- */

static inline void meet(struct world *w, unsigned self, unsigned other)
{
	struct node *n = &w->node[self];
	struct link *l = &n->link[other];

	*l = (struct link){.other = other};
	MUST(wg_device_add_peer(n->dev, &w->node[other].key, NULL, &l->traffic, l, &l->peer) == 0);
}

static inline void forget(struct world *w, unsigned self, unsigned other)
{
	struct node *n = &w->node[self];
	struct link *l = &n->link[other];

	wg_device_remove_peer(n->dev, l->peer);
	l->peer = NULL;
	l->current = NULL;
	take_effects(w, n);
}

static inline void start(struct world *w, unsigned self)
{
	struct node *n = &w->node[self];
	uint8_t random[16];

	script_random(&w->s, random, sizeof(random));
	n->table = index_table_new();
	n->dev = wg_device_new(&n->secret, n->table, n->reserved_us, random);
	MUST(n->table && n->dev);
	if (self == DEVICE) {
		meet(w, DEVICE, HONEST);
		meet(w, DEVICE, LIAR);
	} else {
		meet(w, self, DEVICE);
	}
}

static inline void stop(struct node *n)
{
	wg_device_free(n->dev);
	index_table_free(n->table);
}

static inline void open_world(struct world *w, const uint8_t *data, size_t len)
{
	struct aead *aead = w->aead ? w->aead : aead_new();
	struct hash *hash = w->hash ? w->hash : hash_new();

	memset(w, 0, offsetof(struct world, flight));
	w->in_flight = w->taped = w->n_inner = 0;
	memset(w->delivered, 0, sizeof(w->delivered));
	w->s = script_init(data, len);
	w->aead = aead;
	w->hash = hash;
	w->now_us = START_US;
	for (unsigned i = 0; i < NODES; i++)
		fixed_key(i, &w->node[i].secret, &w->node[i].key);
	for (unsigned i = 0; i < NODES; i++)
		start(w, i);
}

#endif
