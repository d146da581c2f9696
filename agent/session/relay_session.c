#include "agent/session/relay_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/net/http.h"

static const uint64_t connect_within_us = 10 * (uint64_t)US_PER_S;
static const uint64_t read_deadline_us = 120 * (uint64_t)US_PER_S;
static const uint64_t idle_us = 60 * (uint64_t)US_PER_S;

static const uint64_t in_use_us = 15 * (uint64_t)US_PER_S;
static const uint64_t ask_used_us = 10 * (uint64_t)US_PER_S, ask_held_us = 25 * (uint64_t)US_PER_S;
static const uint64_t silence_us = 250 * US_PER_MS; /* after what was sent: a question */
static const uint64_t ask_apart_us = 500 * US_PER_MS;
static const uint64_t checked_within_us = 300 * US_PER_MS;
static const uint64_t unacked_us = US_PER_S, unanswered_us = 5 * (uint64_t)US_PER_S;

static const uint64_t first_wait_us = 100 * US_PER_MS, longest_wait_us = 10 * (uint64_t)US_PER_S;
static const uint64_t shortest_wait_us = 10 * US_PER_MS;
static const uint64_t told_wait_max_us = 60 * (uint64_t)US_PER_S;
static const uint64_t useful_us = 10 * (uint64_t)US_PER_S;
static const uint64_t proved_us = 500 * US_PER_MS, stood_wait_max_us = US_PER_S;
static const uint64_t patience_us = US_PER_S;

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t part_of(uint64_t span_us, uint32_t random)
{
	return (uint64_t)((double)span_us * ((double)random / 4294967296.0));
}

static bool is_wanted(const struct relay_session *s, uint64_t now_us)
{
	return s->held || (s->used_us != 0 && now_us < s->used_us + idle_us);
}

/* How long a Ping may go without acknowledgement: a lost segment comes again within a second. */
static uint64_t unacked_within(const struct relay_session *s)
{
	return sooner(later(unacked_us, 4 * s->rtt_us), unanswered_us);
}

/* After a sleep or a cut the relay's own TCP may wait out a back-off of many seconds: that it
 * acknowledges says nothing, and a new connection is there sooner. */
static uint64_t check_ends_us(const struct relay_session *s)
{
	if (s->checked_us == 0)
		return US_NEVER;
	return s->checked_us + later(checked_within_us, 4 * s->rtt_us);
}

/* When the next Ping is due, where none is open. */
static uint64_t next_ask_us(const struct relay_session *s)
{
	bool used = s->used_us != 0 && s->last_ask_us < s->used_us + in_use_us;
	uint64_t due_us = US_NEVER;

	if (s->held)
		due_us = s->last_ask_us + ask_held_us;
	if (used)
		due_us = sooner(due_us, s->last_ask_us + ask_used_us);
	if (s->question_us != 0)
		due_us = sooner(due_us,
				later(s->question_us + silence_us, s->last_ask_us + ask_apart_us));
	return due_us;
}

static uint64_t deadline_when_up(const struct relay_session *s)
{
	uint64_t due_us = s->heard_us + read_deadline_us;

	if (!s->held)
		due_us = sooner(due_us, later(s->used_us, s->since_us) + idle_us);
	if (s->asked_us == 0)
		return sooner(due_us, next_ask_us(s));
	return sooner(due_us, sooner(s->asked_us + unacked_within(s), check_ends_us(s)));
}

static void rearm(struct relay_session *s, uint64_t now_us)
{
	switch (s->state) {
	case RELAY_DOWN:
		s->deadline_us = is_wanted(s, now_us) ? s->retry_us : US_NEVER;
		return;
	case RELAY_DIALLING:
	case RELAY_UPGRADING:
	case RELAY_AWAITS_KEY:
	case RELAY_AWAITS_INFO:
		s->deadline_us =
			s->since_us + (s->checked_us == 0 ? connect_within_us : patience_us);
		return;
	case RELAY_UP:
		s->deadline_us = deadline_when_up(s);
		return;
	}
}

