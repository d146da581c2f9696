/*
 * device_wire: two devices and a wire between them, under a virtual clock that starts at 1000 s.
 * For exchange_test and device_test.
 *
 *	node[0] --effects--> packets in flight (delay, loss, doubles) --> node[1]
 *
 * A node plays main and lane of the shell that device.h draws.
 */
#ifndef WARREN_TEST_DEVICE_WIRE_H
#define WARREN_TEST_DEVICE_WIRE_H

#include <stdlib.h>
#include <string.h>

#include "agent/wg/device.h"
#include "agent/wg/rotation.h"
#include "agent/wg/transport.h"
#include "tests/unit/test.h"

enum { S = 1000 * 1000, MS = 1000, FLIGHT_MAX = 256, PACKET_MAX = 256, JITTER_MAX = 333 * MS };
static const uint64_t START_US = 1000 * (uint64_t)S;
static const uint64_t UNIX_US = 1700000000 * (uint64_t)S;

struct packet {
	unsigned to;
	uint64_t at_us;
	size_t len;
	uint8_t bytes[PACKET_MAX];
};

struct node {
	struct wg_device *dev;
	struct index_table *table;
	struct aead *aead;
	struct secret_key secret;
	struct wg_peer *peer; /* the other */
	struct traffic traffic;
	struct keypair *current;
	unsigned waiting; /* inner packets without a keypair */
	unsigned initiations, responses, cookie_replies, keepalives, retries, gave_up, completed;
	unsigned confirms, retired, reserves;
	unsigned data_received, empty_received, refused;
	uint64_t reserved_unix_us, last_initiation_us, last_keepalive_us, gave_up_us;
	uint8_t last_sent[PACKET_MAX];
	size_t last_sent_len;
	bool under_load;
	enum wg_drop last_drop;
};

struct world {
	uint64_t now_us;
	uint32_t random; /* of the whole world; a seed is the test's */
	struct node node[2];
	struct packet flight[FLIGHT_MAX];
	size_t in_flight;
	uint64_t delay_us;
	uint64_t jitter_us;    /* of the delay: reorders */
	uint64_t unix_back_us; /* the wall clock was set back by this */
	unsigned loss_percent;
	bool is_cut[2]; /* nothing reaches this node */
	bool doubles;
};

static uint32_t next_random(struct world *w)
{
	w->random = w->random * 1664525 + 1013904223;
	return w->random >> 8;
}

static struct wg_moment moment(struct world *w)
{
	struct wg_moment at = {.now_us = w->now_us,
			       .unix_us = UNIX_US + w->now_us - START_US - w->unix_back_us};

	for (size_t i = 0; i < sizeof(at.random); i++)
		at.random[i] = (uint8_t)next_random(w);
	return at;
}

static void put_on_wire(struct world *w, unsigned to, const uint8_t *bytes, size_t len)
{
	if (w->is_cut[to] || next_random(w) % 100 < w->loss_percent)
		return;
	for (unsigned copy = 0; copy <= w->doubles; copy++) {
		struct packet *p = &w->flight[w->in_flight++];

		CHECK(w->in_flight < FLIGHT_MAX && len <= PACKET_MAX);
		p->to = to;
		p->at_us = w->now_us + w->delay_us;
		if (w->jitter_us)
			p->at_us += next_random(w) % w->jitter_us;
		p->len = len;
		memcpy(p->bytes, bytes, len);
	}
}

static void seal_and_send(struct world *w, unsigned self, size_t inner_len)
{
	struct node *n = &w->node[self];
	uint8_t pkt[PACKET_MAX] = {0};
	size_t len = inner_len;

	/* A shortest IPv4 packet, so that the receiver can tell its length. */
	if (inner_len >= 20) {
		pkt[TRANSPORT_HEADER_LEN] = 0x45;
		pkt[TRANSPORT_HEADER_LEN + 3] = (uint8_t)inner_len;
	}
	CHECK(transport_seal(n->aead, n->current, pkt, &len, 1280, w->now_us) == 0);
	put_on_wire(w, !self, pkt, len);
}

static void send_data(struct world *w, unsigned self);

static void take_effects(struct world *w, unsigned self)
{
	struct node *n = &w->node[self];
	struct wg_effect e;

	while (wg_device_next_effect(n->dev, &e)) {
		switch (e.kind) {
		case WG_SEND:
			n->initiations += e.message == WG_INITIATION;
			n->responses += e.message == WG_RESPONSE;
			n->cookie_replies += e.message == WG_COOKIE_REPLY;
			n->retries += e.is_retry;
			if (e.message == WG_INITIATION)
				n->last_initiation_us = w->now_us;
			memcpy(n->last_sent, e.bytes, e.len);
			n->last_sent_len = e.len;
			put_on_wire(w, !self, e.bytes, e.len);
			break;
		case WG_CURRENT:
			n->current = e.keypair;
			n->completed += e.keypair != NULL;
			break;
		case WG_CONFIRM:
			n->confirms++;
			if (n->waiting == 0)
				seal_and_send(w, self, 0);
			break;
		case WG_KEEPALIVE:
			n->keepalives++;
			n->last_keepalive_us = w->now_us;
			seal_and_send(w, self, 0);
			break;
		case WG_RETIRED:
			n->retired++;
			CHECK(index_table_find(n->table, e.keypair->local_index) == NULL);
			CHECK(e.keypair != n->current);
			keypair_free(e.keypair);
			break;
		case WG_GAVE_UP:
			n->gave_up++;
			n->gave_up_us = w->now_us;
			n->waiting = 0;
			break;
		case WG_RESERVE:
			n->reserves++;
			n->reserved_unix_us = e.unix_us;
			break;
		}
	}
	while (n->waiting > 0 && n->current) {
		n->waiting--;
		send_data(w, self);
	}
}

