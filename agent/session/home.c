#include "agent/session/home.h"

#include "common/clock.h"

/* Older measurements say nothing about where to move. */
static const uint64_t fresh_us = 5 * 60 * (uint64_t)US_PER_S;
/* So long a held session may be down before another is taken: a network that changes takes all of
 * them down, one after the other. */
static const uint64_t grace_us = 150 * US_PER_MS;
/* A region that is not held may be back after that long. */
static const uint64_t down_known_us = 60 * (uint64_t)US_PER_S;
/* Between two moves that only latency asks for. */
static const uint64_t hold_us = 60 * (uint64_t)US_PER_S;
static const uint64_t margin_us = 10 * US_PER_MS;

static const struct home_region *find(const struct home *h, uint32_t region)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->regions[i].region == region)
			return &h->regions[i];
	return NULL;
}

static struct home_region *find_writable(struct home *h, uint32_t region)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->regions[i].region == region)
			return &h->regions[i];
	return NULL;
}

void home_set_regions(struct home *h, const struct home_region *regions, size_t n)
{
	struct home next = *h;

	next.n = n < HOME_REGIONS_MAX ? n : HOME_REGIONS_MAX;
	for (size_t i = 0; i < next.n; i++) {
		const struct home_region *known = find(h, regions[i].region);
		struct home_region *r = &next.regions[i];

		*r = known ? *known : regions[i];
		r->may_be_home = regions[i].may_be_home && regions[i].score > 0;
		r->score = regions[i].score;
	}
	*h = next;
}

/* Better news are believed faster than worse: one slow probe moves nobody. */
static uint64_t smoothed(uint64_t old_us, uint64_t new_us)
{
	if (old_us == 0)
		return new_us;
	return new_us < old_us ? old_us - (old_us - new_us) / 2 : old_us + (new_us - old_us) / 8;
}

void home_on_latency(struct home *h, uint32_t region, uint64_t rtt_us, uint64_t now_us)
{
	struct home_region *r = find_writable(h, region);

	if (!r || rtt_us == 0)
		return;
	r->rtt_us = smoothed(now_us - r->measured_us > fresh_us ? 0 : r->rtt_us, rtt_us);
	r->measured_us = now_us;
}

void home_on_session(struct home *h, uint32_t region, bool up, uint64_t now_us)
{
	struct home_region *r = find_writable(h, region);

	/* A session that never came up has changed too, once: it is known to be down. */
	if (!r || (r->session_up == up && r->session_changed_us != 0))
		return;
	r->session_up = up;
	r->session_changed_us = now_us > 0 ? now_us : 1;
}

void home_on_unused(struct home *h, uint32_t region)
{
	struct home_region *r = find_writable(h, region);

	if (!r)
		return;
	r->session_up = false;
	r->session_changed_us = 0;
}

static bool is_measured(const struct home_region *r, uint64_t now_us)
{
	return r->rtt_us > 0 && now_us - r->measured_us <= fresh_us;
}

static double cost(const struct home_region *r)
{
	return (double)r->rtt_us * r->score;
}

static bool is_down(const struct home *h, const struct home_region *r, uint64_t now_us)
{
	bool is_held = r->region == h->home || r->region == h->second;

	return !r->session_up && r->session_changed_us != 0 &&
	       (is_held || now_us < r->session_changed_us + down_known_us);
}

static bool is_down_for_good(const struct home *h, const struct home_region *r, uint64_t now_us)
{
	return is_down(h, r, now_us) && now_us >= r->session_changed_us + grace_us;
}

static bool is_clearly_better(const struct home_region *a, const struct home_region *b)
{
	return cost(a) * 3 < cost(b) * 2 && cost(a) + (double)margin_us < cost(b);
}

/* The order in which regions are taken where nothing is chosen yet: not known to be down, then
 * measured, then cheap, then by number, so that nodes that know nothing choose the same. */
static bool ranks_before(const struct home *h, const struct home_region *a,
			 const struct home_region *b, uint64_t now_us)
{
	bool a_measured = is_measured(a, now_us), b_measured = is_measured(b, now_us);
	bool a_down = is_down(h, a, now_us), b_down = is_down(h, b, now_us);

	if (a_down != b_down)
		return b_down;
	if (a_measured != b_measured)
		return a_measured;
	if (a_measured && (cost(a) < cost(b) || cost(a) > cost(b)))
		return cost(a) < cost(b);
	return a->region < b->region;
}

enum wanted { ANY_REGION, ONE_THAT_STANDS };

/* The first in order but for the home; NULL where there is none. */
static const struct home_region *best(const struct home *h, enum wanted wanted, uint64_t now_us)
{
	const struct home_region *found = NULL;

	for (size_t i = 0; i < h->n; i++) {
		const struct home_region *r = &h->regions[i];
		bool fits = r->may_be_home && r->region != h->home &&
			    (wanted == ANY_REGION || r->session_up);

		if (fits && (!found || ranks_before(h, r, found, now_us)))
			found = r;
	}
	return found;
}

/* The home was taken unmeasured and its session is not up either: whatever is measured beats it. */
static bool is_blind_guess(const struct home_region *r)
{
	return r->rtt_us == 0 && !r->session_up;
}

static uint32_t choose_home(const struct home *h, uint64_t now_us)
{
	const struct home_region *now = find(h, h->home), *other = best(h, ANY_REGION, now_us);
	const struct home_region *standing = best(h, ONE_THAT_STANDS, now_us);

	if (now && !now->may_be_home)
		now = NULL;
	if (!now || !other)
		return now ? now->region : other ? other->region : 0;
	if (is_down_for_good(h, now, now_us) && standing)
		return standing->region;
	if (!is_measured(other, now_us) || is_down(h, other, now_us))
		return now->region;
	if (is_blind_guess(now))
		return other->region;
	bool held = h->settled && now_us < h->changed_us + hold_us;
	bool better = now->rtt_us > 0 && is_clearly_better(other, now);
	return better && !held ? other->region : now->region;
}

static uint32_t choose_second(const struct home *h, uint64_t now_us)
{
	const struct home_region *now = find(h, h->second), *other = best(h, ANY_REGION, now_us);
	bool stays = now && now->region != h->home && now->may_be_home;

	if (!other)
		return 0;
	if (!stays)
		return other->region;
	bool may_stand = !is_down(h, other, now_us);
	bool replaced = is_down_for_good(h, now, now_us) && may_stand;
	bool better = is_measured(other, now_us) && may_stand &&
		      (now->rtt_us == 0 || is_clearly_better(other, now));
	return replaced || better ? other->region : now->region;
}

bool home_decide(struct home *h, uint64_t now_us)
{
	h->decided_us = now_us;
	uint32_t home = choose_home(h, now_us), old_home = h->home, old_second = h->second;

	if (home != h->home) {
		/* A choice made without any measurement may be mended at once. */
		h->settled = find(h, home) && is_measured(find(h, home), now_us);
		h->changed_us = now_us;
		h->home = home;
	}
	h->second = choose_second(h, now_us);
	return h->home != old_home || h->second != old_second;
}

uint64_t home_deadline_us(const struct home *h)
{
	const uint32_t held[] = {h->home, h->second};
	uint64_t due_us = US_NEVER;

	for (size_t i = 0; i < 2; i++) {
		const struct home_region *r = find(h, held[i]);

		if (!r || !is_down(h, r, h->decided_us))
			continue;
		uint64_t end_us = r->session_changed_us + grace_us;
		if (end_us > h->decided_us && end_us < due_us)
			due_us = end_us;
	}
	return due_us;
}
