#include "agent/wg/load.h"

#include "common/clock.h"

enum { MESSAGES_MAX = 250 };

bool load_on_message(struct load *l, uint64_t now_us)
{
	if (now_us - l->second_start_us >= US_PER_S) {
		l->second_start_us = now_us;
		l->messages = 0;
	}
	if (++l->messages > MESSAGES_MAX)
		l->until_us = now_us + US_PER_S;
	return now_us < l->until_us;
}
