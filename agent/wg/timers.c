#include "agent/wg/timers.h"

#include "agent/wg/keypair.h"
#include "common/clock.h"

enum {
	DEAD_PEER_US = KEEPALIVE_TIMEOUT_US + REKEY_TIMEOUT_US,
	WIPE_AFTER_US = 3 * REJECT_AFTER_TIME_US
};

static uint64_t get(const _Atomic uint64_t *time_us)
{
	return atomic_load_explicit(time_us, memory_order_relaxed);
}

static void clear(_Atomic uint64_t *time_us)
{
	atomic_store_explicit(time_us, 0, memory_order_relaxed);
}

static uint64_t earlier(uint64_t a_us, uint64_t b_us)
{
	return a_us < b_us ? a_us : b_us;
}

static uint64_t later(uint64_t a_us, uint64_t b_us)
{
	return a_us > b_us ? a_us : b_us;
}

/* A time some while after another that is 0 where it hasn't been. */
static uint64_t after(uint64_t time_us, uint64_t while_us)
{
	return time_us == 0 ? US_NEVER : time_us + while_us;
}

void timers_init(struct timers *t)
{
	*t = (struct timers){.retry_us = US_NEVER, .wipe_us = US_NEVER};
}

bool timers_may_initiate(const struct timers *t, uint64_t now_us)
{
	return t->initiation_sent_us == 0 || now_us >= t->initiation_sent_us + REKEY_TIMEOUT_US;
}

void timers_on_handshake_wanted(struct timers *t, uint64_t now_us)
{
	t->series_start_us = now_us;
}

void timers_on_initiation_sent(struct timers *t, uint64_t now_us, uint32_t jitter)
{
	t->jitter_us = jitter % (TIMERS_JITTER_MAX_US + 1);
	t->initiation_sent_us = now_us;
	t->retry_us = now_us + REKEY_TIMEOUT_US + t->jitter_us;
}

void timers_on_keys_made(struct timers *t, uint64_t now_us)
{
	t->wipe_us = now_us + WIPE_AFTER_US;
}

void timers_cancel_retry(struct timers *t)
{
	t->retry_us = US_NEVER;
}

void timers_on_handshake_complete(struct timers *t)
{
	timers_cancel_retry(t);
}

void timers_set_interval(struct timers *t, uint16_t interval_s, uint64_t now_us)
{
	t->interval_us = (uint64_t)interval_s * US_PER_S;
	t->interval_from_us = now_us;
}

bool timers_retries(const struct timers *t)
{
	return t->retry_us != US_NEVER;
}

static uint64_t give_up_us(const struct timers *t)
{
	return t->retry_us == US_NEVER ? US_NEVER : t->series_start_us + REKEY_ATTEMPT_TIME_US;
}

static uint64_t persistent_us(const struct timers *t, const struct traffic *traffic)
{
	uint64_t passed_us = later(get(&traffic->last_sent_us), get(&traffic->last_received_us));

	if (t->interval_us == 0)
		return US_NEVER;
	return later(passed_us, t->interval_from_us) + t->interval_us;
}

static uint64_t keepalive_us(const struct traffic *traffic)
{
	return after(get(&traffic->unanswered_received_us), KEEPALIVE_TIMEOUT_US);
}

static uint64_t new_handshake_us(const struct timers *t, const struct traffic *traffic)
{
	return after(get(&traffic->unanswered_sent_us), DEAD_PEER_US + t->jitter_us);
}

/* Data that passed after we were told of the first can't be due before this. */
static uint64_t look_again_us(const struct traffic *traffic, uint64_t now_us)
{
	uint64_t data_us =
		later(get(&traffic->last_data_sent_us), get(&traffic->last_data_received_us));
	uint64_t look_us = after(data_us, KEEPALIVE_TIMEOUT_US);

	return look_us > now_us ? look_us : US_NEVER;
}

uint64_t timers_deadline_us(const struct timers *t, const struct traffic *traffic, uint64_t now_us)
{
	uint64_t deadline_us = earlier(t->retry_us, give_up_us(t));

	deadline_us = earlier(deadline_us, t->wipe_us);
	deadline_us = earlier(deadline_us, persistent_us(t, traffic));
	deadline_us = earlier(deadline_us, keepalive_us(traffic));
	deadline_us = earlier(deadline_us, new_handshake_us(t, traffic));
	return earlier(deadline_us, look_again_us(traffic, now_us));
}

static unsigned take_handshake_due(struct timers *t, struct traffic *traffic, uint64_t now_us)
{
	unsigned due = 0;

	if (now_us >= give_up_us(t)) {
		/* Keys of before, if any, go as if they had been made now. */
		if (t->wipe_us == US_NEVER)
			t->wipe_us = now_us + WIPE_AFTER_US;
		timers_cancel_retry(t);
		due |= DUE_GIVE_UP;
	} else if (now_us >= t->retry_us) {
		due |= DUE_RETRY;
	}
	if (now_us >= new_handshake_us(t, traffic)) {
		clear(&traffic->unanswered_sent_us);
		due |= DUE_NEW_HANDSHAKE;
	}
	return due;
}

static unsigned take_keepalive_due(struct timers *t, struct traffic *traffic, uint64_t now_us)
{
	unsigned due = 0;

	if (now_us >= keepalive_us(traffic)) {
		due |= DUE_KEEPALIVE;
		if (get(&traffic->last_data_received_us) > get(&traffic->unanswered_received_us))
			due |= DUE_KEEPALIVE_AGAIN;
		clear(&traffic->unanswered_received_us);
	}
	if (now_us >= persistent_us(t, traffic)) {
		t->interval_from_us = now_us;
		due |= DUE_KEEPALIVE;
	}
	return due;
}

unsigned timers_take_due(struct timers *t, struct traffic *traffic, uint64_t now_us)
{
	unsigned due =
		take_handshake_due(t, traffic, now_us) | take_keepalive_due(t, traffic, now_us);

	if (now_us >= t->wipe_us) {
		t->wipe_us = US_NEVER;
		due |= DUE_WIPE;
	}
	return due;
}
