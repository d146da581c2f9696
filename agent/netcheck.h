/*
 * netcheck: one run of `warren netcheck`: what STUN says of our addresses and NAT, and how far each
 * relay region is over UDP and HTTPS.
 *
 * A shell: the STUN questions go by the node's own survey, from the port that traffic uses; the
 * HTTPS calls are its own. Done when all have answered, or after 5 s.
 */
#ifndef WARREN_NETCHECK_H
#define WARREN_NETCHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/proto/derp_map.h"
#include "stun/stun_survey.h"

struct event_base;
struct netcheck;
struct resolver;

struct netcheck_config {
	struct event_base *base;
	struct resolver *resolver;
	const struct derp_map *relays; /* may be NULL; borrowed only during netcheck_new */
	const char *ca_file;
	/* An HTTPS latency came in, or failed. */
	void (*on_progress)(void *arg);
	void *arg;
};

struct netcheck *netcheck_new(const struct netcheck_config *cfg);
void netcheck_free(struct netcheck *check);

/* True once no HTTPS call is under way. */
bool netcheck_is_done(const struct netcheck *check);

/* The document of `netcheck --json`. preferred: the home region, 0: none. */
struct json *netcheck_json(const struct netcheck *check, const struct stun_survey *survey,
			   const struct stun_survey_report *report, uint32_t preferred);

#endif
