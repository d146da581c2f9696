#include "agent/path/liveness.h"

#include <stddef.h>

static const uint64_t question_min_us = 100 * US_PER_MS;
static const uint64_t again_min_us = 50 * US_PER_MS;
static const uint64_t down_min_us = 1500 * US_PER_MS;

enum { MISSING_TO_DOUBT = 2 };

static const char *const state_words[PATH_STATES] = {
	[PATH_PROBING] = "probing",
	[PATH_UP] = "up",
	[PATH_SUSPECT] = "suspect",
	[PATH_DOWN] = "down",
};

const char *path_state_str(enum path_state state)
{
	return state_words[state];
}

static uint64_t at_least(uint64_t floor_us, uint64_t value_us)
{
	return value_us > floor_us ? value_us : floor_us;
}

uint64_t liveness_question_us(const struct liveness *l)
{
	return at_least(question_min_us, 2 * l->rtt_us);
}

uint64_t liveness_again_us(const struct liveness *l)
{
	return at_least(again_min_us, l->rtt_us);
}

uint64_t liveness_report_us(const struct liveness *l)
{
	return at_least(question_min_us, l->rtt_us);
}

uint64_t liveness_down_us(const struct liveness *l)
{
	return at_least(down_min_us, 6 * l->rtt_us);
}

/* Every change of state passes here. */
static void enter(struct liveness *l, enum path_state next, uint64_t now_us)
{
	if (l->state == next)
		return;
	l->state = next;
	l->since_us = now_us;
	if (next == PATH_SUSPECT)
		l->doubt_us = now_us;
	if (next == PATH_SUSPECT && l->unproved_us == 0)
		l->unproved_us = now_us;
}

static void close_question(struct liveness *l)
{
	l->asked = 0;
	l->asked_us = l->asked_last_us = 0;
}

void liveness_on_probe(struct liveness *l, uint64_t now_us)
{
	if (l->unproved_us == 0)
		l->unproved_us = now_us;
}

void liveness_on_question(struct liveness *l, uint64_t now_us)
{
	liveness_on_probe(l, now_us);
	if (l->asked++ == 0)
		l->asked_us = now_us;
	l->asked_last_us = now_us;
}

void liveness_on_heard(struct liveness *l, uint64_t now_us)
{
	l->heard_us = now_us;
}

void liveness_on_proof(struct liveness *l, uint64_t sent_us, uint64_t now_us)
{
	bool answers_question = l->asked == 0 || sent_us >= l->asked_us;
	bool clears_doubt = l->state != PATH_SUSPECT || sent_us >= l->doubt_us;
	bool is_after_loss = l->state != PATH_DOWN || sent_us >= l->since_us;

	l->proved_us = now_us;
	l->proved_sent_us = at_least(l->proved_sent_us, sent_us);
	if (!answers_question || !clears_doubt || !is_after_loss)
		return;
	close_question(l);
	l->unproved_us = 0;
	enter(l, PATH_UP, now_us);
}

void liveness_on_doubt(struct liveness *l, uint64_t now_us)
{
	if (l->state == PATH_UP)
		enter(l, PATH_SUSPECT, now_us);
}

void liveness_on_loss(struct liveness *l, uint64_t now_us)
{
	close_question(l);
	enter(l, PATH_DOWN, now_us);
}

void liveness_reset(struct liveness *l, uint64_t now_us)
{
	*l = (struct liveness){.since_us = now_us, .heard_us = l->heard_us};
}

void liveness_forgive(struct liveness *l, uint64_t late_us, uint64_t now_us)
{
	uint64_t *const clocks[] = {&l->asked_us, &l->asked_last_us, &l->unproved_us};

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		uint64_t at_us = *clocks[i];

		if (at_us != 0)
			*clocks[i] = at_us + late_us < now_us ? at_us + late_us : now_us;
	}
}

void liveness_resume(struct liveness *l, uint64_t now_us)
{
	uint64_t *const clocks[] = {&l->asked_us, &l->asked_last_us, &l->unproved_us};

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++)
		if (*clocks[i] > now_us)
			*clocks[i] = now_us;
}

/* How far a is ahead of b in a counter that wraps; 0 where it is behind. */
static uint32_t ahead(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0 ? a - b : 0;
}

/* The report shows something that the one before it did not. */
static void note_progress(struct liveness *l, const struct liveness_sent *sent, uint32_t data_heard,
			  uint64_t now_us)
{
	/* What never arrives is at least what is missing of the old, at most of all. */
	int32_t least = (int32_t)(sent->data_before - data_heard);
	int32_t most = (int32_t)(sent->data - data_heard);

	if (!l->has_level || l->level > most)
		l->level = most;
	if (l->level < least)
		l->level = least;
	l->has_level = sent->counts_tell;
	l->progress_us = now_us;
	l->data_at_progress = sent->data;
	l->number_at_progress = sent->number;
}

static uint32_t missing_data(const struct liveness *l, const struct liveness_sent *sent,
			     uint32_t data_heard)
{
	if (!sent->counts_tell)
		return 0;
	uint32_t since_progress = ahead(sent->data_before, l->data_at_progress);
	int32_t deficit = (int32_t)(sent->data_before - data_heard);
	uint32_t beyond_level =
		l->has_level && deficit > l->level ? (uint32_t)(deficit - l->level) : 0;

	return since_progress > beyond_level ? since_progress : beyond_level;
}

bool liveness_on_report(struct liveness *l, uint32_t number, uint32_t data_heard,
			const struct liveness_sent *sent, uint64_t now_us)
{
	bool is_first = l->progress_us == 0;
	bool heard_probe = number <= sent->number && number > l->reported_number;
	bool heard_data = ahead(data_heard, l->reported_data) > 0;

	if (is_first || heard_probe || heard_data) {
		if (number <= sent->number)
			l->reported_number = number;
		l->reported_data = data_heard;
		note_progress(l, sent, data_heard, now_us);
		return true;
	}
	uint32_t missing = missing_data(l, sent, data_heard) +
			   ahead(sent->number_before, l->number_at_progress);
	return missing < MISSING_TO_DOUBT;
}

void liveness_recount(struct liveness *l, uint32_t data_sent)
{
	l->data_at_progress = data_sent;
	l->has_level = false;
}

bool liveness_on_deadline(struct liveness *l, uint64_t now_us)
{
	if (now_us < liveness_deadline_us(l))
		return false;
	enter(l, l->state == PATH_UP ? PATH_SUSPECT : PATH_DOWN, now_us);
	return true;
}

uint64_t liveness_ask_us(const struct liveness *l)
{
	if (l->state != PATH_UP)
		return US_NEVER;
	if (l->asked == 1)
		return l->asked_us + liveness_again_us(l);
	if (l->asked == 0 && l->unproved_us != 0)
		return l->unproved_us + liveness_question_us(l);
	return US_NEVER;
}

uint64_t liveness_deadline_us(const struct liveness *l)
{
	if (l->state == PATH_UP && l->asked >= 2)
		return l->asked_us + liveness_question_us(l);
	if (l->state == PATH_SUSPECT)
		return l->unproved_us + liveness_down_us(l);
	return US_NEVER;
}
