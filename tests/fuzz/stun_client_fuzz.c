/*
 * stun_client_fuzz: a question to a STUN server, while the server and others that can only guess
 * say anything: late, twice, from elsewhere, for another transaction.
 *
 * Must hold: an answer counts only with a transaction of this question that was sent, from the
 * server where no change was asked for, once; it carries an address; the question ends.
 */
#include "stun/stun_client.h"

#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEPS_MAX = 100, SPAN_MAX = 600, PACKET_MAX = 256 };

struct world {
	struct script s;
	struct stun_client c;
	struct endpoint server, elsewhere;
	uint64_t now_us;
	uint8_t asked[STUN_TRIES_MAX][STUN_TXID_LEN];
	unsigned n_asked;
	bool answered;
};

static bool was_asked(const struct world *w, const uint8_t *txid)
{
	for (unsigned i = 0; i < w->n_asked; i++)
		if (memcmp(w->asked[i], txid, STUN_TXID_LEN) == 0)
			return true;
	return false;
}

static void ask(struct world *w)
{
	uint8_t bytes[PACKET_MAX];
	struct writer wr = writer_init(bytes, sizeof(bytes));
	struct stun_message m;

	if (!stun_client_on_deadline(&w->c, w->now_us))
		return;
	stun_client_request(&w->c, &wr);
	MUST(!wr.failed && stun_decode(bytes, wr.len, &m) == 0 && m.class == STUN_REQUEST);
	MUST(w->n_asked < STUN_TRIES_MAX && !was_asked(w, m.txid));
	memcpy(w->asked[w->n_asked++], m.txid, STUN_TXID_LEN);
}

static void hear(struct world *w, const uint8_t *bytes, size_t len, const struct endpoint *from)
{
	struct stun_message m;

	if (stun_decode(bytes, len, &m) != 0)
		return;
	MUST(!stun_client_owns(&w->c, &m) || w->n_asked > 0);
	if (stun_client_on_answer(&w->c, &m, from, w->now_us) != 0)
		return;
	MUST(was_asked(w, m.txid) && !w->answered);
	MUST(w->c.state == STUN_ANSWERED || w->c.state == STUN_FAILED);
	MUST(w->c.change != 0 || endpoint_equal(from, &w->server));
	MUST(w->c.state != STUN_ANSWERED || !endpoint_is_none(&w->c.mapped));
	w->answered = true;
}

/* A well-formed answer with a transaction of the question's, or nearly. */
static void hear_made(struct world *w)
{
	uint8_t bytes[PACKET_MAX], how = script_byte(&w->s), txid[STUN_TXID_LEN] = {0};
	struct writer wr = writer_init(bytes, sizeof(bytes));
	struct endpoint mapped = {.ip.b = {[10] = 0xff, 0xff, 203, 0, 113, 5}, .port = 7};

	if (w->n_asked > 0)
		memcpy(txid, w->asked[script_byte(&w->s) % w->n_asked], STUN_TXID_LEN);
	if (how & 1)
		txid[script_byte(&w->s) % STUN_TXID_LEN] ^= script_byte(&w->s);
	stun_write_header(&wr, how & 2 ? STUN_ERROR : STUN_SUCCESS, STUN_BINDING, txid);
	if (how & 2)
		stun_write_error(&wr, 300U + script_byte(&w->s), "");
	if (how & 4)
		stun_write_address(&wr, STUN_XOR_MAPPED_ADDRESS, &mapped);
	if (how & 8)
		stun_write_fingerprint(&wr);
	hear(w, bytes, wr.len, how & 16 ? &w->elsewhere : &w->server);
}

static void hear_raw(struct world *w)
{
	size_t len;
	bool is_elsewhere = script_byte(&w->s) & 1;
	const uint8_t *span = script_span(&w->s, SPAN_MAX, &len);

	if (len > 0)
		hear(w, span, len, is_elsewhere ? &w->elsewhere : &w->server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t random[STUN_TXID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	struct world w = {.s = script_init(data, len), .now_us = US_PER_S};
	uint8_t how = script_byte(&w.s);

	w.server = (struct endpoint){.ip.b = {[10] = 0xff, 0xff, 192, 0, 2, 1}, .port = 3478};
	w.elsewhere = (struct endpoint){.ip.b = {[10] = 0xff, 0xff, 192, 0, 2, 2}, .port = 3478};
	stun_client_start(&w.c, how & 1 ? &stun_timing_rfc : &stun_timing_survey, &w.server,
			  how & 2 ? 6 : 0, random, w.now_us);
	for (unsigned i = 0; i < STEPS_MAX && script_has_more(&w.s); i++) {
		switch (script_pick(&w.s, 4)) {
		case 0:
			w.now_us += script_pause_us(&w.s);
			break;
		case 1:
			ask(&w);
			break;
		case 2:
			hear_raw(&w);
			break;
		default:
			hear_made(&w);
		}
	}
	for (unsigned i = 0; stun_client_deadline(&w.c) != US_NEVER; i++) {
		MUST(i <= STUN_TRIES_MAX);
		w.now_us = stun_client_deadline(&w.c);
		ask(&w);
	}
	MUST(w.c.state == STUN_ANSWERED || w.c.state == STUN_FAILED);
	return 0;
}
