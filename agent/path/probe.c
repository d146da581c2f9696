#include "agent/path/probe.h"

#include <stddef.h>
#include <string.h>

#include "common/clock.h"

static const uint64_t seen_for_us = 10 * US_PER_S;

/* What is asked for is among the latest nearly always: i back from the newest one. */
static unsigned index_back(const struct probe_table *t, unsigned i)
{
	return (t->next - 1 - i) % PROBES_OPEN_MAX;
}

struct probe *probe_open(struct probe_table *t, const uint8_t txid[static PROBE_TXID_LEN], int slot,
			 uint32_t number, uint64_t now_us)
{
	struct probe *p = &t->ring[t->next++ % PROBES_OPEN_MAX];

	*p = (struct probe){.slot = (int16_t)slot, .number = number, .sent_us = now_us};
	memcpy(p->txid, txid, PROBE_TXID_LEN);
	return p;
}

bool probe_is_open(const struct probe *p)
{
	return p->sent_us != 0 && p->slot >= 0 && !p->settled && !p->answered;
}

unsigned probe_first_open(struct probe_table *t)
{
	if (t->next - t->first_open > PROBES_OPEN_MAX)
		t->first_open = t->next - PROBES_OPEN_MAX;
	while (t->first_open != t->next &&
	       !probe_is_open(&t->ring[t->first_open % PROBES_OPEN_MAX]))
		t->first_open++;
	return t->first_open;
}

static bool is_of(const struct probe *p, int slot)
{
	return p->sent_us != 0 && p->slot == slot;
}

struct probe *probe_close(struct probe_table *t, const uint8_t txid[static PROBE_TXID_LEN])
{
	for (unsigned i = 0; i < PROBES_OPEN_MAX; i++) {
		struct probe *p = &t->ring[index_back(t, i)];

		if (p->sent_us == 0 || p->slot < 0 || p->answered ||
		    memcmp(p->txid, txid, PROBE_TXID_LEN) != 0)
			continue;
		p->answered = true;
		return p;
	}
	return NULL;
}

const struct probe *probe_find_number(const struct probe_table *t, int slot, uint32_t number)
{
	for (unsigned i = 0; i < PROBES_OPEN_MAX; i++) {
		const struct probe *p = &t->ring[index_back(t, i)];

		if (is_of(p, slot) && p->number == number)
			return p;
	}
	return NULL;
}

uint32_t probe_number_until(const struct probe_table *t, int slot, uint64_t until_us)
{
	for (unsigned i = 0; i < PROBES_OPEN_MAX; i++) {
		const struct probe *p = &t->ring[index_back(t, i)];

		if (is_of(p, slot) && p->sent_us <= until_us)
			return p->number;
	}
	return 0;
}

void probe_forget_slot(struct probe_table *t, int slot)
{
	for (size_t i = 0; i < PROBES_OPEN_MAX; i++)
		if (is_of(&t->ring[i], slot))
			t->ring[i].slot = -1;
}

bool probe_is_new(struct probe_seen *s, const uint8_t txid[static PROBE_TXID_LEN], uint64_t now_us)
{
	for (unsigned i = 1; i <= PROBES_SEEN_MAX; i++) {
		const struct probe_seen_entry *e = &s->ring[(s->next - i) % PROBES_SEEN_MAX];

		if (e->at_us == 0 || now_us - e->at_us >= seen_for_us)
			break; /* and so are all before it */
		if (memcmp(e->txid, txid, PROBE_TXID_LEN) == 0)
			return false;
	}
	struct probe_seen_entry *e = &s->ring[s->next++ % PROBES_SEEN_MAX];

	memcpy(e->txid, txid, PROBE_TXID_LEN);
	e->at_us = now_us;
	return true;
}
