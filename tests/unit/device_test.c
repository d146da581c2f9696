/*
 * Two devices and a wire between them, under a virtual clock that starts at 1000 s:
 *
 *	node[0] --effects--> packets in flight (delay, loss, doubles) --> node[1]
 *
 * A node plays main and lane of the shell that device.h draws.
 */
#include "agent/wg/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- handshakes ---- */

TEST(first_packet_makes_a_handshake_and_arrives_after_one_and_a_half_round_trips)
{
	struct world *w = world_new_joined(1, NULL);

	send_data(w, 0);
	run_for(w, 30 * MS);
	CHECK_INT(w->node[1].data_received, 1);
	CHECK_INT(w->node[0].initiations, 1);
	CHECK_INT(w->node[1].responses, 1);
	CHECK_INT(w->node[0].completed, 1);
	CHECK_INT(w->node[1].completed, 1);
	CHECK(w->node[0].current->is_initiator && !w->node[1].current->is_initiator);
	CHECK(w->node[1].current->user == &w->node[1]);
	CHECK(wg_peer_last_handshake_unix_us(w->node[0].peer) == UNIX_US + 20 * MS);
	CHECK(wg_peer_last_handshake_unix_us(w->node[1].peer) == UNIX_US + 30 * MS);

	send_data(w, 1);
	run_for(w, 10 * MS);
	CHECK_INT(w->node[0].data_received, 1);
	world_free(w);
}

TEST(initiator_with_nothing_to_send_confirms_by_a_keepalive)
{
	struct world *w = world_new_joined(2, NULL);

	ask_for_handshake(w, 0);
	run_for(w, 1 * S);
	CHECK_INT(w->node[0].confirms, 1);
	CHECK_INT(w->node[1].empty_received, 1);
	CHECK(w->node[1].current != NULL);
	world_free(w);
}

TEST(both_starting_at_once_need_no_retry)
{
	struct world *w = world_new_joined(3, NULL);

	send_data(w, 0);
	send_data(w, 1);
	run_for(w, 30 * MS);
	CHECK_INT(w->node[0].data_received, 1);
	CHECK_INT(w->node[1].data_received, 1);
	CHECK_INT(w->node[0].retries + w->node[1].retries, 0);
	world_free(w);
}

TEST(same_preshared_key_works_and_another_does_not)
{
	struct secret_key psk = {{1, 2, 3}}, other = {{1, 2, 4}};
	struct world *w = world_new_joined(4, &psk);

	send_data(w, 0);
	run_for(w, 1 * S);
	CHECK_INT(w->node[1].data_received, 1);
	world_free(w);

	w = world_new_joined(5, &psk);
	wg_device_set_psk(w->node[1].peer, &other);
	send_data(w, 0);
	run_for(w, 1 * S);
	CHECK_INT(w->node[1].responses, 1);
	CHECK(w->node[0].current == NULL);
	CHECK(wg_device_dropped(w->node[0].dev, WG_DROP_DECRYPT) == 1);
	world_free(w);
}

TEST(stranger_and_wrong_key_are_dropped_and_counted)
{
	struct world *w = world_new(6);

	add_other(&w->node[0], &w->node[1], NULL); /* node 1 doesn't know node 0 */
	send_data(w, 0);
	run_for(w, 1 * S);
	CHECK(wg_device_dropped(w->node[1].dev, WG_DROP_UNKNOWN_PEER) == 1);
	CHECK_INT(w->node[1].responses, 0);

	/* Another identity at the same place: mac1 is made for the old one. */
	struct secret_key secret;
	uint8_t random[32] = {9};
	secret_key_from_random(&secret, random);
	wg_device_set_secret(w->node[1].dev, &secret);
	run_for(w, 6 * S);
	CHECK(wg_device_dropped(w->node[1].dev, WG_DROP_MAC1) == 1);
	world_free(w);
}

