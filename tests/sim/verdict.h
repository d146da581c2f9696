/*
 * verdict: the first thing that went wrong in a day, in one line.
 */
#ifndef WARREN_SIM_VERDICT_H
#define WARREN_SIM_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

enum { VERDICT_WORD_LEN = 16, VERDICT_TEXT_LEN = 480 };

struct verdict { /* all zero: nothing yet */
	bool failed;
	uint64_t at_us; /* since the day began */
	char invariant[VERDICT_WORD_LEN];
	char text[VERDICT_TEXT_LEN];
};

/* Only the first one counts. */
void verdict_fail(struct verdict *v, uint64_t at_us, const char *invariant, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
