/*
 * connection: the kernel's half of TCP: acknowledgements, retransmission (RFC 6298 as Linux
 * counts it, RFC 5681, NewReno's partial acknowledgements of RFC 6582, RACK of RFC 8985 for the
 * first that is missing; a timeout that timestamps show to have been too early is undone, RFC 3522
 * and 4015), windows, the end.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/stream_inside.h"
#include "tests/sim/trace.h"

enum { EARLY_MAX = 256, SYN_TRIES = 6, FIRST_SEGMENTS = 10, REPEATS = 3 };

static const uint64_t first_rto_us = 1000 * 1000, rto_min_us = 200 * 1000,
		      rto_max_us = 120ull * US_PER_S, orphan_us = 60ull * US_PER_S;

/* ---- the clock of retransmission ---- */

static uint64_t end_of_out(const struct stream *s)
{
	return s->is_ended ? s->end_seq : s->una + byte_queue_len(&s->out);
}

static bool is_all_acked(const struct stream *s)
{
	return s->una == s->next && byte_queue_len(&s->out) == 0;
}

static bool is_end_acked(const struct stream *s)
{
	return s->is_ended && s->una > s->end_seq;
}

/* The kernel's timers stand still while its host sleeps. */
static void set_resend(struct stream *s, uint64_t delay_us)
{
	struct world_place previous = world_enter_place(
		(struct world_place){.host = s->host, .incarnation = WORLD_KERNEL});

	world_event_set_awake(&s->resend, delay_us);
	world_leave(previous);
}

static void start_waiting(struct stream *s)
{
	if (s->waiting_since_us == 0) {
		s->waiting_since_us = host_awake_us(s->host);
		s->first_sent_us = world_now_us();
	}
	if (!world_event_is_set(&s->resend))
		set_resend(s, s->rto_us);
}

/* RFC 6298 section 2: a round trip of what was sent then. */
static void take_round_trip(struct stream *s, uint64_t sent_us)
{
	uint64_t rtt_us = world_now_us() - sent_us;
	uint64_t off_us = rtt_us > s->rtt_us ? rtt_us - s->rtt_us : s->rtt_us - rtt_us;

	s->rtt_var_us = s->rtt_us == 0 ? rtt_us / 2 : (3 * s->rtt_var_us + off_us) / 4;
	s->rtt_us = s->rtt_us == 0 ? rtt_us : (7 * s->rtt_us + rtt_us) / 8;
	s->sample_us = 0;
}

static void take_sample(struct stream *s, uint64_t ack)
{
	if (s->sample_us != 0 && ack >= s->sample_seq)
		take_round_trip(s, s->sample_us);
}

/* Linux's least RTO is one beyond the round trip (tcp_rtt_estimator, tcp_set_rto). */
static uint64_t fresh_rto(const struct stream *s)
{
	uint64_t spread_us = 4 * s->rtt_var_us;

	if (s->rtt_us == 0)
		return first_rto_us;
	return s->rtt_us + (spread_us > rto_min_us ? spread_us : rto_min_us);
}

/* ---- data out ---- */

static bool is_fin_due(const struct stream *s)
{
	return s->is_ended && s->next == end_of_out(s);
}

static void send_data(struct stream *s, size_t len)
{
	bool is_fresh = s->next >= s->highest;

	if (is_fresh && s->sample_us == 0) {
		s->sample_us = world_now_us();
		s->sample_seq = s->next + len;
	}
	segment_send(s, SEGMENT_ACK, s->next, len);
	s->next += len;
	if (s->next > s->highest)
		s->highest = s->next;
	start_waiting(s);
}

void connection_push(struct stream *s)
{
	if (s->state != STREAM_OPEN)
		return;
	for (;;) {
		size_t window =
			s->congestion_bytes < s->peer_window ? s->congestion_bytes : s->peer_window;
		uint64_t limit = s->una + window, end = end_of_out(s);
		if (s->next >= end || s->next >= limit)
			break;
		uint64_t len = (end < limit ? end : limit) - s->next;
		send_data(s, len < STREAM_SEGMENT_BYTES ? (size_t)len : STREAM_SEGMENT_BYTES);
	}
	if (is_fin_due(s)) {
		segment_send(s, SEGMENT_ACK | SEGMENT_FIN, s->next++, 0);
		if (s->next > s->highest)
			s->highest = s->next;
		start_waiting(s);
	}
	/* A closed window is probed by the timer. */
	if (s->next == s->una && byte_queue_len(&s->out) > 0)
		start_waiting(s);
}

