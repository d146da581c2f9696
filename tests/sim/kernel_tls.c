/*
 * The connections of tls.h over the world's streams. States, queue, calling back and their order
 * are those of common/net/tls_conn.c; what is missing is OpenSSL and its records.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/net/byte_queue.h"
#include "tests/sim/kernel_socket.h"
#include "tests/sim/kernel_tls_inside.h"
#include "tests/sim/stream.h"

enum { RECORD_LEN = 16 * 1024, QUEUE_LIMIT = 1024 * 1024, LINGER_S = 2 };

enum state { CONNECTING, HANDSHAKE, OPEN, FINISHING, FAILED, CLOSED };

struct tls_conn {
	struct event_base *base;
	const struct tls_context *ctx; /* until OPEN; NULL: plain TCP */
	struct stream *stream;
	enum state state;
	bool is_tls, is_server;
	const struct tls_conn_ops *ops;
	void *arg;
	struct tls_trust trust;
	struct tls_peer *peer; /* client: what the server showed */

	struct event *soon; /* this round's end: whatever happened is looked at there */
	struct event *linger;
	bool paused, owes_drained, sent_end;
	bool *gone; /* set where a callback frees us */

	struct byte_queue out, unread;
	uint8_t *flight; /* the other side's, while it comes */
	size_t flight_len;
	size_t limit;
	uint64_t moved_us;
	char reason[TLS_ERROR_LEN];
};

/* ---- state ---- */

static void run_soon(struct tls_conn *c)
{
	event_active(c->soon, EV_TIMEOUT, 0);
}

static void doom(struct tls_conn *c, const char *reason)
{
	if (c->state >= FAILED)
		return;
	c->state = FAILED;
	if (c->reason[0] == '\0')
		snprintf(c->reason, sizeof(c->reason), "%s", reason);
	run_soon(c);
}

/* What a stream's answer means: 0 where it is to be asked again. */
static int judge(struct tls_conn *c, ssize_t rc)
{
	if (rc == -EAGAIN)
		return -EAGAIN;
	doom(c, rc == 0 ? "closed by the other end" : strerror((int)-rc));
	return -EPIPE;
}

static void on_stream(void *arg, struct stream *s)
{
	(void)s;
	run_soon(arg);
}

/* ---- writing ---- */

/* Sends while at least `least` bytes wait and the stream takes them. */
static void flush(struct tls_conn *c, size_t least)
{
	if (c->state != OPEN && c->state != FINISHING)
		return;
	while (byte_queue_len(&c->out) >= least && byte_queue_len(&c->out) > 0) {
		ssize_t n =
			stream_send(c->stream, byte_queue_front(&c->out), byte_queue_len(&c->out));

		if (n <= 0) {
			if (n < 0)
				(void)judge(c, n);
			return;
		}
		byte_queue_take(&c->out, (size_t)n);
		c->moved_us = clock_now_us();
		c->owes_drained = true;
	}
}

int tls_conn_write2(struct tls_conn *c, const void *hdr, size_t hdr_len, const void *body,
		    size_t len)
{
	size_t queued = byte_queue_len(&c->out);

	if (c->state >= FINISHING)
		return -EPIPE;
	if (queued > c->limit || len > c->limit - queued || hdr_len > c->limit - queued - len)
		return -ENOBUFS;
	if (queued == 0) {
		c->moved_us = clock_now_us();
		run_soon(c);
	}
	byte_queue_append(&c->out, hdr, hdr_len);
	byte_queue_append(&c->out, body, len);
	if (c->state == OPEN)
		flush(c, RECORD_LEN);
	return 0;
}

int tls_conn_write(struct tls_conn *c, const void *buf, size_t len)
{
	return tls_conn_write2(c, NULL, 0, buf, len);
}

void tls_conn_set_limit(struct tls_conn *c, size_t limit_bytes)
{
	c->limit = limit_bytes;
}

void tls_conn_set_unsent_max(struct tls_conn *c, int bytes)
{
	stream_set_not_sent_max(c->stream, (size_t)bytes);
}

size_t tls_conn_queued(const struct tls_conn *c)
{
	return byte_queue_len(&c->out);
}

uint64_t tls_conn_stuck_since_us(const struct tls_conn *c)
{
	return byte_queue_len(&c->out) > 0 ? c->moved_us : US_NEVER;
}

/* ---- reading ---- */

int tls_conn_read(struct tls_conn *c, void *buf, size_t cap, size_t *got)
{
	if (c->state != OPEN)
		return c->state < OPEN ? -EAGAIN : -EPIPE;
	if (byte_queue_len(&c->unread) > 0) {
		*got = byte_queue_len(&c->unread) < cap ? byte_queue_len(&c->unread) : cap;
		memcpy(buf, byte_queue_front(&c->unread), *got);
		byte_queue_take(&c->unread, *got);
		return 0;
	}
	ssize_t n = stream_receive(c->stream, buf, cap);
	if (n <= 0)
		return judge(c, n);
	*got = (size_t)n;
	return 0;
}

void tls_conn_unread(struct tls_conn *c, const void *bytes, size_t len)
{
	byte_queue_prepend(&c->unread, bytes, len);
	run_soon(c);
}

