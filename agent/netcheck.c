#include "agent/netcheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/local/netcheck_view.h"
#include "common/clock.h"
#include "common/net/dial.h"
#include "common/net/http.h"

enum { REGIONS_MAX = 64 };

static const uint64_t call_timeout_us = 5 * US_PER_S;

struct netcheck_call {
	struct netcheck *check;
	uint32_t region;
	char code[DERP_NAME_LEN];
	struct http_call *call; /* under way */
	uint64_t https_us;	/* 0: none */
};

struct netcheck {
	struct netcheck_config cfg;
	struct tls_context *tls;
	struct netcheck_call calls[REGIONS_MAX];
	size_t n;
};

/* The first relay of the region; a region of STUN servers alone is not called. */
static const struct derp_node *relay_of(const struct derp_region *region)
{
	for (size_t i = 0; i < region->n_nodes; i++)
		if (!region->nodes[i].stun_only)
			return &region->nodes[i];
	return NULL;
}

static void add_known(struct dial_config *dial, enum derp_family from, const struct ip_addr *ip)
{
	if (from == DERP_FAMILY_ADDR)
		dial->known[dial->n_known++] = (struct endpoint){*ip, dial->port};
}

static struct dial_config dial_of(const struct netcheck *check, const struct derp_node *relay)
{
	struct dial_config dial = {
		.port = relay->derp_port, .tls = check->tls, .timeout_us = call_timeout_us};

	snprintf(dial.host, sizeof(dial.host), "%s", relay->host);
	add_known(&dial, relay->v6_from, &relay->v6);
	add_known(&dial, relay->v4_from, &relay->v4);
	if (relay->insecure_for_tests)
		dial.trust.kind = TLS_TRUST_ANYONE;
	else if (derp_node_pin(relay, dial.trust.pin))
		dial.trust.kind = TLS_TRUST_CERT_PIN;
	else
		snprintf(dial.trust.name, sizeof(dial.trust.name), "%s", relay->cert_name);
	return dial;
}

static void on_answer(void *arg, const struct http_result *result)
{
	struct netcheck_call *r = arg;

	if (!result->error && result->status == 200)
		r->https_us = result->answer_us;
	http_call_free(r->call);
	r->call = NULL;
	r->check->cfg.on_progress(r->check->cfg.arg);
}

static void call_region(struct netcheck *check, const struct derp_region *region)
{
	const struct derp_node *relay = relay_of(region);
	struct netcheck_call *r = &check->calls[check->n++];

	*r = (struct netcheck_call){.check = check, .region = region->id};
	snprintf(r->code, sizeof(r->code), "%s", region->code);
	if (!relay || !check->tls)
		return;
	struct dial_config dial = dial_of(check, relay);
	struct http_call_config call = {
		.dial = &dial, .method = "GET", .path = "/derp/latency-check", .repeat = 1};
	r->call = http_call_new(check->cfg.base, check->cfg.resolver, &call, on_answer, r);
}

struct netcheck *netcheck_new(const struct netcheck_config *cfg)
{
	struct netcheck *check = calloc(1, sizeof(*check));
	char error[TLS_ERROR_LEN];

	if (!check)
		return NULL;
	check->cfg = *cfg;
	if (tls_client_context_new(cfg->ca_file, &check->tls, error) != 0)
		check->tls = NULL;
	for (size_t i = 0; cfg->relays && i < cfg->relays->n_regions && i < REGIONS_MAX; i++)
		call_region(check, &cfg->relays->regions[i]);
	check->cfg.relays = NULL;
	return check;
}

void netcheck_free(struct netcheck *check)
{
	if (!check)
		return;
	for (size_t i = 0; i < check->n; i++)
		if (check->calls[i].call)
			http_call_free(check->calls[i].call);
	tls_context_free(check->tls);
	free(check);
}

bool netcheck_is_done(const struct netcheck *check)
{
	for (size_t i = 0; i < check->n; i++)
		if (check->calls[i].call)
			return false;
	return true;
}

/* ---- the document ---- */

static enum netcheck_answer answer(bool asked, bool yes)
{
	if (!asked)
		return NETCHECK_NOT_ASKED;
	return yes ? NETCHECK_YES : NETCHECK_NO;
}

/* Mapping that varies but cannot be told apart further is taken for the harder kind. */
static const char *mapping_str(const struct stun_survey_report *report)
{
	if (report->mapping == NAT_ADDRESS_DEPENDENT)
		return nat_behaviour_str(NAT_ADDRESS_AND_PORT_DEPENDENT);
	return nat_behaviour_str(report->mapping);
}

struct json *netcheck_json(const struct netcheck *check, const struct stun_survey *survey,
			   const struct stun_survey_report *report, uint32_t preferred)
{
	struct netcheck_region regions[REGIONS_MAX];
	bool answered = report->answered_v4 || report->answered_v6;
	struct netcheck_view view = {
		.udp_v4 = answer(report->asked_v4, report->answered_v4),
		.udp_v6 = answer(report->asked_v6, report->answered_v6),
		.public_v4 = report->public_v4,
		.public_v6 = report->public_v6,
		.mapping = mapping_str(report),
		.port_preserving = answer(answered, report->port_preserving),
		.preferred_region = preferred,
		.regions = regions,
		.n_regions = check->n,
	};

	for (size_t i = 0; i < check->n; i++) {
		const struct netcheck_call *r = &check->calls[i];
		uint64_t udp_us = stun_survey_rtt(survey, r->region);

		regions[i] = (struct netcheck_region){.region = r->region,
						      .code = r->code,
						      .udp_us = udp_us == US_NEVER ? 0 : udp_us,
						      .https_us = r->https_us};
	}
	return netcheck_view_json(&view);
}
