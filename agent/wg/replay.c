#include "agent/wg/replay.h"

enum { WORD_BITS = 64, WORDS = REPLAY_RING_BITS / WORD_BITS };

static uint64_t *word_of(struct replay *w, uint64_t counter)
{
	return &w->ring[counter / WORD_BITS % WORDS];
}

static uint64_t bit_of(uint64_t counter)
{
	return UINT64_C(1) << (counter % WORD_BITS);
}

static bool fell_out(const struct replay *w, uint64_t counter)
{
	return counter < w->next && w->next - counter > REPLAY_WINDOW;
}

bool replay_is_fresh(const struct replay *w, uint64_t counter)
{
	if (counter >= w->next)
		return true;
	return !fell_out(w, counter) && !(w->ring[counter / WORD_BITS % WORDS] & bit_of(counter));
}

/* Clears the words between the highest counter's and the new one's, all of them at most. */
static void advance(struct replay *w, uint64_t counter)
{
	uint64_t from = w->next == 0 ? 0 : (w->next - 1) / WORD_BITS;
	uint64_t steps = counter / WORD_BITS - from;

	if (steps > WORDS)
		steps = WORDS;
	for (uint64_t i = 1; i <= steps; i++)
		w->ring[(from + i) % WORDS] = 0;
	w->next = counter + 1;
}

bool replay_accept(struct replay *w, uint64_t counter)
{
	if (counter == UINT64_MAX || !replay_is_fresh(w, counter))
		return false;
	if (counter >= w->next)
		advance(w, counter);
	*word_of(w, counter) |= bit_of(counter);
	return true;
}
