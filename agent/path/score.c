#include "agent/path/score.h"

#include "common/clock.h"

enum { FATES_MAX = 64, FATES_TO_JUDGE = 20, PACKETS_TO_JUDGE = 100, MILLION = 1000 * 1000 };

static const uint64_t min_window_us = 10 * US_PER_S;
static const uint64_t usual_gap_us = 200 * US_PER_MS; /* of probes by the way in use, at least */
/* Beyond that a sample says nothing of now: the keep-alives of an idle way are 25 s apart. */
static const uint64_t sample_good_us = 15 * US_PER_S;
/* A lost packet costs who waits for it a retransmission. A little loss is everywhere and is free;
 * 5 % of it shall outweigh what a clean relay adds. */
static const uint64_t loss_price_us = 3 * US_PER_S;
static const double loss_free = 0.015;
static const uint64_t relay_extra_us = 5 * US_PER_MS;
static const uint64_t unknown_price_us = 30 * (uint64_t)US_PER_S;
static const uint64_t noise_us = 2 * US_PER_MS;
/* RFC 6298's G: on the steadiest way, too, a timer and the answer it waits for may come together.
 */
static const uint64_t clock_grain_us = 2 * US_PER_MS;

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static void note_min(struct score *s, uint64_t rtt_us, uint64_t now_us)
{
	if (s->min_us == 0 || rtt_us < s->min_us)
		s->min_us = rtt_us;
	if (s->min_new_us == 0 || rtt_us < s->min_new_us)
		s->min_new_us = rtt_us;
	if (now_us - s->min_since_us < min_window_us)
		return;
	s->min_us = s->min_new_us;
	s->min_new_us = rtt_us;
	s->min_since_us = now_us;
}

/* Before the later ones, as far as they are known. */
static void note_fate(struct score *s, uint64_t lost, unsigned later)
{
	if (later > s->fates)
		later = s->fates;
	if (later == FATES_MAX)
		return;
	uint64_t newer = s->fate & ((1ULL << later) - 1);

	s->fate = (s->fate >> later << 1 | lost) << later | newer;
	if (s->fates < FATES_MAX)
		s->fates++;
}

/* A cut makes a relay's TCP hold probes for seconds, and their answers count as what they were.
 * The first that is much faster says that nothing is held any more; to forget the slow ones by and
 * by would blind every threshold for some seconds. */
static bool has_drained(const struct score *s, uint64_t rtt_us)
{
	return rtt_us < s->srtt_us / 4;
}

static void start_anew(struct score *s, uint64_t rtt_us)
{
	uint64_t doubt_us = rtt_us / 2; /* RFC 6298 2.2 */

	s->srtt_us = rtt_us;
	if (s->jitter_us > doubt_us)
		s->jitter_us = doubt_us;
}

/* The averages are of the same few seconds whether a way is asked each 250 ms or each second: one
 * beside that in use shall not seem slow for long after it was. */
static uint64_t weight_after(uint64_t gap_us)
{
	uint64_t weight = gap_us / usual_gap_us;

	return weight < 1 ? 1 : weight > 4 ? 4 : weight;
}

void score_on_rtt(struct score *s, uint64_t rtt_us, uint64_t now_us)
{
	if (rtt_us == 0)
		rtt_us = 1; /* zero means "not measured" */
	if (s->srtt_us == 0 || now_us - s->last_at_us > sample_good_us) {
		s->srtt_us = rtt_us;
		s->min_us = s->min_new_us = 0;
		s->min_since_us = now_us;
	} else if (has_drained(s, rtt_us)) {
		start_anew(s, rtt_us);
	} else {
		uint64_t weight = weight_after(now_us - s->last_at_us);

		s->srtt_us = ((8 - weight) * s->srtt_us + weight * rtt_us) / 8;
		s->jitter_us =
			((16 - weight) * s->jitter_us + weight * distance(rtt_us, s->last_us)) / 16;
	}
	s->last_us = rtt_us;
	s->last_at_us = now_us;
	note_min(s, rtt_us, now_us);
	note_fate(s, 0, 0);
}

void score_on_lost_probe(struct score *s, unsigned later)
{
	note_fate(s, 1, later);
}

void score_on_packets(struct score *s, uint32_t sent, uint32_t lost)
{
	if (sent == 0)
		return;
	uint64_t ppm = (uint64_t)(lost < sent ? lost : sent) * MILLION / sent;
	/* The average at first; then a report about many packets weighs more than one about a few.
	 */
	uint64_t weight = sent < 64 ? sent : 64, whole = 256;

	s->packets_whole = lost > 0 ? 0 : s->packets_whole + sent;
	if (s->packets < PACKETS_TO_JUDGE) {
		weight = sent;
		s->packets += sent;
		whole = s->packets;
	}
	s->packet_loss_ppm =
		(uint32_t)(((whole - weight) * s->packet_loss_ppm + weight * ppm) / whole);
}

void score_forget_packets(struct score *s)
{
	s->packets = s->packets_whole = s->packet_loss_ppm = 0;
}

void score_forget_losses(struct score *s)
{
	s->fate = s->fates = 0;
	score_forget_packets(s);
}

void score_forget(struct score *s)
{
	*s = (struct score){0};
}

bool score_is_known(const struct score *s)
{
	return s->srtt_us != 0;
}

/* A burst of losses stays long in the average, and a way whose packets are few is judged by it only
 * when it has long been whole again. Where n packets arrived since, one in n is the most that may
 * still be lost. */
static double packet_loss(const struct score *s)
{
	double loss = s->packet_loss_ppm / (double)MILLION;
	double most = s->packets_whole > 0 ? 1.0 / s->packets_whole : 1;

	return loss < most ? loss : most;
}

double score_loss(const struct score *s)
{
	/* Hundreds of packets tell more than some probes. */
	if (s->packets >= PACKETS_TO_JUDGE)
		return packet_loss(s);
	if (s->fates < FATES_TO_JUDGE || s->fate == 0)
		return 0;
	/* What is lost in a row is lost by one cause: a short cut, which liveness is there for.
	 * One such moment happens to the best. */
	int causes = __builtin_popcountll(s->fate & ~(s->fate >> 1));

	return (causes - 1) / (double)s->fates;
}

uint64_t score_rtt_bound_us(const struct score *s)
{
	uint64_t spread_us = 2 * s->jitter_us;

	if (!score_is_known(s))
		return 0;
	return s->srtt_us + (spread_us > clock_grain_us ? spread_us : clock_grain_us);
}

uint64_t score_price_us(const struct score *s, bool is_direct)
{
	if (!score_is_known(s))
		return unknown_price_us;
	uint64_t price = s->srtt_us + s->jitter_us;
	double loss = score_loss(s);

	if (loss > loss_free)
		price += (uint64_t)((loss - loss_free) * (double)loss_price_us);
	return is_direct ? price : price + price / 4 + relay_extra_us;
}

bool score_is_clearly_better(uint64_t price_a_us, uint64_t price_b_us)
{
	return price_a_us + price_b_us / 8 + noise_us < price_b_us;
}
