#include "tests/sim/link.h"

#include "common/clock.h"

enum { MTU_BYTES = 1500, QUEUE_BYTES = 64 * 1024 };

/* The jitter wanders from one point to the next in this time, or in twice its size if that is
 * longer: then the delay never falls faster than time passes, and packets keep their order. */
static const uint64_t wander_us = 20 * 1000;
/* Of its mean: what lasts longer is a cut, and a day has those of its own. */
enum { BURST_TIMES_MAX = 4 };

void link_init(struct link *l, const struct link_quality *both, const struct random *dice)
{
	struct random seeds = *dice;

	*l = (struct link){0};
	for (int side = 0; side < LINK_SIDES; side++) {
		struct link_way *way = &l->ways[side];
		random_init(&way->dice, random_u64(&seeds), (uint64_t)side);
		way->noise_seed = random_u64(&seeds);
		way->quality = *both;
	}
}

void link_set_quality(struct link *l, enum link_side side, const struct link_quality *q)
{
	struct link_way *way = &l->ways[side];

	way->quality = *q;
	way->in_burst = false;
	way->burst_until_us = 0;
}

void link_cut(struct link *l, enum link_side side, bool is_cut)
{
	l->ways[side].is_cut = is_cut;
}

void link_cut_both(struct link *l, bool is_cut)
{
	link_cut(l, LINK_UP, is_cut);
	link_cut(l, LINK_DOWN, is_cut);
}

bool link_needs_order(const struct link *l, enum link_side side)
{
	return l->ways[side].quality.rate_bytes_per_s != 0;
}

static uint64_t burst_us(struct link_way *way)
{
	uint64_t mean_us = way->quality.burst_len_us;
	uint64_t most_us = BURST_TIMES_MAX * mean_us;
	uint64_t drawn_us = random_exponential(&way->dice, mean_us);

	return drawn_us < most_us ? drawn_us : most_us;
}

/* The chain's state at now_us; a time before the last one asked is answered with the later state.
 */
static bool is_in_burst(struct link_way *way, uint64_t now_us)
{
	const struct link_quality *q = &way->quality;

	if (q->burst_loss <= 0)
		return false;
	if (way->burst_until_us == 0)
		way->burst_until_us = now_us + random_exponential(&way->dice, q->burst_every_us);
	while (now_us >= way->burst_until_us) {
		way->in_burst = !way->in_burst;
		way->burst_until_us += 1;
		way->burst_until_us += way->in_burst
					       ? burst_us(way)
					       : random_exponential(&way->dice, q->burst_every_us);
	}
	return way->in_burst;
}

/* The wandering delay at a time: a function of it alone, so that calls may come in any order. */
static uint64_t jitter_at(const struct link_way *way, uint64_t now_us)
{
	uint64_t jitter_us = way->quality.jitter_us;

	if (jitter_us == 0)
		return 0;
	uint64_t step_us = 2 * jitter_us > wander_us ? 2 * jitter_us : wander_us;
	uint64_t i = now_us / step_us, into_us = now_us % step_us;
	uint64_t a = random_mix(way->noise_seed ^ i) % (jitter_us + 1);
	uint64_t b = random_mix(way->noise_seed ^ (i + 1)) % (jitter_us + 1);
	return (a * (step_us - into_us) + b * into_us) / step_us;
}

/* When the rate has sent it; false where the queue has no room. */
static bool pass_rate(struct link_way *way, size_t len, uint64_t now_us, uint64_t *sent_us)
{
	uint64_t rate = way->quality.rate_bytes_per_s;
	size_t queue_bytes = way->quality.queue_bytes ? way->quality.queue_bytes : QUEUE_BYTES;

	*sent_us = now_us;
	if (rate == 0)
		return true;
	uint64_t start_us = way->free_us > now_us ? way->free_us : now_us;
	if ((start_us - now_us) * rate / US_PER_S + len > queue_bytes && start_us > now_us)
		return false;
	way->free_us = start_us + len * US_PER_S / rate;
	*sent_us = way->free_us;
	return true;
}

static enum link_verdict pass(struct link_way *way, size_t len, uint64_t now_us,
			      struct link_passage *out)
{
	const struct link_quality *q = &way->quality;
	uint64_t sent_us;

	if (way->is_cut)
		return LINK_CUT;
	if (len > (q->mtu_bytes ? q->mtu_bytes : MTU_BYTES))
		return LINK_TOO_BIG;
	if (!pass_rate(way, len, now_us, &sent_us))
		return LINK_QUEUE_FULL;
	if (random_chance(&way->dice, q->loss))
		return LINK_LOST;
	if (is_in_burst(way, now_us) && random_chance(&way->dice, q->burst_loss))
		return LINK_LOST_IN_BURST;
	out->arrive_us = sent_us + q->delay_us + jitter_at(way, sent_us);
	if (random_chance(&way->dice, q->reorder))
		out->arrive_us += q->reorder_us;
	if (!random_chance(&way->dice, q->duplicate))
		return LINK_PASSED;
	out->again_us = out->arrive_us + random_below(&way->dice, q->delay_us / 4 + 1000);
	return LINK_PASSED_TWICE;
}

enum link_verdict link_pass(struct link *l, enum link_side side, size_t len, uint64_t now_us,
			    struct link_passage *out)
{
	struct link_way *way = &l->ways[side];
	enum link_verdict verdict = pass(way, len, now_us, out);

	way->counts[verdict]++;
	way->bytes += len;
	return verdict;
}

const char *link_verdict_str(enum link_verdict v)
{
	static const char *const names[LINK_VERDICTS] = {
		[LINK_PASSED] = "passed",   [LINK_PASSED_TWICE] = "duplicated",
		[LINK_LOST] = "lost",	    [LINK_LOST_IN_BURST] = "lost in a burst",
		[LINK_CUT] = "cut",	    [LINK_QUEUE_FULL] = "queue full",
		[LINK_TOO_BIG] = "too big",
	};
	return names[v];
}
