#include "agent/session/control_session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

/* The coordinator gives up a node after 90 s of silence. */
static const uint64_t ping_every_us = 20 * (uint64_t)US_PER_S;
static const uint64_t answer_within_us = 10 * (uint64_t)US_PER_S;
static const uint64_t check_within_us = 3 * (uint64_t)US_PER_S;
/* A younger attempt may well have begun on the new network already. */
static const uint64_t patience_us = US_PER_S;
static const uint64_t dial_within_us = 15 * (uint64_t)US_PER_S;
static const uint64_t greet_within_us = 10 * (uint64_t)US_PER_S;

/* Full jitter: a wait is anything up to first << failures. */
static const uint64_t first_wait_us = 500 * US_PER_MS, longest_wait_us = 60 * (uint64_t)US_PER_S;
static const uint64_t shortest_wait_us = 50 * US_PER_MS;
/* A connection that did not last so long was no service: the back-off goes on. */
static const uint64_t useful_us = 30 * (uint64_t)US_PER_S, proved_us = 5 * (uint64_t)US_PER_S;

static void enter(struct control_session *s, enum control_session_state next, uint64_t deadline_us,
		  uint64_t now_us)
{
	s->state = next;
	s->since_us = now_us;
	s->deadline_us = deadline_us;
	if (next != CONTROL_SESSION_ONLINE) {
		s->online_since_us = 0;
		s->asked_us = 0;
	}
}

/* Of span, as much as 32 random bits say. */
static uint64_t part_of(uint64_t span_us, uint32_t random)
{
	return (uint64_t)((double)span_us * ((double)random / 4294967296.0));
}

static enum control_session_do close_with(struct control_session *s, const char *reason)
{
	if (s->reason[0] == '\0')
		snprintf(s->reason, sizeof(s->reason), "%s", reason);
	return CONTROL_DO_CLOSE;
}

static uint64_t next_ping_us(uint32_t random, uint64_t now_us)
{
	return now_us + ping_every_us - part_of(ping_every_us / 5, random);
}

static enum control_session_do ask(struct control_session *s, uint64_t within_us, uint64_t now_us)
{
	s->pings++;
	s->asked_us = now_us;
	s->deadline_us = now_us + within_us;
	return CONTROL_DO_PING;
}

enum control_session_do control_session_on_deadline(struct control_session *s, uint32_t random,
						    uint64_t now_us)
{
	(void)random;
	if (now_us < s->deadline_us)
		return CONTROL_DO_NOTHING;

	switch (s->state) {
	case CONTROL_SESSION_WAITING:
		s->reason[0] = '\0';
		s->pings = 0;
		enter(s, CONTROL_SESSION_DIALLING, now_us + dial_within_us, now_us);
		return CONTROL_DO_DIAL;
	case CONTROL_SESSION_DIALLING:
	case CONTROL_SESSION_UPGRADING:
		return close_with(s, "the coordinator does not answer");
	case CONTROL_SESSION_GREETING:
		return close_with(s, "the coordinator does not answer the hello");
	case CONTROL_SESSION_ONLINE:
		if (s->asked_us != 0)
			return close_with(s, "the coordinator is silent");
		return ask(s, answer_within_us, now_us);
	case CONTROL_SESSION_REFUSED:
		s->deadline_us = US_NEVER;
		return CONTROL_DO_NOTHING;
	}
	return CONTROL_DO_NOTHING;
}

void control_session_on_connected(struct control_session *s, uint64_t now_us)
{
	if (s->state == CONTROL_SESSION_DIALLING)
		enter(s, CONTROL_SESSION_UPGRADING, now_us + greet_within_us, now_us);
}

int control_session_on_upgraded(struct control_session *s, const char *nonce_hex,
				uint8_t nonce[static CONTROL_NONCE_LEN], uint64_t now_us)
{
	if (s->state != CONTROL_SESSION_UPGRADING)
		return -EPROTO;
	if (hex_decode(nonce_hex, nonce, CONTROL_NONCE_LEN) != 0) {
		snprintf(s->reason, sizeof(s->reason),
			 "the server speaks WebSocket but is no Warren coordinator");
		return -EPROTO;
	}
	s->heard_us = now_us;
	enter(s, CONTROL_SESSION_GREETING, now_us + greet_within_us, now_us);
	return 0;
}

bool control_error_is_final(enum control_error_code code)
{
	switch (code) {
	case CONTROL_TOKEN_MISSING:
	case CONTROL_TOKEN_UNKNOWN:
	case CONTROL_TOKEN_EXPIRED:
	case CONTROL_TOKEN_USED:
	case CONTROL_TOKEN_REVOKED:
	case CONTROL_NAME_TAKEN:
	case CONTROL_KEY_CHANGED:
	case CONTROL_REMOVED:
		return true;
	case CONTROL_ERROR_OTHER:
	case CONTROL_BAD_PROOF: /* as between two certificates of one name */
	case CONTROL_BAD_SIGNATURE:
	case CONTROL_BAD_MESSAGE:
	case CONTROL_REPLACED:
	case CONTROL_FULL:
	case CONTROL_ERROR_CODES:
		return false;
	}
	return false;
}

static enum control_session_do on_error(struct control_session *s,
					const struct control_error *error)
{
	snprintf(s->reason, sizeof(s->reason), "%s: %.150s", control_error_str(error->code),
		 error->text);
	if (control_error_is_final(error->code))
		enter(s, CONTROL_SESSION_REFUSED, US_NEVER, s->heard_us);
	return CONTROL_DO_CLOSE;
}

