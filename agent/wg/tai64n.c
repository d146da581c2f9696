#include "agent/wg/tai64n.h"

#include "common/clock.h"
#include "common/wire.h"

enum { STEP_US = 20 * US_PER_MS, AHEAD_US = 10 * US_PER_S };

/* TAI64 labels count from 2^62; TAI was 10 s ahead of UTC in 1970, and leap seconds don't matter
 * here, as stamps are only compared. */
static const uint64_t LABEL_OF_1970 = UINT64_C(0x400000000000000a);

void tai64n_init(struct tai64n *t, uint64_t reserved_us)
{
	t->last_us = reserved_us < UINT64_MAX / 2 ? reserved_us : 0; /* beyond: no state of ours */
	t->reserved_us = t->last_us;
}

bool tai64n_next(struct tai64n *t, uint64_t unix_us, uint8_t out[static TAI64N_LEN])
{
	uint64_t least_us = t->last_us + STEP_US;
	uint64_t stamp_us = unix_us > least_us ? unix_us : least_us;
	struct writer w = writer_init(out, TAI64N_LEN);

	stamp_us -= stamp_us % STEP_US;
	write_u64be(&w, LABEL_OF_1970 + stamp_us / US_PER_S);
	write_u32be(&w, (uint32_t)(stamp_us % US_PER_S * 1000));
	t->last_us = stamp_us;
	if (stamp_us <= t->reserved_us)
		return false;
	t->reserved_us = stamp_us + AHEAD_US;
	return true;
}