TEST(replayed_initiation_is_refused_at_once_and_later)
{
	struct world *w = world_new_joined(7, NULL);

	w->doubles = true; /* the second copy comes 0 s later */
	ask_for_handshake(w, 0);
	struct packet copy = w->flight[0];
	run_for(w, 1 * S);
	CHECK_INT(w->node[1].responses, 1);
	CHECK(wg_device_dropped(w->node[1].dev, WG_DROP_REPLAY) == 1);

	w->now_us += 100 * (uint64_t)S;
	deliver(w, copy);
	CHECK_INT(w->node[1].last_drop, WG_DROP_REPLAY);
	CHECK_INT(w->node[1].responses, 1);
	world_free(w);
}

TEST(initiation_that_comes_again_before_the_first_packet_is_answered_with_the_same_bytes)
{
	struct world *w = world_new_joined(7, NULL);

	ask_for_handshake(w, 0);
	struct packet copy = w->flight[0];

	w->is_cut[0] = true; /* the answer is lost */
	run_for(w, 100 * MS);
	CHECK(w->node[0].current == NULL);
	w->is_cut[0] = false;
	deliver(w, copy);
	CHECK_INT(w->node[1].last_drop, WG_DROP_REPLAY);
	CHECK_INT(w->node[1].responses, 2);
	run_for(w, 100 * MS);
	CHECK(w->node[0].current != NULL && w->node[1].current != NULL);
	CHECK_INT(w->node[0].initiations, 1);

	run_for(w, 100 * MS);
	deliver(w, copy); /* the first packet has come: nobody needs it any more */
	CHECK_INT(w->node[1].responses, 2);
	world_free(w);
}

TEST(answer_is_repeated_four_times_at_most_and_never_within_20_ms)
{
	struct world *w = world_new_joined(7, NULL);

	ask_for_handshake(w, 0);
	struct packet copy = w->flight[0];

	w->is_cut[0] = true;
	run_for(w, 100 * MS);
	for (unsigned i = 1; i <= 20; i++) {
		deliver(w, copy);
		CHECK_INT(w->node[1].responses, 1 + (i + 1) / 2 > 5 ? 5 : 1 + (i + 1) / 2);
		w->now_us += 10 * MS;
	}
	world_free(w);
}

TEST(keepalive_sealed_for_another_way_confirms_too)
{
	struct world *w = world_new_joined(7, NULL);
	uint8_t pkt[TRANSPORT_OVERHEAD];

	CHECK_INT(wg_device_seal_keepalive(w->node[0].dev, w->node[0].peer, w->now_us, pkt),
		  -ENOKEY);
	ask_for_handshake(w, 0);
	run_for(w, w->delay_us + 1); /* it is there */
	w->is_cut[1] = true;	     /* and the packet that confirms is lost */
	run_for(w, 100 * MS);
	CHECK(w->node[0].current != NULL && w->node[1].current == NULL);
	w->is_cut[1] = false;
	CHECK_INT(wg_device_seal_keepalive(w->node[0].dev, w->node[0].peer, w->now_us, pkt), 0);
	put_on_wire(w, 1, pkt, sizeof(pkt));
	run_for(w, 100 * MS);
	CHECK(w->node[1].current != NULL);
	world_free(w);
}

TEST(initiations_closer_than_20_ms_are_a_flood)
{
	struct world *w = world_new_joined(8, NULL);
	struct wg_moment at = moment(w);

	wg_device_start_handshake(w->node[0].dev, w->node[0].peer, true, &at);
	take_effects(w, 0);
	w->now_us += 19 * MS;
	at = moment(w);
	wg_device_start_handshake(w->node[0].dev, w->node[0].peer, true, &at);
	take_effects(w, 0);
	w->now_us += 21 * MS;
	at = moment(w);
	wg_device_start_handshake(w->node[0].dev, w->node[0].peer, true, &at);
	take_effects(w, 0);
	CHECK_INT(w->node[0].initiations, 3);
	for (size_t i = 0; i < 3; i++)
		w->flight[i].at_us = START_US + 60 * MS + i * 19 * MS;
	run_until(w, START_US + 99 * MS);
	CHECK(wg_device_dropped(w->node[1].dev, WG_DROP_FLOOD) == 1);
	CHECK_INT(w->node[1].responses, 2);
	world_free(w);
}