static void enter(struct relay_session *s, enum relay_session_state next, uint64_t now_us)
{
	s->state = next;
	s->since_us = now_us;
	s->checked_us = 0;
	rearm(s, now_us);
}

static void write_frame(const struct derp_frame *frame, struct writer *out)
{
	/* Callers give RELAY_SESSION_OUT_MAX bytes, and these frames are short. */
	if (derp_frame_encode(frame, out) != 0)
		out->failed = true;
}

static void write_preferred(const struct relay_session *s, struct writer *out)
{
	write_frame(&(struct derp_frame){.type = DERP_NOTE_PREFERRED, .preferred = s->preferred},
		    out);
}

static void ask(struct relay_session *s, uint64_t now_us, struct writer *out)
{
	struct derp_frame frame = {.type = DERP_PING};
	struct writer body = writer_init(frame.ping, sizeof(frame.ping));

	s->asks++;
	s->asked_us = s->last_ask_us = now_us;
	write_u64be(&body, s->asks);
	write_frame(&frame, out);
}

static int refuse(struct relay_session *s, const char *reason)
{
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
	return -EPROTO;
}

static enum relay_session_do close_with(struct relay_session *s, const char *reason)
{
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
	return RELAY_DO_CLOSE;
}

/* ---- what the owner wants ---- */

void relay_session_hold(struct relay_session *s, bool held, bool preferred, uint64_t now_us,
			struct writer *out)
{
	bool moved = preferred != s->preferred;

	if (held && !s->held && s->state == RELAY_DOWN)
		s->retry_us = now_us;
	s->held = held;
	s->preferred = preferred;
	if (moved && s->state == RELAY_UP)
		write_preferred(s, out);
	rearm(s, now_us);
}

void relay_session_on_use(struct relay_session *s, uint64_t now_us)
{
	bool was_wanted = is_wanted(s, now_us);

	s->used_us = now_us;
	if (s->state == RELAY_DOWN && !was_wanted)
		s->retry_us = later(s->retry_us, now_us);
	if (s->state == RELAY_UP && s->question_us == 0)
		s->question_us = now_us;
	rearm(s, now_us);
}

/* ---- time ---- */

static enum relay_session_do on_deadline_up(struct relay_session *s, uint64_t acked_us,
					    uint64_t now_us, struct writer *out)
{
	uint64_t proof_us = later(s->asked_us, acked_us);

	if (now_us >= s->heard_us + read_deadline_us)
		return close_with(s, "nothing heard of the relay for 120 s");
	if (!is_wanted(s, now_us) && now_us >= s->since_us + idle_us)
		return close_with(s, "idle");
	if (s->asked_us == 0) {
		if (now_us >= next_ask_us(s))
			ask(s, now_us, out);
		rearm(s, now_us);
		return RELAY_DO_NOTHING;
	}
	if (now_us >= s->asked_us + unanswered_us || now_us >= proof_us + unacked_within(s) ||
	    now_us >= check_ends_us(s))
		return close_with(s, "the relay does not answer");
	/* Acknowledged, though not answered: its link may be full. */
	s->deadline_us = sooner(sooner(proof_us + unacked_within(s), check_ends_us(s)),
				s->asked_us + unanswered_us);
	return RELAY_DO_NOTHING;
}

enum relay_session_do relay_session_on_deadline(struct relay_session *s, uint64_t acked_us,
						uint64_t now_us, struct writer *out)
{
	if (now_us < s->deadline_us)
		return RELAY_DO_NOTHING;
	switch (s->state) {
	case RELAY_DOWN:
		if (!is_wanted(s, now_us)) {
			s->deadline_us = US_NEVER;
			return RELAY_DO_NOTHING;
		}
		s->reason[0] = '\0';
		enter(s, RELAY_DIALLING, now_us);
		return RELAY_DO_DIAL;
	case RELAY_DIALLING:
	case RELAY_UPGRADING:
	case RELAY_AWAITS_KEY:
	case RELAY_AWAITS_INFO:
		return close_with(s, "the relay does not answer");
	case RELAY_UP:
		return on_deadline_up(s, acked_us, now_us, out);
	}
	return RELAY_DO_NOTHING;
}