static void send_first_again(struct stream *s)
{
	size_t len = byte_queue_len(&s->out);

	s->sample_us = 0;
	s->first_sent_us = world_now_us();
	if (len > STREAM_SEGMENT_BYTES)
		len = STREAM_SEGMENT_BYTES;
	if (len == 0)
		segment_send(s, SEGMENT_ACK | SEGMENT_FIN, s->una, 0);
	else
		segment_send(s, SEGMENT_ACK, s->una, len);
}

/* ---- timeouts ---- */

static bool has_waited_too_long(const struct stream *s)
{
	if (s->state != STREAM_OPEN)
		return s->tries >= SYN_TRIES;
	return s->waiting_since_us != 0 &&
	       host_awake_us(s->host) - s->waiting_since_us >= STREAM_USER_TIMEOUT_US;
}

static void send_again(struct stream *s)
{
	switch (s->state) {
	case STREAM_DIALLING:
		segment_send(s, SEGMENT_SYN, 0, 0);
		break;
	case STREAM_ACCEPTING:
		segment_send(s, SEGMENT_SYN | SEGMENT_ACK, 0, 0);
		break;
	case STREAM_OPEN:
		if (s->timeout_us == 0) {
			s->timeout_us = world_now_us();
			s->congestion_before = s->congestion_bytes;
			s->slow_start_before = s->slow_start_until;
		}
		s->congestion_bytes = STREAM_SEGMENT_BYTES;
		s->slow_start_until = (size_t)(s->next - s->una) / 2;
		s->recover = s->highest;
		send_first_again(s);
		s->next = byte_queue_len(&s->out) < STREAM_SEGMENT_BYTES
				  ? end_of_out(s)
				  : s->una + STREAM_SEGMENT_BYTES;
		if (is_fin_due(s) && byte_queue_len(&s->out) == 0)
			s->next++;
		break;
	case STREAM_DEAD:
		break;
	}
}

/* The next resend, or the moment that ends the connection if that comes first. */
static void back_off(struct stream *s)
{
	uint64_t delay_us = s->rto_us = s->rto_us * 2 < rto_max_us ? s->rto_us * 2 : rto_max_us;

	if (s->waiting_since_us != 0) {
		uint64_t end_us = s->waiting_since_us + STREAM_USER_TIMEOUT_US;
		uint64_t now_us = host_awake_us(s->host);
		uint64_t left_us = end_us > now_us ? end_us - now_us : 0;
		delay_us = delay_us < left_us ? delay_us : left_us;
	}
	set_resend(s, delay_us);
}

static void on_resend(void *arg)
{
	struct stream *s = arg;

	if (s->state == STREAM_OPEN && is_end_acked(s)) {
		/* Nobody owns it, and the other side never ended: FIN-WAIT-2 is over. */
		connection_die(s, 0);
		stream_settle(s);
		return;
	}
	if (has_waited_too_long(s)) {
		TRACE("tcp", "%s: %s times out", s->host->name,
		      s->state == STREAM_DIALLING ? "a dial" : "a connection");
		connection_die(s, -ETIMEDOUT);
		stream_tell(s);
		return;
	}
	s->tries++;
	s->sample_us = 0; /* Karn: what is sent twice measures nothing */
	send_again(s);
	back_off(s);
}

/* ---- the end ---- */

static void forget(struct stream *s)
{
	struct table_key key = stream_key(s->local.port, &s->remote);
	struct transit *p;

	s->state = STREAM_DEAD;
	world_event_cancel(&s->resend);
	table_remove(&s->host->streams->connections, &key);
	byte_queue_wipe(&s->out);
	while ((p = s->early)) {
		s->early = p->next;
		transit_free(p);
	}
}

void connection_die(struct stream *s, int err)
{
	if (s->state == STREAM_DEAD)
		return;
	if (s->err == 0)
		s->err = err;
	forget(s);
}

void connection_reset(struct stream *s)
{
	if (s->state == STREAM_DEAD)
		return;
	segment_send(s, SEGMENT_RST, s->next, 0);
	connection_die(s, -ECONNABORTED);
}

void connection_orphan(struct stream *s)
{
	if (s->state == STREAM_OPEN && is_end_acked(s))
		set_resend(s, orphan_us);
}

/* Both sides have ended and both ends are acknowledged. */
static bool is_over(const struct stream *s)
{
	return s->state == STREAM_OPEN && is_end_acked(s) && s->has_peer_end && !s->owes_ack;
}

/* ---- segments in ---- */