TEST(second_initiation_within_5_s_only_by_force)
{
	struct world *w = world_new_joined(9, NULL);
	struct wg_moment at = moment(w);

	w->is_cut[1] = true;
	ask_for_handshake(w, 0);
	w->now_us += 4999 * MS;
	ask_for_handshake(w, 0);
	CHECK_INT(w->node[0].initiations, 1);
	wg_device_start_handshake(w->node[0].dev, w->node[0].peer, true, &at);
	take_effects(w, 0);
	CHECK_INT(w->node[0].initiations, 2);
	CHECK_INT(w->node[0].retries, 0);
	world_free(w);
}

TEST(late_response_to_a_replaced_initiation_is_refused)
{
	struct world *w = world_new_joined(10, NULL);

	w->delay_us = 3 * S; /* a round trip longer than REKEY_TIMEOUT */
	send_data(w, 0);
	run_for(w, 7 * S);
	CHECK_INT(w->node[0].initiations, 2);
	CHECK(wg_device_dropped(w->node[0].dev, WG_DROP_UNKNOWN_INDEX) == 1);
	world_free(w);
}

TEST(copied_response_finds_no_initiation_though_another_waits)
{
	struct world *w = world_new_joined(33, NULL);

	ask_for_handshake(w, 0);
	run_for(w, 10 * MS);
	struct packet copy = w->flight[0];
	CHECK_INT(copy.bytes[0], WG_TYPE_RESPONSE);
	run_for(w, 6 * S);
	w->is_cut[1] = true;
	ask_for_handshake(w, 0);
	deliver(w, copy);
	CHECK_INT(w->node[0].last_drop, WG_DROP_UNKNOWN_INDEX);
	world_free(w);
}

TEST(two_first_packets_told_as_one_still_make_next_current)
{
	struct world *w = world_new_joined(36, NULL);
	struct node *n = &w->node[1];
	struct wg_moment at = moment(w);

	ask_for_handshake(w, 0);
	run_for(w, 1 * S);
	uint32_t old_index = n->current->local_index;
	wg_device_start_handshake(w->node[0].dev, w->node[0].peer, true, &at);
	take_effects(w, 0);
	w->is_cut[1] = true; /* the initiation is on its way, the confirmation won't be seen */
	run_for(w, 1 * S);
	CHECK_INT(w->node[0].completed, 2);
	struct keypair *next = index_table_find(n->table, w->node[0].current->remote_index);
	CHECK(keypair_confirm(next));
	at = moment(w);
	wg_device_on_first_packet(n->dev, old_index, &at);
	take_effects(w, 1);
	CHECK(n->current == next);
	world_free(w);
}

TEST(renewal_is_not_started_beside_one_answered_in_the_last_5_s)
{
	struct world *w = world_new_joined(34, NULL);
	struct wg_moment at;

	ask_for_handshake(w, 0);
	run_for(w, 10 * S);
	at = moment(w);
	w->is_cut[0] = true; /* the response won't arrive */
	wg_device_start_handshake(w->node[0].dev, w->node[0].peer, true, &at);
	take_effects(w, 0);
	run_for(w, 10 * MS);
	CHECK_INT(w->node[1].responses, 2);
	w->now_us += 5 * S - 1;
	ask_for_handshake(w, 1);
	CHECK_INT(w->node[1].initiations, 0);
	w->now_us += 1;
	ask_for_handshake(w, 1);
	CHECK_INT(w->node[1].initiations, 1);
	world_free(w);
}

/* ---- timers ---- */

TEST(initiation_is_repeated_each_5_s_with_jitter_and_given_up_after_90_s)
{
	struct world *w = world_new_joined(11, NULL);

	w->is_cut[1] = true;
	send_data(w, 0);
	run_for(w, 4999 * MS);
	CHECK_INT(w->node[0].initiations, 1);
	run_until(w, START_US + 5 * S + JITTER_MAX);
	CHECK_INT(w->node[0].initiations, 2);
	CHECK_INT(w->node[0].retries, 1);

	run_until(w, START_US + 90 * S - 1);
	CHECK_INT(w->node[0].gave_up, 0);
	CHECK(w->node[0].initiations >= 17 && w->node[0].initiations <= 18);
	run_until(w, START_US + 90 * S);
	CHECK_INT(w->node[0].gave_up, 1);
	CHECK(w->node[0].gave_up_us == START_US + 90 * S);

	unsigned sent = w->node[0].initiations;
	run_for(w, 300 * (uint64_t)S);
	CHECK_INT(w->node[0].initiations, sent);
	send_data(w, 0); /* new data starts anew */
	CHECK_INT(w->node[0].initiations, sent + 1);
	world_free(w);
}

