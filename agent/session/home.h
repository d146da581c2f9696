/*
 * home: which relay region is this node's home, and which one is held beside it.
 *
 * A pure core. Latencies come from STUN surveys and from the sessions themselves; each is smoothed
 * and ages, so that one lost probe moves nobody. The home changes only for a clearly better one
 * (less than 2/3 and 10 ms less), or when its session is down and another's is up. While neither
 * it nor the second stands, the others are tried in turn, one as the second.
 */
#ifndef WARREN_HOME_H
#define WARREN_HOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOME_REGIONS_MAX = 64 };

struct home_region {
	uint32_t region;
	bool may_be_home; /* not NoMeasureNoHome */
	double score;	  /* DERPMap's HomeParams: multiplies the latency */
	uint64_t rtt_us;  /* smoothed; 0: never measured */
	uint64_t measured_us;
	bool session_up;
	uint64_t session_changed_us; /* when session_up last changed */
};

struct home { /* all zero: a valid start */
	struct home_region regions[HOME_REGIONS_MAX];
	size_t n;
	uint32_t home, second; /* 0: none */
	uint64_t changed_us;
	bool settled; /* the home was chosen by measurement: latency moves it once a minute at most
		       */
	uint64_t decided_us; /* the last home_decide */
};

/* The map's regions: those known keep their measurements. */
void home_set_regions(struct home *h, const struct home_region *regions, size_t n);
void home_on_latency(struct home *h, uint32_t region, uint64_t rtt_us, uint64_t now_us);
void home_on_session(struct home *h, uint32_t region, bool up, uint64_t now_us);
/* Its session ended because nobody needed it: whether it would stand is not known. */
void home_on_unused(struct home *h, uint32_t region);
/* Moves on; true where home or second is another than before. */
bool home_decide(struct home *h, uint64_t now_us);
/* When home_decide may say something else by time alone, US_NEVER: not by time. */
uint64_t home_deadline_us(const struct home *h);

#endif