void relay_session_doubt(struct relay_session *s, uint64_t now_us, struct writer *out)
{
	if (s->state == RELAY_UP && s->asked_us == 0)
		ask(s, now_us, out);
	rearm(s, now_us);
}

enum relay_session_do relay_session_check(struct relay_session *s, uint64_t now_us,
					  struct writer *out)
{
	switch (s->state) {
	case RELAY_DOWN:
		s->retry_us = now_us;
		rearm(s, now_us);
		return RELAY_DO_NOTHING;
	case RELAY_DIALLING:
	case RELAY_UPGRADING:
	case RELAY_AWAITS_KEY:
	case RELAY_AWAITS_INFO:
		if (now_us >= s->since_us + patience_us)
			return close_with(s, "the network changed");
		/* It may have begun by an address that is gone, or be as new as the change. */
		s->checked_us = now_us;
		rearm(s, now_us);
		return RELAY_DO_NOTHING;
	case RELAY_UP:
		if (s->asked_us == 0)
			ask(s, now_us, out);
		if (s->checked_us == 0)
			s->checked_us = now_us;
		rearm(s, now_us);
		return RELAY_DO_NOTHING;
	}
	return RELAY_DO_NOTHING;
}

void relay_session_hurry(struct relay_session *s, uint32_t random, uint64_t now_us)
{
	if (s->state != RELAY_DOWN)
		return;
	s->retry_us = sooner(s->retry_us, now_us + part_of(first_wait_us, random));
	rearm(s, now_us);
}

/* ---- login ---- */

static int write_login(struct relay_session *s, const struct secret_key *secret,
		       const uint8_t nonce[static DERP_NONCE_LEN], struct writer *out)
{
	const struct derp_client_info info = {.version = DERP_VERSION, .can_ack_pings = true};

	if (derp_client_info_seal(&info, secret, &s->server_key, nonce, out) != 0)
		return refuse(s, "the relay's key is of no use");
	return 0;
}

int relay_session_on_connected(struct relay_session *s, const char *host, const char *ideal_node,
			       const struct public_key *derp_key, const struct secret_key *secret,
			       const uint8_t nonce[static DERP_NONCE_LEN], uint64_t now_us,
			       struct writer *out)
{
	char request[RELAY_SESSION_OUT_MAX];
	int n = snprintf(request, sizeof(request),
			 "GET /derp HTTP/1.1\r\nHost: %s\r\nUpgrade: DERP\r\n"
			 "Connection: Upgrade\r\n%s%s%s%s\r\n",
			 host, ideal_node ? "Ideal-Node: " : "", ideal_node ? ideal_node : "",
			 ideal_node ? "\r\n" : "", derp_key ? "Derp-Fast-Start: 1\r\n" : "");

	if (n < 0 || (size_t)n >= sizeof(request))
		return refuse(s, "the relay's name is too long");
	write_bytes(out, request, (size_t)n);
	s->heard_us = now_us;
	if (!derp_key) {
		enter(s, RELAY_UPGRADING, now_us);
		return 0;
	}
	s->server_key = *derp_key;
	enter(s, RELAY_AWAITS_INFO, now_us);
	return write_login(s, secret, nonce, out);
}

int relay_session_on_answer(struct relay_session *s, const struct http_head *head, uint64_t now_us)
{
	if (s->state != RELAY_UPGRADING)
		return refuse(s, "an answer to no question");
	if (head->status != 101 || !http_has_token(head, "Upgrade", "DERP")) {
		snprintf(s->reason, sizeof(s->reason), "the relay answered %u to the upgrade",
			 head->status);
		return -EPROTO;
	}
	enter(s, RELAY_AWAITS_KEY, now_us);
	return 0;
}