TEST(new_data_starts_the_90_s_again)
{
	struct world *w = world_new_joined(12, NULL);

	w->is_cut[1] = true;
	send_data(w, 0);
	run_for(w, 60 * S);
	send_data(w, 0);
	run_until(w, START_US + 150 * S - 1);
	CHECK_INT(w->node[0].gave_up, 0);
	run_until(w, START_US + 150 * S);
	CHECK_INT(w->node[0].gave_up, 1);
	world_free(w);
}

static void send_each_second(struct world *w, unsigned self, unsigned seconds)
{
	while (seconds-- > 0) {
		send_data(w, self);
		run_for(w, 1 * S);
	}
}

TEST(initiator_renews_at_120_s_and_nothing_is_lost)
{
	struct world *w = world_new_joined(13, NULL);

	ask_for_handshake(w, 0);
	run_for(w, 20 * MS); /* keypair born at 1000.02 s for node 0 */
	send_each_second(w, 0, 120);
	CHECK_INT(w->node[0].initiations, 1);
	CHECK_INT(w->node[0].completed, 1);
	send_each_second(w, 0, 2);
	CHECK_INT(w->node[0].initiations, 2);
	CHECK_INT(w->node[0].completed, 2);
	CHECK_INT(w->node[1].completed, 2);
	CHECK_INT(w->node[1].data_received, 122);
	CHECK_INT(w->node[1].refused, 0);
	world_free(w);
}

TEST(responder_alone_sending_is_renewed_by_the_initiator_at_165_s)
{
	struct world *w = world_new_joined(14, NULL);

	ask_for_handshake(w, 0);
	run_for(w, 30 * MS);
	send_each_second(w, 1, 165);
	CHECK_INT(w->node[0].initiations + w->node[1].initiations, 1);
	send_each_second(w, 1, 2);
	CHECK_INT(w->node[0].initiations, 2);
	CHECK_INT(w->node[1].initiations, 0);
	send_each_second(w, 1, 20);
	CHECK_INT(w->node[0].initiations, 2);
	CHECK_INT(w->node[0].data_received, 187);
	world_free(w);
}

TEST(busy_both_ways_through_many_renewals_loses_nothing)
{
	struct world *w = world_new_joined(15, NULL);

	w->jitter_us = 30 * MS;
	send_data(w, 0);
	send_data(w, 1);
	run_for(w, 100 * MS);
	for (unsigned i = 0; i < 10000; i++) { /* 1000 s */
		send_data(w, i % 2);
		run_for(w, 100 * MS);
	}
	CHECK_INT(w->node[0].data_received, 5001);
	CHECK_INT(w->node[1].data_received, 5001);
	CHECK_INT(w->node[0].refused + w->node[1].refused, 0);
	CHECK(w->node[0].completed >= 8 && w->node[0].completed <= 18);
	world_free(w);
}

TEST(passive_keepalive_goes_10_s_after_data_that_was_not_answered)
{
	struct world *w = world_new_joined(16, NULL);

	ask_for_handshake(w, 0);
	run_for(w, 1 * S);
	uint64_t sent_us = w->now_us;
	send_data(w, 0);
	run_until(w, sent_us + 10 * MS + 10 * S - 1);
	CHECK_INT(w->node[1].keepalives, 0);
	run_until(w, sent_us + 10 * MS + 10 * S);
	CHECK_INT(w->node[1].keepalives, 1);
	run_for(w, 100 * S);
	CHECK_INT(w->node[1].keepalives, 1);
	CHECK_INT(w->node[0].keepalives, 0); /* keep-alives are not answered */
	CHECK_INT(w->node[0].initiations, 1);
	world_free(w);
}

