#include "agent/wg/keypair.h"

#include <errno.h>
#include <stdlib.h>

#include <sodium.h>

/* Paper section 6.2: below this much life left, a keep-alive would come too late. */
static const uint64_t RENEW_ON_RECEIVE_US =
	REJECT_AFTER_TIME_US - KEEPALIVE_TIMEOUT_US - REKEY_TIMEOUT_US;

/* The peer counts from a birth that may lie a round trip before ours: what leaves in the last
 * moment comes to keys that are dead. */
static const uint64_t SEND_UNTIL_US = REJECT_AFTER_TIME_US - US_PER_S;

struct keypair *keypair_new(void)
{
	return calloc(1, sizeof(struct keypair));
}

void keypair_free(struct keypair *kp)
{
	if (!kp)
		return;
	sodium_memzero(kp, sizeof(*kp));
	free(kp);
}

static bool older_than(const struct keypair *kp, uint64_t age_us, uint64_t now_us)
{
	return now_us >= kp->birth_us && now_us - kp->birth_us >= age_us;
}

int keypair_take_counters(struct keypair *kp, uint64_t n, uint64_t now_us, uint64_t *counter)
{
	uint64_t first = atomic_load_explicit(&kp->send_counter, memory_order_relaxed);

	do {
		if (older_than(kp, SEND_UNTIL_US, now_us) || n > REJECT_AFTER_MESSAGES ||
		    first > REJECT_AFTER_MESSAGES - n)
			return -EKEYEXPIRED;
	} while (!atomic_compare_exchange_weak_explicit(
		&kp->send_counter, &first, first + n, memory_order_relaxed, memory_order_relaxed));
	*counter = first;
	return 0;
}

int keypair_take_counter(struct keypair *kp, uint64_t now_us, uint64_t *counter)
{
	return keypair_take_counters(kp, 1, now_us, counter);
}

bool keypair_can_send(const struct keypair *kp, uint64_t now_us)
{
	return !older_than(kp, SEND_UNTIL_US, now_us) &&
	       atomic_load_explicit(&kp->send_counter, memory_order_relaxed) <
		       REJECT_AFTER_MESSAGES;
}

bool keypair_can_receive(const struct keypair *kp, uint64_t now_us)
{
	return !older_than(kp, REJECT_AFTER_TIME_US, now_us) &&
	       kp->window.next < REJECT_AFTER_MESSAGES;
}

bool keypair_renew_on_send(const struct keypair *kp, uint64_t now_us)
{
	if (atomic_load_explicit(&kp->send_counter, memory_order_relaxed) > REKEY_AFTER_MESSAGES)
		return true;
	return kp->is_initiator && older_than(kp, REKEY_AFTER_TIME_US, now_us);
}

bool keypair_renew_on_receive(struct keypair *kp, uint64_t now_us)
{
	if (!kp->is_initiator || !older_than(kp, RENEW_ON_RECEIVE_US, now_us))
		return false;
	return !atomic_exchange_explicit(&kp->last_minute_asked, true, memory_order_relaxed);
}

bool keypair_confirm(struct keypair *kp)
{
	/* The load first: an exchange for each packet would own the cache line. */
	if (atomic_load_explicit(&kp->confirmed, memory_order_relaxed))
		return false;
	return !atomic_exchange_explicit(&kp->confirmed, true, memory_order_relaxed);
}
