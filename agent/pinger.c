#include "agent/pinger.h"

#include <string.h>

static const uint64_t interval_min_us = 10 * US_PER_MS;

void pinger_init(struct pinger *p, uint64_t interval_us, uint32_t count, uint64_t now_us)
{
	*p = (struct pinger){
		.interval_us = interval_us > interval_min_us ? interval_us : interval_min_us,
		.count = count,
		.next_us = now_us,
	};
}

static bool all_sent(const struct pinger *p)
{
	return p->count > 0 && p->sent == p->count;
}

/* A free slot, or the oldest: with PINGER_OPEN_MAX probes open its pong is long overdue. */
static struct pinger_probe *slot_for(struct pinger *p)
{
	return &p->open[p->sent % PINGER_OPEN_MAX];
}

bool pinger_is_due(const struct pinger *p, uint64_t now_us)
{
	return !all_sent(p) && now_us >= p->next_us;
}

void pinger_on_sent(struct pinger *p, const uint8_t txid[static DISCO_TXID_LEN],
		    const struct way *way, uint64_t now_us)
{
	struct pinger_probe *probe = slot_for(p);

	p->sent++;
	*probe = (struct pinger_probe){.seq = p->sent, .way = *way, .sent_us = now_us};
	memcpy(probe->txid, txid, DISCO_TXID_LEN);
	p->next_us = now_us + p->interval_us;
}

bool pinger_on_pong(struct pinger *p, const uint8_t txid[static DISCO_TXID_LEN], uint64_t now_us,
		    struct pinger_result *out)
{
	for (size_t i = 0; i < PINGER_OPEN_MAX; i++) {
		struct pinger_probe *probe = &p->open[i];

		if (probe->seq == 0 || memcmp(probe->txid, txid, DISCO_TXID_LEN) != 0)
			continue;
		*out = (struct pinger_result){
			.seq = probe->seq, .way = probe->way, .rtt_us = now_us - probe->sent_us};
		probe->seq = 0;
		return true;
	}
	return false;
}

bool pinger_expired(struct pinger *p, uint64_t now_us, struct pinger_result *out)
{
	for (size_t i = 0; i < PINGER_OPEN_MAX; i++) {
		struct pinger_probe *probe = &p->open[i];

		if (probe->seq == 0 || now_us - probe->sent_us < PINGER_TIMEOUT_US)
			continue;
		*out = (struct pinger_result){
			.seq = probe->seq, .timeout = true, .way = probe->way};
		probe->seq = 0;
		return true;
	}
	return false;
}

static uint64_t oldest_sent_us(const struct pinger *p)
{
	uint64_t oldest = US_NEVER;

	for (size_t i = 0; i < PINGER_OPEN_MAX; i++)
		if (p->open[i].seq != 0 && p->open[i].sent_us < oldest)
			oldest = p->open[i].sent_us;
	return oldest;
}

bool pinger_done(const struct pinger *p)
{
	return all_sent(p) && oldest_sent_us(p) == US_NEVER;
}

uint64_t pinger_deadline_us(const struct pinger *p)
{
	uint64_t oldest = oldest_sent_us(p);
	uint64_t expiry = oldest == US_NEVER ? US_NEVER : oldest + PINGER_TIMEOUT_US;

	return !all_sent(p) && p->next_us < expiry ? p->next_us : expiry;
}
