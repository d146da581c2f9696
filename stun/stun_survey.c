#include "stun/stun_survey.h"

#include <errno.h>
#include <string.h>

const char *nat_behaviour_str(enum nat_behaviour behaviour)
{
	switch (behaviour) {
	case NAT_UNKNOWN:
		return "unknown";
	case NAT_NONE:
		return "none";
	case NAT_ENDPOINT_INDEPENDENT:
		return "endpoint-independent";
	case NAT_ADDRESS_DEPENDENT:
		return "address-dependent";
	case NAT_ADDRESS_AND_PORT_DEPENDENT:
		return "address-and-port-dependent";
	}
	return "unknown";
}

void stun_survey_start(struct stun_survey *s, const struct stun_survey_server *servers, size_t n,
		       const uint8_t random[static STUN_TXID_LEN], uint64_t now_us)
{
	*s = (struct stun_survey){.n = n < STUN_SURVEY_MAX ? n : STUN_SURVEY_MAX,
				  .started_us = now_us};
	for (size_t i = 0; i < s->n; i++) {
		uint8_t txid[STUN_TXID_LEN];

		/* One random id, told apart by server here and by try in the last byte. */
		memcpy(txid, random, STUN_TXID_LEN);
		txid[0] ^= (uint8_t)i;
		s->regions[i] = servers[i].region;
		stun_client_start(&s->asks[i], &stun_timing_survey, &servers[i].addr, 0, txid,
				  now_us);
	}
}

uint64_t stun_survey_deadline(const struct stun_survey *s)
{
	uint64_t first_us = US_NEVER;

	for (size_t i = 0; i < s->n; i++) {
		uint64_t deadline_us = stun_client_deadline(&s->asks[i]);

		first_us = deadline_us < first_us ? deadline_us : first_us;
	}
	return first_us;
}

bool stun_survey_next(struct stun_survey *s, uint64_t now_us, struct stun_send *out)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!stun_client_on_deadline(&s->asks[i], now_us))
			continue;
		struct writer w = writer_init(out->bytes, sizeof(out->bytes));
		stun_client_request(&s->asks[i], &w);
		out->to = s->asks[i].server;
		out->len = w.len;
		return true;
	}
	return false;
}

void stun_survey_on_send_error(struct stun_survey *s, const struct endpoint *to)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->asks[i].state == STUN_ASKING && endpoint_equal(&s->asks[i].server, to))
			stun_client_fail(&s->asks[i]);
	}
}

int stun_survey_on_message(struct stun_survey *s, const struct stun_message *m,
			   const struct endpoint *from, uint64_t now_us)
{
	for (size_t i = 0; i < s->n; i++) {
		if (stun_client_owns(&s->asks[i], m))
			return stun_client_on_answer(&s->asks[i], m, from, now_us);
	}
	return -ESTALE;
}

bool stun_survey_is_done(const struct stun_survey *s)
{
	return stun_survey_deadline(s) == US_NEVER;
}

uint64_t stun_survey_rtt(const struct stun_survey *s, uint32_t region)
{
	uint64_t best_us = US_NEVER;

	for (size_t i = 0; i < s->n; i++) {
		const struct stun_client *c = &s->asks[i];

		if (s->regions[i] == region && c->state == STUN_ANSWERED && c->rtt_us < best_us)
			best_us = c->rtt_us;
	}
	return best_us;
}

/* ---- conclusions, one family at a time ---- */

struct family {
	bool asked;
	const struct stun_client *fastest; /* NULL = none answered */
	const struct stun_client *other;   /* answered with another mapping than the fastest */
	bool confirmed;			   /* a server at another address saw the same mapping */
};

static void weigh_answer(struct family *f, const struct stun_client *c)
{
	bool same_mapping = endpoint_equal(&c->mapped, &f->fastest->mapped);
	bool same_address = ip_equal(&c->server.ip, &f->fastest->server.ip);

	if (c == f->fastest)
		return;
	if (same_mapping && !same_address)
		f->confirmed = true;
	if (!same_mapping)
		f->other = c;
}

static struct family study(const struct stun_survey *s, bool v4)
{
	struct family f = {0};

	for (size_t i = 0; i < s->n; i++) {
		const struct stun_client *c = &s->asks[i];

		if (ip_is_v4(&c->server.ip) != v4)
			continue;
		f.asked = true;
		if (c->state == STUN_ANSWERED && (!f.fastest || c->rtt_us < f.fastest->rtt_us))
			f.fastest = c;
	}
	for (size_t i = 0; i < s->n && f.fastest; i++) {
		const struct stun_client *c = &s->asks[i];

		if (ip_is_v4(&c->server.ip) == v4 && c->state == STUN_ANSWERED)
			weigh_answer(&f, c);
	}
	return f;
}

/* RFC 4787 section 4.1. That it varies by address alone takes an RFC 5780 server to tell; until
 * then it reads as the harder of the two. */
static enum nat_behaviour mapping_of(const struct family *f, const struct endpoint *locals,
				     size_t n_locals)
{
	if (!f->fastest)
		return NAT_UNKNOWN;
	if (f->other)
		return NAT_ADDRESS_AND_PORT_DEPENDENT;
	for (size_t i = 0; i < n_locals; i++) {
		if (ip_equal(&locals[i].ip, &f->fastest->mapped.ip))
			return NAT_NONE;
	}
	return f->confirmed ? NAT_ENDPOINT_INDEPENDENT : NAT_UNKNOWN;
}

static bool keeps_port(const struct family *f, const struct endpoint *locals, size_t n_locals)
{
	for (size_t i = 0; f->fastest && i < n_locals; i++) {
		if (ip_is_v4(&locals[i].ip) == ip_is_v4(&f->fastest->mapped.ip) &&
		    locals[i].port == f->fastest->mapped.port)
			return true;
	}
	return false;
}

static uint64_t first_answer_us(const struct stun_survey *s)
{
	uint64_t best_us = US_NEVER;

	for (size_t i = 0; i < s->n; i++) {
		const struct stun_client *c = &s->asks[i];

		if (c->state == STUN_ANSWERED && c->answered_us - s->started_us < best_us)
			best_us = c->answered_us - s->started_us;
	}
	return best_us;
}

void stun_survey_report(const struct stun_survey *s, const struct endpoint *locals, size_t n_locals,
			struct stun_survey_report *out)
{
	struct family v4 = study(s, true), v6 = study(s, false);
	const struct family *judged = v4.fastest ? &v4 : &v6;

	*out = (struct stun_survey_report){
		.asked_v4 = v4.asked,
		.asked_v6 = v6.asked,
		.answered_v4 = v4.fastest != NULL,
		.answered_v6 = v6.fastest != NULL,
		.mapping = mapping_of(judged, locals, n_locals),
		.port_preserving = keeps_port(judged, locals, n_locals),
		.first_answer_us = first_answer_us(s),
	};
	if (v4.fastest)
		out->public_v4 = v4.fastest->mapped;
	if (v6.fastest)
		out->public_v6 = v6.fastest->mapped;
	if (v4.other)
		out->other_v4 = v4.other->mapped;
}
