#include "agent/unheard.h"

#include "common/clock.h"

/* Beyond four round trips: a peer that began anew shakes hands by itself, and is given time to. */
static const uint64_t patience_us = 500 * US_PER_MS;
/* Fewer may have been lost on the way, or are under way. */
enum { SENT_MIN = 4, ASKED_MAX = 4 };

static void begin(struct unheard *u, uint32_t sent, uint64_t now_us)
{
	u->sent = sent;
	u->since_us = now_us;
}

bool unheard_on_report(struct unheard *u, const struct unheard_report *report, uint64_t now_us)
{
	bool is_news = u->since_us == 0 || report->heard != u->heard[report->kind];

	u->heard[report->kind] = report->heard;
	if (is_news) {
		begin(u, report->sent, now_us);
		u->asked = 0;
		return false;
	}
	uint64_t wait_us = (patience_us + 4 * report->rtt_us) << u->asked;
	bool is_due = now_us - u->since_us >= wait_us && u->asked < ASKED_MAX;

	if (!report->is_proof || !is_due || report->sent - u->sent < SENT_MIN)
		return false;
	u->asked++;
	return true;
}

void unheard_on_keys(struct unheard *u, uint32_t sent, uint64_t now_us)
{
	if (u->since_us != 0)
		begin(u, sent, now_us);
}
