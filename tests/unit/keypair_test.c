#include "agent/wg/keypair.h"

#include <errno.h>
#include <pthread.h>

#include "tests/unit/test.h"

enum { S = 1000 * 1000 };
static const uint64_t BIRTH_US = 50 * (uint64_t)S;

static struct keypair *born(bool is_initiator)
{
	struct keypair *kp = keypair_new();

	kp->birth_us = BIRTH_US;
	kp->is_initiator = is_initiator;
	return kp;
}

TEST(receives_for_180_s_and_sends_a_second_less)
{
	struct keypair *kp = born(true);
	uint64_t counter;

	CHECK_INT(keypair_take_counter(kp, BIRTH_US, &counter), 0);
	CHECK(counter == 0);
	CHECK_INT(keypair_take_counter(kp, BIRTH_US + 179 * S - 1, &counter), 0);
	CHECK(counter == 1 && keypair_can_send(kp, BIRTH_US + 179 * S - 1));
	CHECK_INT(keypair_take_counter(kp, BIRTH_US + 179 * S, &counter), -EKEYEXPIRED);
	CHECK(!keypair_can_send(kp, BIRTH_US + 179 * S));
	CHECK(!keypair_can_receive(kp, BIRTH_US + 180 * S));
	CHECK(keypair_can_receive(kp, BIRTH_US + 180 * S - 1));
	keypair_free(kp);
}

TEST(counters_end_8192_short_of_2_to_the_64)
{
	struct keypair *kp = born(true);
	uint64_t counter;

	atomic_store(&kp->send_counter, REJECT_AFTER_MESSAGES - 2);
	CHECK_INT(keypair_take_counters(kp, 3, BIRTH_US, &counter), -EKEYEXPIRED);
	CHECK_INT(keypair_take_counters(kp, 2, BIRTH_US, &counter), 0);
	CHECK(counter == UINT64_MAX - 8192 - 2);
	CHECK_INT(keypair_take_counter(kp, BIRTH_US, &counter), -EKEYEXPIRED);
	CHECK(!keypair_can_send(kp, BIRTH_US));
	CHECK(atomic_load(&kp->send_counter) == REJECT_AFTER_MESSAGES);
	CHECK_INT(keypair_take_counters(kp, UINT64_MAX, BIRTH_US, &counter), -EKEYEXPIRED);

	CHECK(replay_accept(&kp->window, REJECT_AFTER_MESSAGES - 1));
	CHECK(!keypair_can_receive(kp, BIRTH_US));
	keypair_free(kp);
}

TEST(initiator_renews_after_120_s_and_either_after_2_to_the_60_packets)
{
	struct keypair *initiator = born(true), *responder = born(false);

	CHECK(!keypair_renew_on_send(initiator, BIRTH_US + 120 * S - 1));
	CHECK(keypair_renew_on_send(initiator, BIRTH_US + 120 * S));
	CHECK(!keypair_renew_on_send(responder, BIRTH_US + 179 * S));
	atomic_store(&responder->send_counter, UINT64_C(1) << 60);
	CHECK(!keypair_renew_on_send(responder, BIRTH_US));
	atomic_store(&responder->send_counter, (UINT64_C(1) << 60) + 1);
	CHECK(keypair_renew_on_send(responder, BIRTH_US));
	keypair_free(initiator);
	keypair_free(responder);
}

TEST(receiving_asks_for_renewal_once_and_at_165_s)
{
	struct keypair *initiator = born(true), *responder = born(false);

	CHECK(!keypair_renew_on_receive(initiator, BIRTH_US + 165 * S - 1));
	CHECK(keypair_renew_on_receive(initiator, BIRTH_US + 165 * S));
	CHECK(!keypair_renew_on_receive(initiator, BIRTH_US + 166 * S));
	CHECK(!keypair_renew_on_receive(responder, BIRTH_US + 166 * S));
	keypair_free(initiator);
	keypair_free(responder);
}

TEST(confirms_once)
{
	struct keypair *kp = born(false);

	CHECK(keypair_confirm(kp));
	CHECK(!keypair_confirm(kp));
	keypair_free(kp);
}

enum { TAKES = 100000 };

static void *take_many(void *arg)
{
	struct keypair *kp = arg;
	uint64_t counter, last = 0;

	for (unsigned i = 0; i < TAKES; i++) {
		if (keypair_take_counters(kp, 1 + i % 3, BIRTH_US, &counter) != 0 ||
		    (i > 0 && counter <= last))
			return kp;
		last = counter;
	}
	return NULL;
}

TEST(two_threads_never_take_the_same_counter)
{
	struct keypair *kp = born(true);
	pthread_t thread;
	void *failed;

	CHECK(pthread_create(&thread, NULL, take_many, kp) == 0);
	CHECK(take_many(kp) == NULL);
	CHECK(pthread_join(thread, &failed) == 0 && failed == NULL);
	/* Each took 1 + 2 + 3 for every three turns, and one more for the last. */
	CHECK(atomic_load(&kp->send_counter) == 2 * (TAKES / 3 * 6 + 1));
	keypair_free(kp);
}
