#include "agent/path/path_slot.h"

void path_slot_set(struct path_peer *p, int slot, const struct way *way, uint64_t now_us)
{
	probe_forget_slot(&p->probes, slot);
	p->path[slot] = (struct path){.way = *way};
	p->slots_used &= ~(UINT64_C(1) << slot);
	if (way->kind != WAY_NONE)
		p->slots_used |= UINT64_C(1) << slot;
	liveness_reset(&p->path[slot].live, now_us);
	if (p->in_use == slot)
		p->in_use = -1;
	if (p->copy_slot == slot)
		p->copy_slot = -1;
}

void path_slot_clear(struct path_peer *p, int slot, uint64_t now_us)
{
	struct way none = way_none();

	path_slot_set(p, slot, &none, now_us);
	if (slot < CANDIDATES_MAX)
		candidate_remove(&p->candidates, slot);
}

int path_slot_of_relay(const struct path_peer *p, uint32_t region)
{
	for (int i = CANDIDATES_MAX; i < PATH_SLOTS; i++)
		if (p->path[i].way.kind == WAY_RELAY && p->path[i].way.region == region)
			return i;
	return -1;
}

int path_slot_of(const struct path_peer *p, const struct way *way)
{
	switch (way->kind) {
	case WAY_NONE:
		return -1;
	case WAY_DIRECT:
		return candidate_find(&p->candidates, &way->addr);
	case WAY_RELAY:
		return path_slot_of_relay(p, way->region);
	}
	return -1;
}

int path_slot_add_candidate(struct path_peer *p, const struct endpoint *addr,
			    enum candidate_source source, uint64_t now_us, bool *fresh)
{
	int slot = candidate_add(&p->candidates, p->rules, addr, source, now_us, fresh);

	if (slot < 0) {
		p->drops[PATH_DROP_CANDIDATE]++;
		return -1;
	}
	if (*fresh) {
		struct way way = way_direct(*addr);
		path_slot_set(p, slot, &way, now_us);
	}
	return slot;
}

void path_slot_on_proof(struct path *path, uint64_t sent_us, uint64_t now_us)
{
	enum path_state before = path->live.state;

	liveness_on_proof(&path->live, sent_us, now_us);
	if (before == PATH_UP || path->live.state != PATH_UP)
		return;
	path->tries = 0;
	path->deficit.since_us = 0;
	/* A lossy way is suspect again and again, and is to be known for it. */
	if (before != PATH_SUSPECT)
		score_forget_losses(&path->score);
}

void path_slot_expire(struct path_peer *p, uint64_t now_us)
{
	for (int i = path_slot_after(p, -1); i < CANDIDATES_MAX; i = path_slot_after(p, i))
		if (i != p->in_use && i != p->copy_slot &&
		    candidate_is_stale(&p->candidates.slot[i], now_us))
			path_slot_clear(p, i, now_us);
}
