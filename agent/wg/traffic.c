#include "agent/wg/traffic.h"

#include "common/clock.h"

/* main looks at the times again 10 s after the last it saw, so it needs telling after a rest only.
 */
enum { REST_US = US_PER_S };

static uint64_t get(const _Atomic uint64_t *time_us)
{
	return atomic_load_explicit(time_us, memory_order_relaxed);
}

static void set(_Atomic uint64_t *time_us, uint64_t now_us)
{
	atomic_store_explicit(time_us, now_us, memory_order_relaxed);
}

static void set_if_zero(_Atomic uint64_t *time_us, uint64_t now_us)
{
	if (get(time_us) == 0)
		set(time_us, now_us);
}

static bool rested(const struct traffic *t, uint64_t now_us)
{
	uint64_t sent_us = get(&t->last_data_sent_us), received_us = get(&t->last_data_received_us);
	uint64_t last_us = sent_us > received_us ? sent_us : received_us;

	return last_us == 0 || now_us >= last_us + REST_US;
}

void traffic_on_other_sent(struct traffic *t, uint64_t now_us)
{
	set(&t->last_sent_us, now_us);
	set(&t->unanswered_received_us, 0);
}

void traffic_on_other_received(struct traffic *t, uint64_t now_us)
{
	set(&t->last_received_us, now_us);
	set(&t->unanswered_sent_us, 0);
}

bool traffic_on_data_sent(struct traffic *t, uint64_t now_us)
{
	bool after_rest = rested(t, now_us);

	traffic_on_other_sent(t, now_us);
	set(&t->last_data_sent_us, now_us);
	set_if_zero(&t->unanswered_sent_us, now_us);
	return after_rest;
}

bool traffic_on_data_received(struct traffic *t, uint64_t now_us)
{
	bool after_rest = rested(t, now_us);

	traffic_on_other_received(t, now_us);
	set(&t->last_data_received_us, now_us);
	set_if_zero(&t->unanswered_received_us, now_us);
	return after_rest;
}

void traffic_rearm_keepalive(struct traffic *t, uint64_t now_us)
{
	set_if_zero(&t->unanswered_received_us, now_us);
}