/* Somebody else runs with this identity: whoever comes back at once starts a fight. */
static bool is_fight(const struct control_message *m)
{
	return m->type == CONTROL_ERROR && m->error.code == CONTROL_REPLACED;
}

/* Who was online for a while, stood_us, is away for no longer than that: nodes that return at once
 * are spread over as long as they were served. */
static uint64_t back_off_us(const struct control_session *s, uint64_t stood_us, uint32_t random)
{
	unsigned shift = s->failures < 16 ? s->failures : 16;
	uint64_t span_us = first_wait_us << shift;

	if (span_us > longest_wait_us)
		span_us = longest_wait_us;
	if (stood_us >= proved_us && span_us > stood_us)
		span_us = stood_us;
	uint64_t wait_us = part_of(span_us, random);
	return wait_us > shortest_wait_us ? wait_us : shortest_wait_us;
}

static bool was_useful(const struct control_session *s, uint64_t now_us)
{
	return s->online_since_us != 0 && now_us - s->online_since_us >= useful_us;
}

static enum control_session_do on_goaway(struct control_session *s, uint64_t after_ms,
					 uint32_t random, uint64_t now_us)
{
	uint64_t after_us = after_ms * US_PER_MS;

	if (after_us > longest_wait_us * 10)
		after_us = longest_wait_us * 10;
	if (after_us < shortest_wait_us)
		after_us = shortest_wait_us;
	uint64_t wait_us = after_us + part_of(after_us / 2, random);

	/* Sent away as soon as it came, a node comes back ever slower, whatever it is told; but no
	 * slower than one that finds nobody. */
	if (!was_useful(s, now_us)) {
		uint64_t own_us = back_off_us(s, 0, random);

		wait_us = wait_us > own_us ? wait_us : own_us;
		s->failures++;
	}
	s->come_back_us = now_us + wait_us;
	return close_with(s, "the coordinator goes away for a moment");
}

enum control_session_do control_session_on_message(struct control_session *s,
						   const struct control_message *m, uint32_t random,
						   uint64_t now_us)
{
	if (!control_session_may_send(s))
		return CONTROL_DO_NOTHING;
	s->heard_us = now_us;
	if (m->type == CONTROL_ERROR) {
		if (is_fight(m))
			s->come_back_us = now_us + longest_wait_us;
		return on_error(s, &m->error);
	}
	if (m->type == CONTROL_GOAWAY)
		return on_goaway(s, m->goaway_ms, random, now_us);
	if (s->state == CONTROL_SESSION_GREETING && m->type == CONTROL_WELCOME) {
		enter(s, CONTROL_SESSION_ONLINE, next_ping_us(random, now_us), now_us);
		s->online_since_us = now_us;
	} else if (s->state == CONTROL_SESSION_ONLINE) {
		s->asked_us = 0;
		s->deadline_us = next_ping_us(random, now_us);
	}
	return CONTROL_DO_NOTHING;
}

void control_session_on_closed(struct control_session *s, const char *reason, uint32_t random,
			       uint64_t now_us)
{
	bool useful = was_useful(s, now_us);
	uint64_t stood_us = s->online_since_us != 0 ? now_us - s->online_since_us : 0;

	if (s->reason[0] == '\0')
		snprintf(s->reason, sizeof(s->reason), "%s", reason);
	if (s->state == CONTROL_SESSION_REFUSED)
		return;
	if (useful)
		s->failures = 0;
	uint64_t at_us = now_us + back_off_us(s, stood_us, random);
	if (s->come_back_us > now_us)
		at_us = s->come_back_us;
	else
		s->failures++;
	s->come_back_us = 0;
	enter(s, CONTROL_SESSION_WAITING, at_us, now_us);
}

enum control_session_do control_session_doubt(struct control_session *s, uint64_t now_us)
{
	if (s->state != CONTROL_SESSION_ONLINE || s->asked_us != 0)
		return CONTROL_DO_NOTHING;
	return ask(s, answer_within_us, now_us);
}

enum control_session_do control_session_check(struct control_session *s, uint64_t now_us)
{
	s->failures = 0; /* on the network before; they say nothing of this one */
	switch (s->state) {
	case CONTROL_SESSION_WAITING:
		s->deadline_us = now_us;
		return CONTROL_DO_NOTHING;
	case CONTROL_SESSION_DIALLING:
	case CONTROL_SESSION_UPGRADING:
	case CONTROL_SESSION_GREETING:
		/* It may have begun by an address that is gone, or be as new as the change. */
		if (now_us - s->since_us < patience_us) {
			s->deadline_us = s->since_us + patience_us;
			return CONTROL_DO_NOTHING;
		}
		s->come_back_us = now_us + shortest_wait_us;
		return close_with(s, "the network changed");
	case CONTROL_SESSION_ONLINE:
		if (s->asked_us == 0)
			return ask(s, check_within_us, now_us);
		/* A network that changes all the time gives silence no more of it. */
		if (s->deadline_us > now_us + check_within_us)
			s->deadline_us = now_us + check_within_us;
		return CONTROL_DO_NOTHING;
	case CONTROL_SESSION_REFUSED:
		return CONTROL_DO_NOTHING;
	}
	return CONTROL_DO_NOTHING;
}

void control_session_retry(struct control_session *s, uint64_t now_us)
{
	if (s->state != CONTROL_SESSION_WAITING && s->state != CONTROL_SESSION_REFUSED)
		return;
	s->failures = 0;
	enter(s, CONTROL_SESSION_WAITING, now_us, now_us);
}

bool control_session_may_send(const struct control_session *s)
{
	return s->state == CONTROL_SESSION_GREETING || s->state == CONTROL_SESSION_ONLINE;
}
