#include "stun/stun_client.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

const struct stun_timing stun_timing_rfc = {
	.tries = 7,
	.first_us = 500 * US_PER_MS,
	.factor = 2,
	.last_us = 16 * 500 * US_PER_MS,
};

const struct stun_timing stun_timing_survey = {
	.tries = 3,
	.first_us = 100 * US_PER_MS,
	.factor = 1,
	.last_us = 800 * US_PER_MS,
};

/* Every change of state passes here, so that state and deadline can't disagree. */
static void enter(struct stun_client *c, enum stun_client_state next, uint64_t deadline_us)
{
	c->state = next;
	c->deadline_us = deadline_us;
}

void stun_client_start(struct stun_client *c, const struct stun_timing *timing,
		       const struct endpoint *server, uint32_t change,
		       const uint8_t random[static STUN_TXID_LEN], uint64_t now_us)
{
	*c = (struct stun_client){.timing = timing, .server = *server, .change = change};
	memcpy(c->txid, random, STUN_TXID_LEN);
	enter(c, STUN_ASKING, now_us);
}

uint64_t stun_client_deadline(const struct stun_client *c)
{
	return c->state == STUN_ASKING ? c->deadline_us : US_NEVER;
}

void stun_client_fail(struct stun_client *c)
{
	enter(c, STUN_FAILED, US_NEVER);
}

static uint64_t wait_after(const struct stun_timing *timing, unsigned tries)
{
	uint64_t wait_us = timing->first_us;

	if (tries == timing->tries)
		return timing->last_us;
	for (unsigned i = 1; i < tries; i++)
		wait_us *= timing->factor;
	return wait_us;
}

bool stun_client_on_deadline(struct stun_client *c, uint64_t now_us)
{
	if (now_us < stun_client_deadline(c))
		return false;
	if (c->tries == c->timing->tries) {
		enter(c, STUN_FAILED, US_NEVER);
		return false;
	}
	c->sent_us[c->tries++] = now_us;
	enter(c, STUN_ASKING, now_us + wait_after(c->timing, c->tries));
	return true;
}

/* The id of a try: the random one, its last byte counted on from 1. */
static void txid_of(const struct stun_client *c, unsigned number, uint8_t out[static STUN_TXID_LEN])
{
	memcpy(out, c->txid, STUN_TXID_LEN);
	out[STUN_TXID_LEN - 1] = (uint8_t)(out[STUN_TXID_LEN - 1] + number);
}

void stun_client_request(const struct stun_client *c, struct writer *w)
{
	uint8_t txid[STUN_TXID_LEN];

	txid_of(c, c->tries, txid);
	stun_write_binding_request(w, txid, c->change);
}

/* Which try m answers, 1..tries; 0 = none. */
static unsigned try_of(const struct stun_client *c, const struct stun_message *m)
{
	unsigned number = (uint8_t)(m->txid[STUN_TXID_LEN - 1] - c->txid[STUN_TXID_LEN - 1]);
	bool same = sodium_memcmp(m->txid, c->txid, STUN_TXID_LEN - 1) == 0;

	return same && number <= c->tries ? number : 0;
}

bool stun_client_owns(const struct stun_client *c, const struct stun_message *m)
{
	return c->state != STUN_IDLE && try_of(c, m) > 0;
}

int stun_client_on_answer(struct stun_client *c, const struct stun_message *m,
			  const struct endpoint *from, uint64_t now_us)
{
	bool is_answer =
		(m->class == STUN_SUCCESS || m->class == STUN_ERROR) && m->method == STUN_BINDING;
	bool from_server = c->change != 0 || endpoint_equal(from, &c->server);
	unsigned number = try_of(c, m);

	if (c->state != STUN_ASKING || number == 0 || !from_server)
		return -ESTALE;
	if (!is_answer)
		return -EPROTO;
	if (m->class == STUN_ERROR) {
		c->error_code = m->error_code;
		enter(c, STUN_FAILED, US_NEVER);
		return 0;
	}
	/* Section 6.3.3: what it must understand and does not makes the answer void. */
	if (endpoint_is_none(&m->mapped) || m->n_unknown > 0)
		return -EPROTO;
	c->mapped = m->mapped;
	c->response_origin = m->response_origin;
	c->other_address = m->other_address;
	c->answered_us = now_us;
	c->rtt_us = now_us - c->sent_us[number - 1];
	enter(c, STUN_ANSWERED, US_NEVER);
	return 0;
}