static void ask_for_handshake(struct world *w, unsigned self)
{
	struct wg_moment at = moment(w);

	wg_device_start_handshake(w->node[self].dev, w->node[self].peer, false, &at);
	take_effects(w, self);
}

static void send_data(struct world *w, unsigned self)
{
	struct node *n = &w->node[self];
	struct wg_moment at = moment(w);

	if (!n->current || !keypair_can_send(n->current, w->now_us)) {
		n->waiting++;
		ask_for_handshake(w, self);
		return;
	}
	seal_and_send(w, self, 60);
	if (traffic_on_data_sent(&n->traffic, w->now_us))
		wg_device_on_traffic(n->dev, n->peer, &at);
	if (keypair_renew_on_send(n->current, w->now_us))
		ask_for_handshake(w, self);
}

static void lane_receive(struct world *w, unsigned self, struct packet *p)
{
	struct node *n = &w->node[self];
	struct wg_moment at = moment(w);
	struct keypair *kp;
	uint32_t index;

	CHECK(transport_receiver(p->bytes, p->len, &index) == 0);
	kp = index_table_find(n->table, index);
	if (!kp || transport_open(n->aead, kp, p->bytes, &p->len, w->now_us) != 0) {
		n->refused++;
		return;
	}
	bool is_first = keypair_confirm(kp), renew = keypair_renew_on_receive(kp, w->now_us);
	if (p->len == 0) {
		n->empty_received++;
		traffic_on_other_received(&n->traffic, w->now_us);
	} else {
		n->data_received++;
		if (traffic_on_data_received(&n->traffic, w->now_us))
			wg_device_on_traffic(n->dev, n->peer, &at);
	}
	if (is_first)
		wg_device_on_first_packet(n->dev, index, &at);
	if (renew)
		ask_for_handshake(w, self);
	take_effects(w, self);
}

static void deliver(struct world *w, struct packet p)
{
	struct node *n = &w->node[p.to];
	const struct endpoint from = {.ip.b = {[10] = 0xff, 0xff, 192, 0, 2, 1}, .port = 51820};
	struct wg_source source = wg_source_from_endpoint(&from);

	if (wg_message_type(p.bytes, p.len) == WG_TYPE_TRANSPORT) {
		lane_receive(w, p.to, &p);
		return;
	}
	struct wg_moment at = moment(w);
	(void)wg_device_on_handshake_packet(n->dev, p.bytes, p.len, &source, n->under_load, &at,
					    NULL, &n->last_drop);
	take_effects(w, p.to);
}

/* The next thing to happen: a packet's arrival or a device's deadline. */
static uint64_t next_event_us(const struct world *w)
{
	uint64_t next_us = US_NEVER;

	for (size_t i = 0; i < w->in_flight; i++)
		if (w->flight[i].at_us < next_us)
			next_us = w->flight[i].at_us;
	for (unsigned i = 0; i < 2; i++)
		if (wg_device_next_deadline_us(w->node[i].dev) < next_us)
			next_us = wg_device_next_deadline_us(w->node[i].dev);
	return next_us;
}

static void run_due(struct world *w)
{
	for (size_t i = 0; i < w->in_flight; i++) {
		if (w->flight[i].at_us > w->now_us)
			continue;
		struct packet p = w->flight[i];
		memmove(&w->flight[i], &w->flight[i + 1],
			(--w->in_flight - i) * sizeof(struct packet));
		deliver(w, p);
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		struct wg_moment at = moment(w);

		if (wg_device_next_deadline_us(w->node[i].dev) > w->now_us)
			continue;
		wg_device_on_deadline(w->node[i].dev, &at);
		take_effects(w, i);
		return;
	}
}

static void run_until(struct world *w, uint64_t until_us)
{
	unsigned events = 0;

	for (uint64_t next_us; (next_us = next_event_us(w)) <= until_us;) {
		if (next_us > w->now_us)
			w->now_us = next_us;
		run_due(w);
		CHECK(++events < 100000); /* else a deadline never passes */
	}
	w->now_us = until_us;
}

static void run_for(struct world *w, uint64_t us)
{
	run_until(w, w->now_us + us);
}

static void add_other(struct node *n, const struct node *other, const struct secret_key *psk)
{
	CHECK_INT(wg_device_add_peer(n->dev, wg_device_public_key(other->dev), psk, &n->traffic, n,
				     &n->peer),
		  0);
}

static struct world *world_new(uint32_t seed)
{
	static const uint8_t hash_key[16] = {7};
	struct world *w = calloc(1, sizeof(*w));

	CHECK(w != NULL);
	w->now_us = START_US;
	w->random = seed;
	w->delay_us = 10 * MS;
	for (unsigned i = 0; i < 2; i++) {
		struct node *n = &w->node[i];
		uint8_t random[32];

		memset(random, (int)(0x40 + i), sizeof(random));
		secret_key_from_random(&n->secret, random);
		n->table = index_table_new();
		n->aead = aead_new();
		n->dev = wg_device_new(&n->secret, n->table, 0, hash_key);
		CHECK(n->table && n->aead && n->dev);
	}
	return w;
}

static struct world *world_new_joined(uint32_t seed, const struct secret_key *psk)
{
	struct world *w = world_new(seed);

	add_other(&w->node[0], &w->node[1], psk);
	add_other(&w->node[1], &w->node[0], psk);
	return w;
}

static void world_free(struct world *w)
{
	for (unsigned i = 0; i < 2; i++) {
		wg_device_free(w->node[i].dev);
		index_table_free(w->node[i].table);
		aead_free(w->node[i].aead);
	}
	free(w);
}

#endif
