/*
 * control_session_fuzz: a node's session with a coordinator that lies: it refuses, hangs, greets,
 * sends anything in any order, sends away, and closes when it likes.
 *
 * Must hold:
 *   - online only behind a good nonce and a welcome on this very connection;
 *   - no coordinator makes the node dial without a wait, nor often: that would be an attack on
 *     whatever stands there;
 *   - silence is found out; no timer runs in circles; only a final error refuses for good;
 *   - an honest coordinator gets the node back.
 */
#include "agent/session/control_session.h"

#include "common/clock.h"
#include "tests/fuzz/dial_watch.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
	STEPS_MAX = 400,
	TEXT_MAX = 2048,
	DIALS_PER_MINUTE = 30,
	SILENCE_MAX_S = 31,
	AWAY_MAX_S = 900
};
static const uint64_t SHORTEST_WAIT_US = 50 * US_PER_MS;

struct world {
	struct script s;
	struct control_session session;
	uint64_t now_us;
	struct dial_watch dials;
	bool upgraded; /* on this connection */
};

static uint32_t dice(struct world *w)
{
	return (uint32_t)script_dice(&w->s);
}

static void close_now(struct world *w, const char *reason)
{
	struct control_session *s = &w->session;

	control_session_on_closed(s, reason, dice(w), w->now_us);
	dial_watch_on_closed(&w->dials, w->now_us);
	w->upgraded = false;
	MUST(s->state == CONTROL_SESSION_WAITING || s->state == CONTROL_SESSION_REFUSED);
	MUST(s->state == CONTROL_SESSION_REFUSED ||
	     s->deadline_us - w->now_us <= AWAY_MAX_S * (uint64_t)US_PER_S);
}

static void carry_out(struct world *w, enum control_session_do what)
{
	if (what == CONTROL_DO_DIAL)
		dial_watch_on_dial(&w->dials, w->now_us);
	if (what == CONTROL_DO_CLOSE)
		close_now(w, "closed");
}

/* Lets time pass as far as the next deadline, or less. */
static void wait(struct world *w, uint64_t pause_us)
{
	uint64_t until_us = w->now_us + pause_us;
	struct control_session *s = &w->session;

	for (unsigned rounds = 0; s->deadline_us <= until_us; rounds++) {
		MUST(rounds < 20000);
		if (s->deadline_us > w->now_us)
			w->now_us = s->deadline_us;
		uint64_t before_us = s->deadline_us;
		carry_out(w, control_session_on_deadline(s, dice(w), w->now_us));
		MUST(s->deadline_us > w->now_us || s->deadline_us != before_us);
	}
	w->now_us = until_us;
	MUST(s->state != CONTROL_SESSION_ONLINE ||
	     w->now_us - s->heard_us <= SILENCE_MAX_S * (uint64_t)US_PER_S);
}

static void upgrade(struct world *w, bool good)
{
	uint8_t nonce[CONTROL_NONCE_LEN];
	char hex[2 * CONTROL_NONCE_LEN + 8] = {0};
	bool was_due = w->session.state == CONTROL_SESSION_UPGRADING;
	size_t len;

	memset(hex, good ? 'a' : 0, 2 * CONTROL_NONCE_LEN);
	if (!good) {
		const uint8_t *bytes = script_span(&w->s, sizeof(hex) - 1, &len);

		if (len > 0)
			memcpy(hex, bytes, len);
	}
	if (control_session_on_upgraded(&w->session, hex, nonce, w->now_us) == 0) {
		MUST(was_due && strlen(hex) == 2 * CONTROL_NONCE_LEN);
		w->upgraded = true;
	} else if (was_due) {
		close_now(w, "closed");
	}
}

static void hear(struct world *w, const struct control_message *m)
{
	struct control_session *s = &w->session;
	enum control_session_state before = s->state;

	carry_out(w, control_session_on_message(s, m, dice(w), w->now_us));
	if (s->state == CONTROL_SESSION_ONLINE && before != CONTROL_SESSION_ONLINE)
		MUST(before == CONTROL_SESSION_GREETING && w->upgraded &&
		     m->type == CONTROL_WELCOME);
	if (s->state == CONTROL_SESSION_REFUSED && before != CONTROL_SESSION_REFUSED)
		MUST(m->type == CONTROL_ERROR && control_error_is_final(m->error.code));
	MUST(memchr(s->reason, '\0', sizeof(s->reason)));
}