void tls_conn_pause(struct tls_conn *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	if (c->state == OPEN && !paused)
		run_soon(c);
}

/* ---- calling back ---- */

/* True where c is still there after its owner was called. */
static bool call(struct tls_conn *c, void (*callback)(void *arg))
{
	bool gone = false;

	c->gone = &gone;
	callback(c->arg);
	if (gone)
		return false;
	c->gone = NULL;
	return true;
}

static void call_closed(struct tls_conn *c)
{
	c->state = CLOSED;
	stream_watch(c->stream, NULL, NULL);
	if (c->linger)
		event_del(c->linger);
	c->ops->on_closed(c->arg, c->reason);
}

static size_t waiting(const struct tls_conn *c)
{
	return byte_queue_len(&c->unread) + stream_waiting(c->stream);
}

static void call_readable(struct tls_conn *c)
{
	bool has_news = byte_queue_len(&c->unread) > 0 || stream_can_receive(c->stream);
	size_t before = waiting(c);

	if (c->state != OPEN || c->paused || !has_news)
		return;
	if (!call(c, c->ops->on_readable))
		return;
	/* The owner stopped before the end: it shall be asked again, as no event will come. One
	 * that takes nothing at all is asked when something comes, lest time stand still. */
	if (c->state == OPEN && !c->paused && waiting(c) > 0 && waiting(c) < before)
		run_soon(c);
}

static bool call_drained(struct tls_conn *c)
{
	if (!c->owes_drained || byte_queue_len(&c->out) > 0 || c->state != OPEN)
		return true;
	c->owes_drained = false;
	return !c->ops->on_drained || call(c, c->ops->on_drained);
}

/* ---- handshake ---- */

static void become_open(struct tls_conn *c)
{
	c->state = OPEN;
	c->ctx = NULL;
	free(c->flight);
	c->flight = NULL;
	run_soon(c); /* what was queued before, and what came with the handshake */
	(void)call(c, c->ops->on_open);
}

/* A flight is small, and the first thing on its stream: it fits. */
static void send_flight(struct tls_conn *c, char type, const void *body, size_t len)
{
	uint8_t bytes[FLIGHT_MAX];
	struct writer w = writer_init(bytes, sizeof(bytes));

	write_u8(&w, (uint8_t)type);
	write_u16be(&w, (uint16_t)len);
	write_bytes(&w, body, len);
	stream_set_sealed(c->stream, true);
	ssize_t n = stream_send(c->stream, bytes, w.len);
	if (n < 0)
		(void)judge(c, n);
}

/* Reads towards the other side's whole flight and no byte further: 0 once it is there, -EAGAIN,
 * -EPIPE after doom. */
static int receive_flight(struct tls_conn *c)
{
	if (!c->flight)
		c->flight = calloc(1, FLIGHT_MAX);
	if (!c->flight)
		abort();
	for (;;) {
		size_t whole = FLIGHT_HEAD;

		if (c->flight_len >= FLIGHT_HEAD)
			whole += (size_t)c->flight[1] << 8 | c->flight[2];
		if (whole > FLIGHT_MAX || (c->flight_len > 0 && !strchr("CSFA", c->flight[0]))) {
			doom(c, "wrong version number");
			return -EPIPE;
		}
		if (c->flight_len >= FLIGHT_HEAD && c->flight_len == whole)
			return 0;
		ssize_t n =
			stream_receive(c->stream, c->flight + c->flight_len, whole - c->flight_len);
		if (n <= 0)
			return judge(c, n);
		c->flight_len += (size_t)n;
	}
}

static void client_handshake(struct tls_conn *c)
{
	char problem[TLS_ERROR_LEN];
	const char *why = "unexpected message";

	c->peer = calloc(1, sizeof(*c->peer));
	if (!c->peer)
		abort();
	if (c->flight[0] == 'S' && kernel_tls_parse_peer(c->flight + FLIGHT_HEAD,
							 c->flight_len - FLIGHT_HEAD, c->peer) == 0)
		why = kernel_tls_problem(c->ctx, &c->trust, &c->peer->cert, problem);
	send_flight(c, why ? 'A' : 'F', NULL, 0);
	if (why)
		doom(c, why);
	else
		become_open(c);
}

static void server_handshake(struct tls_conn *c)
{
	uint8_t body[FLIGHT_MAX];

	switch (c->flight[0]) {
	case 'C':
		c->flight_len = 0;
		send_flight(c, 'S', body, kernel_tls_print_peer(c->ctx, body));
		run_soon(c);
		return;
	case 'F':
		become_open(c);
		return;
	default:
		doom(c, "sslv3 alert certificate unknown");
	}
}

static void handshake(struct tls_conn *c)
{
	if (receive_flight(c) != 0)
		return;
	if (c->is_server)
		server_handshake(c);
	else
		client_handshake(c);
}

