#include "tests/sim/coverage_tap.h"

#include "tests/sim/coverage.h"

/* ---- the session to the coordinator ---- */

enum control_session_do __wrap_control_session_on_deadline(struct control_session *s,
							   uint32_t random, uint64_t now_us)
{
	enum control_session_state from = s->state;
	enum control_session_do next = __real_control_session_on_deadline(s, random, now_us);

	coverage_note_here(COVERAGE_CONTROL, from, s->state);
	return next;
}

void __wrap_control_session_on_connected(struct control_session *s, uint64_t now_us)
{
	enum control_session_state from = s->state;

	__real_control_session_on_connected(s, now_us);
	coverage_note_here(COVERAGE_CONTROL, from, s->state);
}

int __wrap_control_session_on_upgraded(struct control_session *s, const char *nonce_hex,
				       uint8_t nonce[static CONTROL_NONCE_LEN], uint64_t now_us)
{
	enum control_session_state from = s->state;
	int err = __real_control_session_on_upgraded(s, nonce_hex, nonce, now_us);

	coverage_note_here(COVERAGE_CONTROL, from, s->state);
	return err;
}

enum control_session_do __wrap_control_session_on_message(struct control_session *s,
							  const struct control_message *m,
							  uint32_t random, uint64_t now_us)
{
	enum control_session_state from = s->state;
	enum control_session_do next = __real_control_session_on_message(s, m, random, now_us);

	coverage_note_here(COVERAGE_CONTROL, from, s->state);
	return next;
}

void __wrap_control_session_on_closed(struct control_session *s, const char *reason,
				      uint32_t random, uint64_t now_us)
{
	enum control_session_state from = s->state;

	__real_control_session_on_closed(s, reason, random, now_us);
	coverage_note_here(COVERAGE_CONTROL, from, s->state);
}

void __wrap_control_session_retry(struct control_session *s, uint64_t now_us)
{
	enum control_session_state from = s->state;

	__real_control_session_retry(s, now_us);
	coverage_note_here(COVERAGE_CONTROL, from, s->state);
}

/* ---- the session to a relay ---- */

enum relay_session_do __wrap_relay_session_on_deadline(struct relay_session *s, uint64_t acked_us,
						       uint64_t now_us, struct writer *out)
{
	enum relay_session_state from = s->state;
	enum relay_session_do next = __real_relay_session_on_deadline(s, acked_us, now_us, out);

	coverage_note_here(COVERAGE_RELAY, from, s->state);
	return next;
}

int __wrap_relay_session_on_connected(struct relay_session *s, const char *host,
				      const char *ideal_node, const struct public_key *derp_key,
				      const struct secret_key *secret,
				      const uint8_t nonce[static DERP_NONCE_LEN], uint64_t now_us,
				      struct writer *out)
{
	enum relay_session_state from = s->state;
	int err = __real_relay_session_on_connected(s, host, ideal_node, derp_key, secret, nonce,
						    now_us, out);

	coverage_note_here(COVERAGE_RELAY, from, s->state);
	return err;
}

int __wrap_relay_session_on_answer(struct relay_session *s, const struct http_head *head,
				   uint64_t now_us)
{
	enum relay_session_state from = s->state;
	int err = __real_relay_session_on_answer(s, head, now_us);

	coverage_note_here(COVERAGE_RELAY, from, s->state);
	return err;
}

int __wrap_relay_session_on_frame(struct relay_session *s, const struct derp_raw_frame *frame,
				  const struct secret_key *secret,
				  const uint8_t nonce[static DERP_NONCE_LEN], uint64_t now_us,
				  struct writer *out, struct relay_event *event)
{
	enum relay_session_state from = s->state;
	int err = __real_relay_session_on_frame(s, frame, secret, nonce, now_us, out, event);

	coverage_note_here(COVERAGE_RELAY, from, s->state);
	return err;
}

void __wrap_relay_session_on_closed(struct relay_session *s, const char *reason, uint32_t random,
				    uint64_t now_us)
{
	enum relay_session_state from = s->state;

	__real_relay_session_on_closed(s, reason, random, now_us);
	coverage_note_here(COVERAGE_RELAY, from, s->state);
}

/* ---- one way to a peer ---- */

void __wrap_liveness_on_proof(struct liveness *l, uint64_t sent_us, uint64_t now_us)
{
	enum path_state from = l->state;

	__real_liveness_on_proof(l, sent_us, now_us);
	coverage_note_here(COVERAGE_PATH, from, l->state);
}

void __wrap_liveness_on_doubt(struct liveness *l, uint64_t now_us)
{
	enum path_state from = l->state;

	__real_liveness_on_doubt(l, now_us);
	coverage_note_here(COVERAGE_PATH, from, l->state);
}

void __wrap_liveness_on_loss(struct liveness *l, uint64_t now_us)
{
	enum path_state from = l->state;

	__real_liveness_on_loss(l, now_us);
	coverage_note_here(COVERAGE_PATH, from, l->state);
}

void __wrap_liveness_reset(struct liveness *l, uint64_t now_us)
{
	enum path_state from = l->state;

	__real_liveness_reset(l, now_us);
	coverage_note_here(COVERAGE_PATH, from, l->state);
}

bool __wrap_liveness_on_deadline(struct liveness *l, uint64_t now_us)
{
	enum path_state from = l->state;
	bool changed = __real_liveness_on_deadline(l, now_us);

	coverage_note_here(COVERAGE_PATH, from, l->state);
	return changed;
}

/* ---- a gap ---- */

bool __wrap_gap_step(struct gap *g, const struct gap_view *view, uint64_t now_us, uint64_t unix_us,
		     struct event *out)
{
	bool was_open = g->open;
	bool has_event = __real_gap_step(g, view, now_us, unix_us, out);

	coverage_note_here(COVERAGE_GAP, was_open, g->open);
	return has_event;
}