TEST(passive_keepalive_goes_again_where_more_data_came_meanwhile)
{
	struct world *w = world_new_joined(17, NULL);

	ask_for_handshake(w, 0);
	run_for(w, 1 * S);
	send_data(w, 0);
	run_for(w, 4 * S);
	send_data(w, 0);
	run_for(w, 30 * S);
	CHECK_INT(w->node[1].keepalives, 2);
	world_free(w);
}

TEST(data_in_the_other_direction_spares_the_keepalive)
{
	struct world *w = world_new_joined(18, NULL);

	ask_for_handshake(w, 0);
	run_for(w, 1 * S);
	for (unsigned i = 0; i < 60; i++) {
		send_data(w, i % 2);
		run_for(w, 1 * S);
	}
	CHECK_INT(w->node[0].keepalives + w->node[1].keepalives, 0);
	world_free(w);
}

TEST(dead_peer_gets_a_new_handshake_15_s_after_data_without_any_answer)
{
	struct world *w = world_new_joined(19, NULL);

	ask_for_handshake(w, 0);
	run_for(w, 1 * S);
	w->is_cut[0] = true; /* node 0 hears nothing more */
	uint64_t sent_us = w->now_us;
	send_data(w, 0);
	run_for(w, 5 * S);
	send_data(w, 0); /* more data doesn't put it off */
	run_until(w, sent_us + 15 * S - 1);
	CHECK_INT(w->node[0].initiations, 1);
	run_until(w, sent_us + 15 * S + JITTER_MAX);
	CHECK_INT(w->node[0].initiations, 2);
	world_free(w);
}

TEST(persistent_keepalive_starts_at_once_and_goes_on_each_interval)
{
	struct world *w = world_new_joined(20, NULL);
	struct wg_moment at = moment(w);

	wg_device_set_keepalive(w->node[0].dev, w->node[0].peer, 25, &at);
	take_effects(w, 0);
	CHECK_INT(w->node[0].initiations, 1);
	run_for(w, 20 * MS); /* the confirming keep-alive leaves at 20 ms */
	CHECK_INT(w->node[0].confirms, 1);
	run_until(w, START_US + 25 * S + 20 * MS - 1);
	CHECK_INT(w->node[0].keepalives, 0);
	run_until(w, START_US + 25 * S + 20 * MS);
	CHECK_INT(w->node[0].keepalives, 1);
	run_until(w, START_US + 100 * S + 20 * MS);
	CHECK_INT(w->node[0].keepalives, 4);

	at = moment(w);
	wg_device_set_keepalive(w->node[0].dev, w->node[0].peer, 0, &at);
	run_for(w, 300 * (uint64_t)S);
	CHECK_INT(w->node[0].keepalives, 4);
	world_free(w);
}

TEST(persistent_keepalive_outlives_a_peer_that_is_away_for_ten_minutes)
{
	struct world *w = world_new_joined(21, NULL);
	struct wg_moment at = moment(w);

	w->is_cut[1] = true;
	wg_device_set_keepalive(w->node[0].dev, w->node[0].peer, 25, &at);
	take_effects(w, 0);
	run_for(w, 600 * (uint64_t)S);
	CHECK(w->node[0].gave_up >= 4);
	w->is_cut[1] = false;
	run_for(w, 31 * S);
	CHECK(w->node[0].current != NULL);
	world_free(w);
}

TEST(persistent_keepalive_does_not_put_off_giving_up)
{
	struct world *w = world_new_joined(35, NULL);
	struct wg_moment at = moment(w);

	w->is_cut[1] = true;
	wg_device_set_keepalive(w->node[0].dev, w->node[0].peer, 3, &at);
	take_effects(w, 0);
	run_until(w, START_US + 90 * S);
	CHECK_INT(w->node[0].gave_up, 1);
	world_free(w);
}