static int on_server_key(struct relay_session *s, const struct public_key *key,
			 const struct secret_key *secret,
			 const uint8_t nonce[static DERP_NONCE_LEN], uint64_t now_us,
			 struct writer *out)
{
	/* With fast start it comes all the same, when the login is already on its way. */
	if (s->state != RELAY_AWAITS_KEY)
		return 0;
	s->server_key = *key;
	enter(s, RELAY_AWAITS_INFO, now_us);
	return write_login(s, secret, nonce, out);
}

static int on_server_info(struct relay_session *s, const struct derp_frame *frame,
			  const struct secret_key *secret, uint64_t now_us, struct writer *out,
			  struct relay_event *event)
{
	struct derp_server_info info;

	if (s->state != RELAY_AWAITS_INFO)
		return 0;
	if (derp_server_info_open(frame->sealed.bytes, frame->sealed.len, secret, &s->server_key,
				  &info) != 0)
		return refuse(s, "the relay cannot prove its key");
	s->rate_bytes_per_s = info.rate_bytes_per_s;
	s->burst_bytes = later(info.burst_bytes, DERP_FRAME_MAX);
	s->tokens_bytes = s->burst_bytes;
	s->tokens_us = now_us;
	s->rtt_us = s->question_us = s->asked_us = 0;
	s->drains = false;
	s->health[0] = '\0';
	if (s->preferred)
		write_preferred(s, out);
	ask(s, now_us, out);
	enter(s, RELAY_UP, now_us);
	event->kind = RELAY_EVENT_UP;
	return 0;
}

/* ---- frames while up ---- */

static void on_pong(struct relay_session *s, const uint8_t body[static DERP_PING_LEN],
		    uint64_t now_us, struct relay_event *event)
{
	struct reader r = reader_init(body, DERP_PING_LEN);

	if (read_u64be(&r) != s->asks || s->asked_us == 0)
		return;
	uint64_t rtt_us = later(now_us - s->asked_us, 1);
	s->rtt_us = s->rtt_us == 0 ? rtt_us : (7 * s->rtt_us + rtt_us) / 8;
	s->asked_us = s->checked_us = 0;
	event->kind = RELAY_EVENT_MEASURED;
}

static void on_restarting(struct relay_session *s, const struct derp_restarting *r, uint64_t now_us,
			  struct relay_event *event)
{
	s->drains = true;
	s->retry_us = now_us + sooner((uint64_t)r->reconnect_in_ms * US_PER_MS, told_wait_max_us);
	event->kind = RELAY_EVENT_DRAINS;
}

static void on_health(struct relay_session *s, const struct derp_frame *frame,
		      struct relay_event *event)
{
	size_t n =
		frame->health.len < sizeof(s->health) ? frame->health.len : sizeof(s->health) - 1;

	memcpy(s->health, frame->health.text, n);
	s->health[n] = '\0';
	event->kind = RELAY_EVENT_HEALTH;
}

static void on_frame_up(struct relay_session *s, struct derp_frame *frame, uint64_t now_us,
			struct writer *out, struct relay_event *event)
{
	switch (frame->type) {
	case DERP_RECV_PACKET:
		event->kind = RELAY_EVENT_PACKET;
		event->packet = frame->packet;
		return;
	case DERP_PEER_GONE:
		event->kind = RELAY_EVENT_PEER_GONE;
		event->key = frame->gone.key;
		return;
	case DERP_PING:
		frame->type = DERP_PONG;
		write_frame(frame, out);
		return;
	case DERP_PONG:
		on_pong(s, frame->ping, now_us, event);
		return;
	case DERP_HEALTH:
		on_health(s, frame, event);
		return;
	case DERP_RESTARTING:
		on_restarting(s, &frame->restarting, now_us, event);
		return;
	case DERP_KEEP_ALIVE:
	case DERP_SERVER_KEY:
	case DERP_CLIENT_INFO:
	case DERP_SERVER_INFO:
	case DERP_SEND_PACKET:
	case DERP_NOTE_PREFERRED:
	case DERP_PEER_PRESENT:
	case DERP_FORWARD_PACKET:
	case DERP_WATCH_CONNS:
	case DERP_CLOSE_PEER:
		return; /* a sign of life, or for others */
	}
}