static void grow_congestion(struct stream *s, uint64_t acked)
{
	if (s->congestion_bytes < s->slow_start_until)
		s->congestion_bytes += (size_t)acked;
	else
		s->congestion_bytes +=
			STREAM_SEGMENT_BYTES * STREAM_SEGMENT_BYTES / s->congestion_bytes + 1;
	if (s->congestion_bytes > STREAM_BUFFER_BYTES)
		s->congestion_bytes = STREAM_BUFFER_BYTES;
}

/* What is acknowledged first after a timeout was sent before it: the segment was late, not lost,
 * and so are those behind it. */
static void undo_timeout(struct stream *s, const struct segment *g)
{
	if (s->timeout_us != 0 && g->echo_us < s->timeout_us) {
		take_round_trip(s, g->echo_us);
		s->congestion_bytes = s->congestion_before;
		s->slow_start_until = s->slow_start_before;
		s->next = s->highest;
		s->recover = s->una;
	}
	s->timeout_us = 0;
}

static void on_progress(struct stream *s, const struct segment *g)
{
	uint64_t ack = g->ack, acked = ack - s->una, data = byte_queue_len(&s->out);

	take_sample(s, ack);
	undo_timeout(s, g);
	byte_queue_take(&s->out, (size_t)(acked < data ? acked : data));
	s->una = ack;
	if (s->next < ack)
		s->next = ack;
	s->repeats = 0;
	s->tries = 0;
	s->waiting_since_us = 0;
	s->rto_us = fresh_rto(s);
	world_event_cancel(&s->resend);
	if (ack < s->recover && s->next > ack)
		send_first_again(s); /* a partial acknowledgement: the next hole */
	else
		grow_congestion(s, acked);
	if (!is_all_acked(s))
		start_waiting(s);
	else if (!s->has_owner)
		connection_orphan(s);
}

static void repair(struct stream *s)
{
	if (s->una >= s->recover) {
		s->recover = s->highest;
		s->slow_start_until = (size_t)(s->next - s->una) / 2;
		s->congestion_bytes = s->slow_start_until > 2 * STREAM_SEGMENT_BYTES
					      ? s->slow_start_until
					      : 2 * STREAM_SEGMENT_BYTES;
	}
	send_first_again(s);
}

/* Something has come that was sent a quarter of a round trip later: the first is lost, and where it
 * was sent again, lost again. */
static bool is_overtaken(const struct stream *s, const struct segment *g)
{
	return g->ack == s->una && s->waiting_since_us != 0 &&
	       g->early_us > s->first_sent_us + s->rtt_us / 4;
}

static void on_repeated_ack(struct stream *s)
{
	if (++s->repeats == REPEATS && s->una >= s->recover)
		repair(s);
}

static void on_ack(struct stream *s, const struct transit *p)
{
	const struct segment *g = &p->segment;
	bool is_repeated = g->ack == s->una && p->len == 0 && g->window == s->peer_window &&
			   !is_all_acked(s) && !(g->flags & (SEGMENT_SYN | SEGMENT_FIN));

	s->acked_us = host_awake_us(s->host);
	s->peer_window = g->window;
	if (g->ack > s->una && g->ack <= s->highest)
		on_progress(s, g);
	else if (is_overtaken(s, g) && g->window > 0)
		repair(s);
	else if (is_repeated && g->window > 0)
		on_repeated_ack(s);
	if (g->window == 0 && s->waiting_since_us != 0) {
		/* It lives and has no room: what was sent into a closed window was a probe. */
		s->waiting_since_us = host_awake_us(s->host);
		s->next = s->una;
	}
}

/* Takes what continues the stream. False: it does not, or not yet. */
static bool take_in_order(struct stream *s, const struct transit *p)
{
	const struct segment *g = &p->segment;
	uint64_t end = g->seq + p->len;

	if (g->seq > s->expected)
		return false;
	if (end > s->expected && end - s->expected <= segment_window(s)) {
		size_t skip = (size_t)(s->expected - g->seq);
		byte_queue_append(&s->in, p->data + skip, p->len - skip);
		s->expected = end;
	}
	if ((g->flags & SEGMENT_FIN) && s->expected == end) {
		s->has_peer_end = true;
		s->expected++;
	}
	return true;
}

static void keep_early(struct stream *s, struct transit *p)
{
	struct transit **at = &s->early;

	if (s->early_count == EARLY_MAX) {
		transit_free(p);
		return;
	}
	while (*at && (*at)->segment.seq < p->segment.seq)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	s->early_count++;
	if (p->segment.sent_us > s->early_us)
		s->early_us = p->segment.sent_us;
}

