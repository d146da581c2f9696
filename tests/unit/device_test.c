/*
 * Two devices over a wire (device_wire.h): the life of their keys, load, clocks, peers, and a bad
 * wire. Their handshakes: exchange_test.
 */
#include "agent/wg/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wg/transport.h"
#include "tests/unit/device_wire.h"
#include "tests/unit/test.h"

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

TEST(persistent_keepalive_goes_on_after_the_peer_began_first)
{
	struct world *w = world_new_joined(47, NULL);
	struct wg_moment at;

	w->is_cut[1] = true;
	ask_for_handshake(w, 0); /* lost, and overtaken by the other's */
	run_for(w, 100 * MS);
	w->is_cut[1] = false;
	ask_for_handshake(w, 1);
	run_for(w, 1 * S);
	CHECK(w->node[0].current != NULL);
	at = moment(w);
	wg_device_set_keepalive(w->node[0].dev, w->node[0].peer, 25, &at);
	take_effects(w, 0);
	w->is_cut[1] = true;
	run_for(w, 300 * (uint64_t)S);
	CHECK(w->node[0].initiations >= 2);
	w->is_cut[1] = false;
	run_for(w, 31 * S);
	CHECK(w->node[0].current && keypair_can_send(w->node[0].current, w->now_us));
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