int relay_session_on_frame(struct relay_session *s, const struct derp_raw_frame *raw,
			   const struct secret_key *secret,
			   const uint8_t nonce[static DERP_NONCE_LEN], uint64_t now_us,
			   struct writer *out, struct relay_event *event)
{
	struct derp_frame frame;
	int err = derp_frame_decode(raw->type, raw->payload, raw->len, &frame);

	*event = (struct relay_event){.kind = RELAY_EVENT_NONE};
	if (err == -ENOTSUP)
		return 0;
	if (err)
		return refuse(s, "the relay sent a malformed frame");
	s->heard_us = now_us;
	s->question_us = 0;
	if (frame.type == DERP_SERVER_KEY)
		err = on_server_key(s, &frame.server_key, secret, nonce, now_us, out);
	else if (frame.type == DERP_SERVER_INFO)
		err = on_server_info(s, &frame, secret, now_us, out, event);
	else if (s->state == RELAY_UP)
		on_frame_up(s, &frame, now_us, out, event);
	rearm(s, now_us);
	return err;
}

bool relay_session_may_send(struct relay_session *s, size_t frame_len, uint64_t now_us)
{
	if (s->rate_bytes_per_s == 0)
		return true;
	/* An hour's worth is beyond any burst, and keeps the product small. */
	uint64_t passed_us = sooner(now_us - s->tokens_us, 3600 * (uint64_t)US_PER_S);
	uint64_t rate = sooner(s->rate_bytes_per_s, UINT32_MAX);
	uint64_t earned = passed_us * rate / US_PER_S;

	if (earned > 0) {
		s->tokens_bytes = sooner(s->tokens_bytes + earned, s->burst_bytes);
		s->tokens_us = now_us;
	}
	if (s->tokens_bytes < frame_len)
		return false;
	s->tokens_bytes -= frame_len;
	return true;
}

/* ---- the end ---- */

/* A session that stood for half a second is waited for no longer than it stood, and for a second at
 * most: whoever has no other relay is served half of the time, and a relay that keeps dying is
 * dialled once in its life. After a shorter life it is half of the one before: what ended both may
 * be a NAT. */
static uint64_t back_off_us(const struct relay_session *s, bool was_up, uint32_t random)
{
	unsigned shift = s->failures < 10 ? s->failures : 10;
	uint64_t span_us = sooner(first_wait_us << shift, longest_wait_us);

	if (was_up && s->stood_us >= proved_us && !s->drains)
		span_us = sooner(span_us, sooner(s->stood_us, stood_wait_max_us));
	return later(part_of(span_us, random), shortest_wait_us);
}

void relay_session_on_closed(struct relay_session *s, const char *reason, uint32_t random,
			     uint64_t now_us)
{
	bool was_up = s->state == RELAY_UP;
	uint64_t stood_us = was_up ? now_us - s->since_us : 0;
	bool was_useful = stood_us >= useful_us;
	uint64_t told_us = s->drains ? s->retry_us : 0;

	if (s->reason[0] == '\0')
		snprintf(s->reason, sizeof(s->reason), "%s", reason);
	if (was_useful)
		s->failures = 0;
	if (was_up)
		s->stood_us = later(stood_us, s->stood_us / 2);
	/* Told when to come back, but never sooner than who is told nothing: a relay that sends
	 * away whoever comes would be dialled in a loop. After good service it is taken at its
	 * word. */
	s->retry_us = now_us + back_off_us(s, was_up, random);
	if (told_us > now_us) {
		uint64_t least_us = was_useful ? now_us + shortest_wait_us : s->retry_us;

		s->retry_us = later(told_us + part_of((told_us - now_us) / 2, random), least_us);
	}
	s->failures++;
	/* A relay that worked is tried first again; one that did not gives way to the next. */
	s->node = was_up ? s->node : s->node + 1;
	s->drains = false;
	s->asked_us = s->question_us = 0;
	enter(s, RELAY_DOWN, now_us);
}
