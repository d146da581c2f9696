#include "tests/sim/coverage_server_tap.h"

#include "tests/sim/coverage.h"

/* ---- a relay's client ---- */

enum { CONN_NONE, CONN_STATES, CONN_CLOSED = CONN_STATES + CLIENT_READY + 1 };

int __wrap_client_conn_init(struct client_conn *c, uint16_t worker, const struct endpoint *from,
			    uint8_t flags, const uint8_t random[static CLIENT_NONCE_LEN],
			    uint32_t jitter, uint64_t now_us)
{
	int err = __real_client_conn_init(c, worker, from, flags, random, jitter, now_us);

	if (err == 0)
		coverage_note_here(COVERAGE_CLIENT, CONN_NONE, CONN_STATES + CLIENT_LOGIN);
	return err;
}

void __wrap_client_conn_wipe(struct client_conn *c, struct hub *hub)
{
	if (c->due_us != 0) /* not wiped before */
		coverage_note_here(COVERAGE_CLIENT, CONN_STATES + c->state, CONN_CLOSED);
	__real_client_conn_wipe(c, hub);
}

int __wrap_client_conn_on_bytes(struct client_conn *c, const struct client_env *env,
				struct hub *hub, uint8_t *data, size_t len, uint64_t now_us,
				size_t *used)
{
	unsigned from = c->state;
	int err = __real_client_conn_on_bytes(c, env, hub, data, len, now_us, used);

	coverage_note_here(COVERAGE_CLIENT, CONN_STATES + from, CONN_STATES + c->state);
	return err;
}

int __wrap_client_conn_on_admission(struct client_conn *c, struct hub *hub, bool allowed,
				    uint64_t now_us)
{
	unsigned from = c->state;
	int err = __real_client_conn_on_admission(c, hub, allowed, now_us);

	coverage_note_here(COVERAGE_CLIENT, CONN_STATES + from, CONN_STATES + c->state);
	return err;
}

/* ---- whom it admits ---- */

enum { KEY_UNKNOWN, KEY_ADMITTED, KEY_WAITS, KEY_UNANSWERED, KEY_REFUSED };

enum admission_decision __wrap_admission_on_connect(struct admission *a,
						    const struct public_key *key,
						    const struct ip_addr *source, uint64_t now_us,
						    uint64_t unix_s)
{
	enum admission_decision d = __real_admission_on_connect(a, key, source, now_us, unix_s);

	if (d != ADMISSION_CLOSE)
		coverage_note_here(COVERAGE_ADMISSION, KEY_UNKNOWN,
				   d == ADMISSION_LET_IN ? KEY_ADMITTED : KEY_WAITS);
	return d;
}

enum admission_decision __wrap_admission_on_answer(struct admission *a,
						   const struct public_key *key,
						   enum admission_answer answer, uint64_t now_us,
						   uint64_t unix_s)
{
	static const unsigned becomes[] = {[ADMISSION_YES] = KEY_ADMITTED,
					   [ADMISSION_NO] = KEY_REFUSED,
					   [ADMISSION_SILENT] = KEY_UNANSWERED};
	enum admission_decision d = __real_admission_on_answer(a, key, answer, now_us, unix_s);

	coverage_note_here(COVERAGE_ADMISSION, KEY_WAITS, becomes[answer]);
	return d;
}

/* ---- the coordinator's end of a node's session ---- */

enum { SESSION_NONE, SESSION_STATES, SESSION_GONE = SESSION_STATES + NODE_SESSION_JOINED + 1 };

struct node_session *__wrap_node_session_open(struct coordinator *c, void *link,
					      const struct endpoint *from,
					      const uint8_t nonce[static CONTROL_NONCE_LEN],
					      const struct moment *now)
{
	struct node_session *s = __real_node_session_open(c, link, from, nonce, now);

	if (s)
		coverage_note_here(COVERAGE_NODE_SESSION, SESSION_NONE, SESSION_STATES + s->state);
	return s;
}

/* A text may end the session it came by. */
void __wrap_node_session_on_text(struct coordinator *c, struct node_session *s, const char *text,
				 size_t len, const struct moment *now)
{
	unsigned from = SESSION_STATES + s->state, to = SESSION_GONE;

	__real_node_session_on_text(c, s, text, len, now);
	for (const struct node_session *other = c->sessions; other; other = other->next)
		if (other == s)
			to = SESSION_STATES + s->state;
	coverage_note_here(COVERAGE_NODE_SESSION, from, to);
}

void __wrap_node_session_on_closed(struct coordinator *c, struct node_session *s,
				   const struct moment *now)
{
	coverage_note_here(COVERAGE_NODE_SESSION, SESSION_STATES + s->state, SESSION_GONE);
	__real_node_session_on_closed(c, s, now);
}

enum token_verdict __wrap_token_judge(const struct token *t, const struct public_key *machine,
				      uint64_t now_unix_s)
{
	enum token_verdict verdict = __real_token_judge(t, machine, now_unix_s);

	coverage_note_here(COVERAGE_TOKEN, 0, 1 + verdict);
	return verdict;
}

/* ---- a question to STUN ---- */

void __wrap_stun_client_start(struct stun_client *c, const struct stun_timing *timing,
			      const struct endpoint *server, uint32_t change,
			      const uint8_t random[static STUN_TXID_LEN], uint64_t now_us)
{
	enum stun_client_state from = c->state;

	__real_stun_client_start(c, timing, server, change, random, now_us);
	coverage_note_here(COVERAGE_STUN, from, c->state);
}

bool __wrap_stun_client_on_deadline(struct stun_client *c, uint64_t now_us)
{
	enum stun_client_state from = c->state;
	bool asks = __real_stun_client_on_deadline(c, now_us);

	coverage_note_here(COVERAGE_STUN, from, c->state);
	return asks;
}

void __wrap_stun_client_fail(struct stun_client *c)
{
	enum stun_client_state from = c->state;

	__real_stun_client_fail(c);
	coverage_note_here(COVERAGE_STUN, from, c->state);
}

int __wrap_stun_client_on_answer(struct stun_client *c, const struct stun_message *m,
				 const struct endpoint *from, uint64_t now_us)
{
	enum stun_client_state was = c->state;
	int err = __real_stun_client_on_answer(c, m, from, now_us);

	coverage_note_here(COVERAGE_STUN, was, c->state);
	return err;
}