TEST(keys_die_540_s_after_they_were_made)
{
	struct world *w = world_new_joined(22, NULL);

	ask_for_handshake(w, 0);
	run_for(w, 1 * S);
	run_until(w, START_US + 20 * MS + 540 * (uint64_t)S - 1);
	CHECK(w->node[0].current != NULL);
	CHECK_INT(w->node[0].retired, 0);
	run_until(w, START_US + 20 * MS + 540 * (uint64_t)S);
	CHECK(w->node[0].current == NULL && w->node[1].current == NULL);
	CHECK_INT(w->node[0].retired, 1);
	CHECK_INT(w->node[1].retired, 1);
	CHECK(wg_device_next_deadline_us(w->node[0].dev) == US_NEVER);
	CHECK(wg_device_next_deadline_us(w->node[1].dev) == US_NEVER);
	world_free(w);
}

TEST(keypair_of_180_s_carries_nothing_more_and_is_not_sent_on_for_its_last_second)
{
	struct world *w = world_new_joined(23, NULL);
	uint8_t pkt[PACKET_MAX];
	size_t len = 0;

	ask_for_handshake(w, 0);
	run_for(w, 1 * S);
	uint64_t birth_us = START_US + 20 * MS;
	CHECK(w->node[0].current->birth_us == birth_us);
	CHECK_INT(transport_seal(w->node[0].aead, w->node[0].current, pkt, &len, 0,
				 birth_us + 179 * S - 1),
		  0);
	CHECK_INT(
		transport_open(w->node[1].aead, w->node[1].current, pkt, &len, birth_us + 180 * S),
		-EKEYEXPIRED); /* born 10 ms earlier there */
	len = 0;
	CHECK_INT(transport_seal(w->node[0].aead, w->node[0].current, pkt, &len, 0,
				 birth_us + 179 * S),
		  -EKEYEXPIRED);
	world_free(w);
}

/* ---- under load ---- */

TEST(under_load_a_cookie_comes_first_and_the_retry_carries_it)
{
	struct world *w = world_new_joined(24, NULL);

	w->node[1].under_load = true;
	send_data(w, 0);
	run_for(w, 1 * S);
	CHECK_INT(w->node[1].cookie_replies, 1);
	CHECK_INT(w->node[1].responses, 0);
	CHECK(wg_device_dropped(w->node[1].dev, WG_DROP_UNDER_LOAD) == 1);

	run_until(w, START_US + 6 * S);
	CHECK_INT(w->node[1].responses, 1);
	CHECK_INT(w->node[1].cookie_replies, 1);
	CHECK_INT(w->node[1].data_received, 1);
	world_free(w);
}

TEST(under_load_one_source_gets_5_at_once_with_a_cookie)
{
	struct world *w = world_new_joined(25, NULL);

	w->node[1].under_load = true;
	send_data(w, 0);
	run_for(w, 4 * S); /* the cookie is there */
	w->is_cut[0] = true;
	for (unsigned i = 0; i < 8; i++) {
		struct wg_moment at = moment(w);

		wg_device_start_handshake(w->node[0].dev, w->node[0].peer, true, &at);
		take_effects(w, 0);
	}
	run_for(w, 20 * MS);
	/* All came in one instant: one is answered, four more are looked at, three are not. */
	CHECK_INT(w->node[1].responses, 1);
	CHECK(wg_device_dropped(w->node[1].dev, WG_DROP_FLOOD) == 4);
	CHECK(wg_device_dropped(w->node[1].dev, WG_DROP_RATELIMIT) == 3);
	world_free(w);
}

/* ---- TAI64N ---- */

TEST(reservation_on_disk_runs_ahead_of_every_initiation)
{
	struct world *w = world_new_joined(26, NULL);

	w->is_cut[1] = true;
	send_data(w, 0);
	CHECK_INT(w->node[0].reserves, 1);
	CHECK(w->node[0].reserved_unix_us == UNIX_US + 10 * S);
	run_for(w, 6 * S);
	CHECK_INT(w->node[0].initiations, 2);
	CHECK_INT(w->node[0].reserves, 1);
	run_for(w, 5 * S);
	CHECK_INT(w->node[0].initiations, 3);
	CHECK_INT(w->node[0].reserves, 2);
	world_free(w);
}

