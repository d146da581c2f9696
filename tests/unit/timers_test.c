#include "agent/wg/timers.h"

#include "common/clock.h"
#include "tests/unit/test.h"

enum { S = 1000 * 1000 };
static const uint64_t T0 = 500 * (uint64_t)S;

struct peer {
	struct timers timers;
	struct traffic traffic;
};

static struct peer quiet(void)
{
	struct peer p = {0};

	timers_init(&p.timers);
	return p;
}

static uint64_t deadline(const struct peer *p, uint64_t now_us)
{
	return timers_deadline_us(&p->timers, &p->traffic, now_us);
}

static unsigned due(struct peer *p, uint64_t now_us)
{
	return timers_take_due(&p->timers, &p->traffic, now_us);
}

TEST(nothing_is_due_for_a_peer_never_heard_of)
{
	struct peer p = quiet();

	CHECK(deadline(&p, T0) == US_NEVER);
	CHECK_INT(due(&p, T0 + 10000 * (uint64_t)S), 0);
	CHECK(timers_may_initiate(&p.timers, 1));
}

TEST(retry_is_due_5_s_and_jitter_after_an_initiation)
{
	struct peer p = quiet();

	timers_on_handshake_wanted(&p.timers, T0);
	timers_on_initiation_sent(&p.timers, T0, 333000);
	CHECK(deadline(&p, T0) == T0 + 5333000);
	CHECK_INT(due(&p, T0 + 5333000 - 1), 0);
	CHECK_INT(due(&p, T0 + 5333000), DUE_RETRY);
	CHECK(!timers_may_initiate(&p.timers, T0 + 5 * S - 1));
	CHECK(timers_may_initiate(&p.timers, T0 + 5 * S));

	timers_on_initiation_sent(&p.timers, T0, 333001); /* jitter is at most 333 ms */
	CHECK(deadline(&p, T0) == T0 + 5 * S);
}

TEST(trying_ends_after_90_s_from_the_last_want)
{
	struct peer p = quiet();

	timers_on_handshake_wanted(&p.timers, T0);
	timers_on_initiation_sent(&p.timers, T0 + 88 * S, 0);
	CHECK(deadline(&p, T0 + 88 * S) == T0 + 90 * S);
	CHECK_INT(due(&p, T0 + 90 * S - 1), 0);
	CHECK_INT(due(&p, T0 + 90 * S), DUE_GIVE_UP);
	CHECK_INT(due(&p, T0 + 91 * S), 0);
	CHECK(deadline(&p, T0 + 91 * S) == T0 + (90 + 540) * (uint64_t)S);
}

TEST(a_complete_handshake_stops_retries)
{
	struct peer p = quiet();

	timers_on_handshake_wanted(&p.timers, T0);
	timers_on_initiation_sent(&p.timers, T0, 0);
	timers_on_handshake_complete(&p.timers);
	CHECK(deadline(&p, T0) == US_NEVER);
}

TEST(wipe_is_due_540_s_after_the_last_keys_once)
{
	struct peer p = quiet();

	timers_on_keys_made(&p.timers, T0);
	timers_on_keys_made(&p.timers, T0 + 10 * S);
	CHECK(deadline(&p, T0) == T0 + 550 * (uint64_t)S);
	CHECK_INT(due(&p, T0 + 550 * (uint64_t)S - 1), 0);
	CHECK_INT(due(&p, T0 + 550 * (uint64_t)S), DUE_WIPE);
	CHECK(deadline(&p, T0 + 550 * (uint64_t)S) == US_NEVER);
}

TEST(keepalive_is_due_10_s_after_the_first_data_unanswered)
{
	struct peer p = quiet();

	CHECK(traffic_on_data_received(&p.traffic, T0));
	(void)traffic_on_data_received(&p.traffic, T0 + 4 * S);
	CHECK(deadline(&p, T0 + 4 * S) == T0 + 10 * S);
	CHECK_INT(due(&p, T0 + 10 * S - 1), 0);
	CHECK_INT(due(&p, T0 + 10 * S), DUE_KEEPALIVE | DUE_KEEPALIVE_AGAIN);
	CHECK_INT(due(&p, T0 + 10 * S), 0);

	(void)traffic_on_data_received(&p.traffic, T0 + 20 * S);
	CHECK_INT(due(&p, T0 + 30 * S), DUE_KEEPALIVE); /* nothing came after the first */

	(void)traffic_on_data_received(&p.traffic, T0 + 40 * S);
	traffic_on_other_sent(&p.traffic, T0 + 41 * S);
	CHECK_INT(due(&p, T0 + 60 * S), 0);
}

TEST(new_handshake_is_due_15_s_and_jitter_after_the_first_data_unanswered)
{
	struct peer p = quiet();

	timers_on_initiation_sent(&p.timers, T0, 200000);
	timers_on_handshake_complete(&p.timers);
	(void)traffic_on_data_sent(&p.traffic, T0 + 1 * S);
	(void)traffic_on_data_sent(&p.traffic, T0 + 9 * S);
	CHECK_INT(due(&p, T0 + 16 * S + 200000 - 1), 0);
	CHECK_INT(due(&p, T0 + 16 * S + 200000), DUE_NEW_HANDSHAKE);
	CHECK_INT(due(&p, T0 + 17 * S), 0);

	(void)traffic_on_data_sent(&p.traffic, T0 + 20 * S);
	traffic_on_other_received(&p.traffic, T0 + 21 * S); /* any packet is an answer */
	CHECK_INT(due(&p, T0 + 60 * S), 0);
}

TEST(persistent_keepalive_counts_from_whatever_passed_last)
{
	struct peer p = quiet();

	timers_set_interval(&p.timers, 25, T0);
	CHECK(deadline(&p, T0) == T0 + 25 * S);
	traffic_on_other_received(&p.traffic, T0 + 5 * S);
	CHECK(deadline(&p, T0 + 5 * S) == T0 + 30 * S);
	traffic_on_other_sent(&p.traffic, T0 + 7 * S);
	CHECK(deadline(&p, T0 + 7 * S) == T0 + 32 * S);
	CHECK_INT(due(&p, T0 + 32 * S), DUE_KEEPALIVE);
	/* Even if it could not be sent, the next is an interval away. */
	CHECK(deadline(&p, T0 + 32 * S) == T0 + 57 * S);
	timers_set_interval(&p.timers, 0, T0);
	CHECK(deadline(&p, T0 + 32 * S) == US_NEVER);
}

TEST(looks_again_10_s_after_data_in_case_more_passed_unseen)
{
	struct peer p = quiet();

	(void)traffic_on_data_received(&p.traffic, T0);
	(void)traffic_on_data_sent(&p.traffic, T0 + 1 * S);
	traffic_on_other_received(&p.traffic, T0 + 2 * S); /* all answered */
	CHECK(deadline(&p, T0 + 2 * S) == T0 + 11 * S);
	CHECK_INT(due(&p, T0 + 11 * S), 0);
	CHECK(deadline(&p, T0 + 11 * S) == US_NEVER);
}
