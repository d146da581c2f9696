/*
 * Handshakes between two devices over a wire (device_wire.h): when they come about, and what is
 * taken for one.
 */
#include "agent/wg/exchange.h"

#include <errno.h>
#include <string.h>

#include "agent/wg/device.h"
#include "tests/unit/device_wire.h"
#include "tests/unit/test.h"

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