static void on_connected(struct tls_conn *c)
{
	const char *sni = c->trust.sni[0] ? c->trust.sni : c->trust.name;
	int err = stream_error(c->stream);

	if (err != 0) {
		doom(c, strerror(-err));
		return;
	}
	if (!stream_is_open(c->stream))
		return;
	if (!c->is_tls) {
		become_open(c);
		return;
	}
	c->state = HANDSHAKE;
	send_flight(c, 'C', sni, strlen(sni));
}

/* ---- end ---- */

static void discard(struct tls_conn *c)
{
	uint8_t waste[4096];
	ssize_t n;

	while ((n = stream_receive(c->stream, waste, sizeof(waste))) > 0)
		;
	if (n != -EAGAIN)
		doom(c, "finished");
}

static void finish(struct tls_conn *c)
{
	flush(c, 1);
	if (c->state == FINISHING && byte_queue_len(&c->out) == 0 && !c->sent_end) {
		c->sent_end = true;
		stream_end(c->stream);
	}
	if (c->sent_end)
		discard(c);
}

static void on_linger(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	doom(arg, "finished");
}

void tls_conn_finish(struct tls_conn *c)
{
	struct timeval wait = {.tv_sec = LINGER_S};

	if (c->state >= FINISHING)
		return;
	if (c->state < OPEN) {
		doom(c, "finished");
		return;
	}
	c->state = FINISHING;
	snprintf(c->reason, sizeof(c->reason), "finished");
	c->linger = event_new(c->base, -1, 0, on_linger, c);
	if (!c->linger || event_add(c->linger, &wait) != 0)
		abort();
	run_soon(c);
}

/* ---- events ---- */

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct tls_conn *c = arg;

	(void)fd;
	(void)what;
	switch (c->state) {
	case CONNECTING:
		on_connected(c);
		return;
	case HANDSHAKE:
		handshake(c);
		return;
	case OPEN:
		flush(c, 1);
		if (call_drained(c))
			call_readable(c);
		return;
	case FINISHING:
		finish(c);
		return;
	case FAILED:
		call_closed(c);
		return;
	case CLOSED:
		return;
	}
}

/* ---- life ---- */

static struct tls_conn *conn_new(struct event_base *base, struct tls_context *ctx, int fd,
				 const struct tls_conn_ops *ops, void *arg)
{
	struct tls_conn *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	*c = (struct tls_conn){.base = base,
			       .ctx = ctx,
			       .is_tls = ctx != NULL,
			       .stream = kernel_socket_take(fd),
			       .ops = ops,
			       .arg = arg,
			       .limit = QUEUE_LIMIT};
	c->soon = event_new(base, -1, 0, on_soon, c);
	if (!c->soon || !c->stream)
		abort();
	stream_watch(c->stream, on_stream, c);
	return c;
}

struct tls_conn *tls_conn_client(struct event_base *base, struct tls_context *ctx, int fd,
				 const struct tls_trust *trust, const struct tls_conn_ops *ops,
				 void *arg)
{
	struct tls_conn *c = conn_new(base, ctx, fd, ops, arg);

	if (trust)
		c->trust = *trust;
	run_soon(c);
	return c;
}

struct tls_conn *tls_conn_server(struct event_base *base, struct tls_context *ctx, int fd,
				 const struct tls_conn_ops *ops, void *arg)
{
	struct tls_conn *c = conn_new(base, ctx, fd, ops, arg);

	c->is_server = true;
	if (c->is_tls)
		c->state = HANDSHAKE;
	run_soon(c);
	return c;
}

void tls_conn_free(struct tls_conn *c)
{
	if (!c)
		return;
	if (c->gone)
		*c->gone = true;
	event_free(c->soon);
	if (c->linger)
		event_free(c->linger);
	stream_close(c->stream);
	byte_queue_wipe(&c->out);
	byte_queue_wipe(&c->unread);
	free(c->flight);
	free(c->peer);
	free(c);
}

void tls_conn_set_ops(struct tls_conn *c, const struct tls_conn_ops *ops, void *arg)
{
	c->ops = ops;
	c->arg = arg;
	run_soon(c);
}

/* ---- asking ---- */

bool tls_conn_is_open(const struct tls_conn *c)
{
	return c->state == OPEN;
}

bool tls_conn_is_tls13(const struct tls_conn *c)
{
	return c->is_tls;
}

uint64_t tls_conn_acked_us(const struct tls_conn *c, uint64_t now_us)
{
	(void)now_us;
	return stream_acked_us(c->stream);
}

struct endpoint tls_conn_peer(const struct tls_conn *c)
{
	return stream_remote(c->stream);
}

struct endpoint tls_conn_local(const struct tls_conn *c)
{
	return stream_local(c->stream);
}

int tls_conn_peer_spki(const struct tls_conn *c, uint8_t out[static TLS_HASH_LEN])
{
	if (!c->peer)
		return -ENOENT;
	memcpy(out, c->peer->cert.spki, TLS_HASH_LEN);
	return 0;
}

int tls_conn_peer_derp_key(const struct tls_conn *c, struct public_key *out)
{
	if (!c->peer || !c->peer->has_derp_key || c->trust.kind == TLS_TRUST_ANYONE)
		return -ENOENT;
	*out = c->peer->derp_key;
	return 0;
}
