#include "agent/path/path_turn.h"

#include "agent/path/path_pick.h"
#include "agent/path/path_send.h"
#include "agent/path/path_slot.h"
#include "agent/path/path_traffic.h"

/* How late a timer may fire before it counts as our own stall. */
static const uint64_t late_min_us = 20 * US_PER_MS;
/* While data flows, main looks at the lanes' times this often. */
static const uint64_t poll_us = 25 * US_PER_MS;
static const uint64_t traffic_recent_us = 1 * US_PER_S;
static const uint64_t lost_min_us = 1 * US_PER_S;

void path_turn_begin(struct path_peer *p, uint64_t now_us)
{
	if (p->deadline_us >= now_us || now_us - p->deadline_us < late_min_us)
		return;
	uint64_t late_us = now_us - p->deadline_us;

	for (int i = 0; i < PATH_SLOTS; i++)
		liveness_forgive(&p->path[i].live, late_us, now_us);
	if (p->unanswered_us != 0)
		p->unanswered_us =
			p->unanswered_us + late_us < now_us ? p->unanswered_us + late_us : now_us;
	p->deadline_us = now_us;
}

/* The peer was away, as it had said: whatever was lost meanwhile, its absence is no quality. */
static bool met_nobody(const struct path_peer *p, const struct probe *probe, uint64_t wait_us)
{
	return probe->sent_us < p->quiet_until_us &&
	       probe->sent_us + path_restart_us + wait_us >= p->quiet_until_us;
}

/* A probe is known to be lost a second after it was sent; others have been answered since. */
static unsigned answered_after(const struct path_peer *p, unsigned number)
{
	const struct probe *lost = &p->probes.ring[number % PROBES_OPEN_MAX];
	unsigned n = 0;

	for (unsigned i = number + 1; i != p->probes.next; i++) {
		const struct probe *probe = &p->probes.ring[i % PROBES_OPEN_MAX];

		n += probe->slot == lost->slot && probe->answered;
	}
	return n;
}

static void settle_probes(struct path_peer *p, uint64_t now_us)
{
	for (unsigned i = probe_first_open(&p->probes); i != p->probes.next; i++) {
		struct probe *probe = &p->probes.ring[i % PROBES_OPEN_MAX];

		if (!probe_is_open(probe))
			continue;
		struct path *path = &p->path[probe->slot];
		uint64_t wait_us = 4 * path->live.rtt_us;

		if (now_us - probe->sent_us < (wait_us > lost_min_us ? wait_us : lost_min_us))
			continue;
		probe->settled = true;
		if (path->live.state == PATH_UP && probe->sent_us >= path->live.since_us &&
		    !met_nobody(p, probe, wait_us))
			score_on_lost_probe(&path->score, answered_after(p, i));
	}
}

/* The way in use gives no answer: whatever changed, ask everybody at once. */
static void note_trouble(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	const struct path *cur = p->in_use < 0 ? NULL : &p->path[p->in_use];
	bool in_trouble = cur && cur->live.state == PATH_SUSPECT;

	if (cur && cur->live.asked == 0)
		p->noticed = false;
	if (in_trouble && !p->in_trouble) {
		path_send_ask_endpoints(p, now_us, out);
		path_send_restart_burst(p, now_us);
		path_send_restart_calls(p, now_us);
	}
	p->in_trouble = in_trouble;
}

static uint64_t soonest(uint64_t a_us, uint64_t b_us)
{
	return a_us < b_us ? a_us : b_us;
}

static uint64_t next_deadline_us(const struct path_peer *p, uint64_t now_us)
{
	uint64_t deadline = soonest(path_send_deadline_us(p, now_us), path_pick_deadline_us(p));
	uint64_t last_us = path_traffic_last_us(&p->traffic);

	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i)) {
		uint64_t live_us = liveness_deadline_us(&p->path[i].live);

		if (now_us < p->quiet_until_us && live_us != US_NEVER)
			live_us = p->quiet_until_us;
		deadline = soonest(deadline, live_us);
	}
	if (last_us != 0 && now_us - last_us < traffic_recent_us)
		deadline = soonest(deadline, now_us + poll_us);
	/* An event that brings itself about again at once would hold the loop. */
	uint64_t earliest_us = now_us + US_PER_MS;
	return deadline < earliest_us ? earliest_us : deadline;
}

void path_turn_end(struct path_peer *p, uint64_t now_us, struct path_actions *out)
{
	bool is_quiet = now_us < p->quiet_until_us;

	for (int i = path_slot_after(p, -1); i < PATH_SLOTS && !is_quiet; i = path_slot_after(p, i))
		liveness_on_deadline(&p->path[i].live, now_us);
	settle_probes(p, now_us);
	path_pick(p, now_us, out);
	note_trouble(p, now_us, out);
	path_send_due(p, now_us, out);
	path_slot_expire(p, now_us);
	p->deadline_us = next_deadline_us(p, now_us);
}