TEST(restarted_initiator_with_a_clock_set_back_is_taken_thanks_to_its_reservation)
{
	static const uint8_t hash_key[16] = {1};

	for (unsigned keeps = 0; keeps <= 1; keeps++) {
		struct world *w = world_new_joined(27, NULL);
		struct node *n = &w->node[0];

		send_data(w, 0);
		run_for(w, 1 * S);
		uint64_t reserved_unix_us = keeps ? n->reserved_unix_us : 0;
		wg_device_free(n->dev);
		n->dev = wg_device_new(&n->secret, n->table, reserved_unix_us, hash_key);
		n->current = NULL;
		add_other(n, &w->node[1], NULL);

		struct wg_moment at = moment(w);
		at.unix_us = UNIX_US - 3600 * (uint64_t)S;
		wg_device_start_handshake(n->dev, n->peer, false, &at);
		take_effects(w, 0);
		run_for(w, 1 * S);
		CHECK_INT(w->node[1].responses, 1 + keeps);
		CHECK(wg_device_dropped(w->node[1].dev, WG_DROP_REPLAY) == 1 - keeps);
		world_free(w);
	}
}

TEST(initiator_whose_clock_was_set_back_without_a_reservation_is_asked_in_its_place)
{
	struct world *w = world_new_joined(33, NULL);
	struct node *n = &w->node[0];
	const uint8_t hash_key[16] = {7};

	ask_for_handshake(w, 0);
	run_for(w, 500 * MS);

	wg_device_free(n->dev);
	n->current = NULL;
	n->dev = wg_device_new(&n->secret, n->table, 0, hash_key);
	CHECK(n->dev != NULL);
	add_other(n, &w->node[1], NULL);
	w->unix_back_us = 3600 * (uint64_t)S;
	ask_for_handshake(w, 0);
	run_for(w, 1 * S);
	CHECK_INT(w->node[1].initiations, 0); /* a late copy comes as soon */
	run_for(w, 5 * S);		      /* it asks again */
	CHECK_INT(w->node[1].initiations, 1);
	CHECK(n->current != NULL && w->node[1].current != NULL);
	CHECK(wg_device_dropped(w->node[1].dev, WG_DROP_REPLAY) == 2);
	world_free(w);
}

/* ---- peers ---- */

TEST(peer_of_our_own_key_and_of_low_order_are_refused_and_a_known_one_too)
{
	struct world *w = world_new_joined(28, NULL);
	struct public_key low = {{0}};
	struct traffic traffic = {0};
	struct wg_peer *peer;

	CHECK_INT(wg_device_add_peer(w->node[0].dev, wg_device_public_key(w->node[0].dev), NULL,
				     &traffic, NULL, &peer),
		  -EINVAL);
	CHECK_INT(wg_device_add_peer(w->node[0].dev, &low, NULL, &traffic, NULL, &peer), -EINVAL);
	CHECK_INT(wg_device_add_peer(w->node[0].dev, wg_peer_key(w->node[0].peer), NULL, &traffic,
				     NULL, &peer),
		  -EEXIST);
	CHECK(wg_device_find_peer(w->node[0].dev, wg_peer_key(w->node[0].peer)) == w->node[0].peer);
	CHECK(wg_device_next_peer(w->node[0].dev, NULL) == w->node[0].peer);
	CHECK(wg_device_next_peer(w->node[0].dev, w->node[0].peer) == NULL);
	world_free(w);
}

TEST(removed_peer_hands_over_its_keypairs_and_nothing_else)
{
	struct world *w = world_new_joined(29, NULL);
	struct node *n = &w->node[0];
	struct wg_effect e;

	send_data(w, 0);
	run_for(w, 1 * S);
	wg_device_remove_peer(n->dev, n->peer);
	CHECK(wg_device_next_effect(n->dev, &e));
	CHECK_INT(e.kind, WG_RETIRED);
	CHECK(e.peer == NULL && e.keypair == n->current);
	CHECK(index_table_find(n->table, e.keypair->local_index) == NULL);
	keypair_free(e.keypair);
	CHECK(!wg_device_next_effect(n->dev, &e));
	CHECK(wg_device_next_deadline_us(n->dev) == US_NEVER);
	world_free(w);
}