/* Takes the packet over. */
static void on_data(struct stream *s, struct transit *p)
{
	bool has_content = p->len > 0 || (p->segment.flags & SEGMENT_FIN);

	if (has_content || (p->segment.flags & SEGMENT_SYN))
		s->owes_ack = true;
	if (!has_content) {
		transit_free(p);
		return;
	}
	/* RFC 7323 section 4.3: the time of what moves the left edge. */
	if (p->segment.seq <= s->expected && p->segment.seq + p->len > s->expected)
		s->echo_us = p->segment.sent_us;
	if (!take_in_order(s, p)) {
		keep_early(s, p);
		return;
	}
	transit_free(p);
	while (s->early && s->early->segment.seq <= s->expected) {
		struct transit *next = s->early;
		s->early = next->next;
		s->early_count--;
		take_in_order(s, next);
		transit_free(next);
	}
}

static void open_connection(struct stream *s, const struct transit *p)
{
	s->state = STREAM_OPEN;
	s->tries = 0;
	s->waiting_since_us = 0;
	s->peer_window = p->segment.window;
	s->congestion_bytes = FIRST_SEGMENTS * STREAM_SEGMENT_BYTES;
	s->slow_start_until = STREAM_BUFFER_BYTES;
	world_event_cancel(&s->resend);
	take_sample(s, 0);
	s->rto_us = fresh_rto(s);
}

static void on_reset(struct stream *s)
{
	bool was_dialling = s->state == STREAM_DIALLING;

	TRACE("tcp", "%s: a connection is reset", s->host->name);
	connection_die(s, was_dialling ? -ECONNREFUSED : -ECONNRESET);
	stream_tell(s);
}

/* True once the connection is open and the segment is to be looked at. */
static bool pass_handshake(struct stream *s, const struct transit *p)
{
	uint8_t flags = p->segment.flags;

	switch (s->state) {
	case STREAM_DIALLING:
		if (flags != (SEGMENT_SYN | SEGMENT_ACK))
			return false;
		open_connection(s, p);
		return true;
	case STREAM_ACCEPTING:
		if (flags & SEGMENT_SYN) {
			segment_send(s, SEGMENT_SYN | SEGMENT_ACK, 0, 0);
			return false;
		}
		open_connection(s, p);
		stream_hand_over(s);
		return s->state == STREAM_OPEN;
	case STREAM_OPEN:
		return true;
	case STREAM_DEAD:
		break;
	}
	return false;
}

void connection_on_segment(struct stream *s, struct transit *p)
{
	uint64_t expected = s->expected, una = s->una, highest = s->highest;
	enum stream_state state = s->state;

	s->in_use++;
	if (p->segment.flags & SEGMENT_RST) {
		transit_free(p);
		on_reset(s);
	} else if (!pass_handshake(s, p)) {
		transit_free(p);
	} else {
		on_ack(s, p);
		on_data(s, p);
		/* Nobody will read it. */
		if (!s->has_owner && s->expected > expected + (s->has_peer_end ? 1 : 0))
			connection_reset(s);
		connection_push(s);
		if (s->expected != expected || s->una != una || s->highest != highest ||
		    s->state != state)
			stream_tell(s);
		if (s->owes_ack && s->state == STREAM_OPEN)
			segment_send(s, SEGMENT_ACK, s->next, 0);
		if (is_over(s))
			connection_die(s, 0);
	}
	s->in_use--;
	stream_settle(s);
}

/* ---- beginnings, and the owner's doings ---- */

static void start(struct stream *s)
{
	world_event_init(&s->resend, on_resend, s);
	s->rto_us = first_rto_us;
	s->sample_us = world_now_us();
	s->sample_seq = 0;
	send_again(s);
	set_resend(s, s->rto_us);
}

void connection_dial(struct stream *s)
{
	s->state = STREAM_DIALLING;
	start(s);
}

void connection_accept(struct stream *s)
{
	s->state = STREAM_ACCEPTING;
	start(s);
}

void connection_on_read(struct stream *s)
{
	uint32_t window = segment_window(s);

	/* A window that grew by half its size, or from next to nothing, is news (RFC 1122
	 * section 4.2.3.3). */
	bool is_news =
		window >= s->told_window + STREAM_BUFFER_BYTES / 2 ||
		(s->told_window < 2 * STREAM_SEGMENT_BYTES && window >= 2 * STREAM_SEGMENT_BYTES);
	if (is_news && s->state == STREAM_OPEN && !s->has_peer_end)
		segment_send(s, SEGMENT_ACK, s->next, 0);
}