static void hear_text(struct world *w)
{
	struct control_message m;
	char why[64], text[TEXT_MAX];
	size_t len;
	const uint8_t *bytes = script_span(&w->s, TEXT_MAX, &len);

	if (len > 0)
		memcpy(text, bytes, len);
	if (control_decode(text, len, CONTROL_SERVER_MESSAGE_MAX, &m, why, sizeof(why)) != 0)
		return;
	hear(w, &m);
	control_message_wipe(&m);
}

static void hear_made(struct world *w)
{
	struct control_message m = {.type = (enum control_type)script_pick(&w->s, CONTROL_TYPES)};

	if (m.type == CONTROL_ERROR) {
		m.error.code = (enum control_error_code)script_pick(&w->s, CONTROL_ERROR_CODES);
		memset(m.error.text, script_byte(&w->s) | 1, sizeof(m.error.text) - 1);
	} else if (m.type == CONTROL_GOAWAY) {
		m.goaway_ms = (uint64_t)script_byte(&w->s) << (script_byte(&w->s) % 45);
	}
	hear(w, &m);
}

/* The shortest service there is, or the same again and again with a goaway behind it. */
static void serve_briefly(struct world *w)
{
	struct control_session *s = &w->session;
	unsigned times = script_byte(&w->s) % 64;
	struct control_message away = {.type = CONTROL_GOAWAY, .goaway_ms = script_byte(&w->s)};

	for (unsigned i = 0; i <= times; i++) {
		if (s->state == CONTROL_SESSION_WAITING && s->deadline_us > w->now_us)
			wait(w, s->deadline_us - w->now_us);
		wait(w, 0);
		control_session_on_connected(s, w->now_us);
		upgrade(w, true);
		hear(w, &(struct control_message){.type = CONTROL_WELCOME});
		if (i < times)
			hear(w, &away);
	}
}

static void step(struct world *w)
{
	struct control_session *s = &w->session;
	unsigned how = script_pick(&w->s, 12);

	switch (how) {
	case 0:
	case 1:
		wait(w, script_pause_us(&w->s));
		break;
	case 2:
		control_session_on_connected(s, w->now_us);
		break;
	case 3:
		upgrade(w, script_byte(&w->s) & 3);
		break;
	case 4:
		hear_text(w);
		break;
	case 5:
		if (s->state != CONTROL_SESSION_WAITING && s->state != CONTROL_SESSION_REFUSED)
			close_now(w, "the other end closed");
		break;
	case 6:
		dial_watch_free_next(&w->dials);
		carry_out(w, control_session_check(s, w->now_us));
		break;
	case 7:
		dial_watch_free_next(&w->dials);
		control_session_retry(s, w->now_us);
		break;
	case 8:
		serve_briefly(w);
		break;
	default:
		hear_made(w);
	}
}

static void check_honest(struct world *w)
{
	struct control_session *s = &w->session;

	if (s->state == CONTROL_SESSION_REFUSED)
		control_session_retry(s, w->now_us);
	if (s->state != CONTROL_SESSION_WAITING)
		close_now(w, "closed");
	dial_watch_free_next(&w->dials);
	wait(w, s->deadline_us > w->now_us ? s->deadline_us - w->now_us : 0);
	MUST(s->state == CONTROL_SESSION_DIALLING);
	control_session_on_connected(s, w->now_us);
	uint8_t nonce[CONTROL_NONCE_LEN];
	MUST(control_session_on_upgraded(
		     s, "0000000000000000000000000000000000000000000000000000000000000000", nonce,
		     w->now_us) == 0);
	MUST(control_session_may_send(s));
	w->upgraded = true;
	hear(w, &(struct control_message){.type = CONTROL_WELCOME});
	MUST(s->state == CONTROL_SESSION_ONLINE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world w = {
		.s = script_init(data, len),
		.now_us = 1000 * (uint64_t)US_PER_S,
		.dials = {.shortest_wait_us = SHORTEST_WAIT_US, .per_minute = DIALS_PER_MINUTE}};

	for (unsigned i = 0; i < STEPS_MAX && script_has_more(&w.s); i++)
		step(&w);
	check_honest(&w);
	return 0;
}