TEST(new_identity_ends_keypairs_and_speaks_for_itself_after)
{
	struct world *w = world_new_joined(30, NULL);
	struct node *n = &w->node[0];
	struct secret_key secret;
	uint8_t random[32] = {5};

	send_data(w, 0);
	run_for(w, 1 * S);
	secret_key_from_random(&secret, random);
	wg_device_set_secret(n->dev, &secret);
	take_effects(w, 0);
	CHECK(n->current == NULL);
	CHECK_INT(n->retired, 1);

	wg_device_remove_peer(w->node[1].dev, w->node[1].peer);
	w->node[1].current = NULL;
	take_effects(w, 1);
	add_other(&w->node[1], n, NULL);
	run_for(w, 10 * S);
	send_data(w, 0);
	run_for(w, 1 * S);
	CHECK_INT(w->node[1].data_received, 2);
	world_free(w);
}

TEST(device_without_identity_stays_silent_until_it_gets_one)
{
	struct world *w = world_new(31);
	struct node *n = &w->node[0];

	struct secret_key secret = n->secret;
	struct public_key key = *wg_device_public_key(n->dev);
	wg_device_set_secret(n->dev, NULL);
	add_other(n, &w->node[1], NULL);
	CHECK_INT(wg_device_add_peer(w->node[1].dev, &key, NULL, &w->node[1].traffic, &w->node[1],
				     &w->node[1].peer),
		  0);
	ask_for_handshake(w, 0);
	CHECK_INT(n->initiations, 0);
	wg_device_set_secret(n->dev, &secret);
	send_data(w, 0);
	run_for(w, 1 * S);
	CHECK_INT(w->node[1].data_received, 1);
	world_free(w);
}

/* ---- the wire's worst ---- */

TEST(lossy_doubling_reordering_wire_keeps_the_tunnel_alive)
{
	for (uint32_t seed = 100; seed < 120; seed++) {
		struct world *w = world_new_joined(seed, NULL);

		w->loss_percent = 30;
		w->doubles = true;
		w->jitter_us = 200 * MS;
		for (unsigned i = 0; i < 6000; i++) { /* 600 s */
			send_data(w, next_random(w) % 2);
			if (w->node[0].waiting > 50)
				w->node[0].waiting = 50;
			if (w->node[1].waiting > 50)
				w->node[1].waiting = 50;
			run_for(w, 100 * MS);
		}
		/* Two thirds of what was sent, less what was cut off above. */
		CHECK(w->node[0].data_received > 1800 && w->node[0].data_received < 2500);
		CHECK(w->node[1].data_received > 1800 && w->node[1].data_received < 2500);
		world_free(w);
	}
}

TEST(garbage_is_counted_and_changes_nothing)
{
	struct world *w = world_new_joined(32, NULL);
	const struct endpoint from = {.ip.b = {[15] = 1}, .port = 1};
	struct wg_source source = wg_source_from_endpoint(&from);
	struct wg_effect e;

	send_data(w, 0);
	run_for(w, 1 * S);
	struct keypair *current = w->node[1].current;
	for (unsigned i = 0; i < 20000; i++) {
		static const size_t lens[] = {148, 92, 64, 32, 0, 3, 149};
		struct wg_moment at = moment(w);
		uint8_t junk[160];

		for (size_t j = 0; j < sizeof(junk); j++)
			junk[j] = (uint8_t)next_random(w);
		memset(junk, 0, 4);
		junk[0] = (uint8_t)(i % 5);
		CHECK(wg_device_on_handshake_packet(w->node[1].dev, junk, lens[i % 7], &source,
						    false, &at, NULL, NULL) != 0);
		CHECK(!wg_device_next_effect(w->node[1].dev, &e));
	}
	CHECK(w->node[1].current == current);
	send_data(w, 0);
	run_for(w, 1 * S);
	CHECK_INT(w->node[1].data_received, 2);
	world_free(w);
}

TEST(every_drop_reason_has_a_name)
{
	for (unsigned i = 0; i < WG_DROP_COUNT; i++)
		CHECK(wg_drop_str((enum wg_drop)i) != NULL);
}
