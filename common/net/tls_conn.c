#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/net/byte_queue.h"
#include "common/net/socket.h"
#include "common/net/tls_stream.h"

enum { QUEUE_LIMIT = 1024 * 1024, LINGER_S = 2 };

enum state {
	CONNECTING, /* client: until the socket is writable */
	HANDSHAKE,
	OPEN,
	FINISHING, /* our end is, or will be, closed: waits for the peer's */
	FAILED,	   /* on_closed is due */
	CLOSED
};

/* Fairness: so often an owner reads before others have their turn, however small the records. */
enum { READS_A_CALL = 32 };

struct tls_conn {
	struct event_base *base;
	struct tls_stream *stream;
	int fd;
	enum state state;
	const struct tls_conn_ops *ops;
	void *arg;

	struct event *read_event, *write_event;
	struct event *soon; /* the end of this round: coalesced writes, what callers may not
			     * be called back for directly */
	struct event *linger;
	bool reading, writing; /* what the two events are set to */
	bool blocked;	       /* the socket took no more of what is queued */
	bool paused;
	bool read_wants_write, write_wants_read; /* TLS 1.3 key updates */
	bool saw_empty;				 /* the reader has read until -EAGAIN */
	unsigned reads_left;
	bool owes_drained;
	bool sent_end;
	bool *gone; /* set where a callback frees us */

	struct byte_queue out, unread;
	size_t limit;
	uint64_t moved_us; /* when queued bytes last moved */
	char reason[TLS_PROBLEM_LEN];
};

/* ---- state ---- */

static void run_soon(struct tls_conn *c)
{
	event_active(c->soon, EV_TIMEOUT, 0);
}

/* Sets the two events to what the state needs. */
static void watch(struct tls_conn *c, bool read_on, bool write_on)
{
	if (read_on != c->reading) {
		c->reading = read_on;
		if (read_on)
			event_add(c->read_event, NULL);
		else
			event_del(c->read_event);
	}
	if (write_on != c->writing) {
		c->writing = write_on;
		if (write_on)
			event_add(c->write_event, NULL);
		else
			event_del(c->write_event);
	}
}

/* on_closed comes in the next round, since callers are not called back from their own calls. */
static void doom(struct tls_conn *c, const char *reason)
{
	if (c->state >= FAILED)
		return;
	c->state = FAILED;
	if (c->reason[0] == '\0')
		snprintf(c->reason, sizeof(c->reason), "%s", reason);
	watch(c, false, false);
	run_soon(c);
}

static void rewatch(struct tls_conn *c)
{
	if (c->state >= FAILED)
		return;
	bool read_on = !c->paused || c->write_wants_read || c->state == FINISHING;
	bool write_on = (c->blocked && !c->write_wants_read) || c->read_wants_write;

	watch(c, read_on, write_on);
}

/* ---- writing ---- */

/* Sends while at least `least` bytes wait and the socket takes them. */
static void flush(struct tls_conn *c, size_t least)
{
	if (c->state != OPEN && c->state != FINISHING)
		return;
	c->write_wants_read = c->blocked = false;
	while (byte_queue_len(&c->out) >= least && byte_queue_len(&c->out) > 0) {
		size_t sent = 0;

		int err = tls_stream_send(c->stream, byte_queue_front(&c->out),
					  byte_queue_len(&c->out), &sent, &c->write_wants_read);
		if (err == -EPIPE)
			doom(c, tls_stream_reason(c->stream));
		c->blocked = err != 0;
		if (c->blocked)
			break;
		byte_queue_take(&c->out, sent);
		c->moved_us = clock_now_us();
		c->owes_drained = true;
	}
	rewatch(c);
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
	/* Full records need not wait for the round's end; a blocked socket is left alone. */
	if (byte_queue_len(&c->out) >= TLS_RECORD_LEN && c->state == OPEN && !c->blocked)
		flush(c, TLS_RECORD_LEN);
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
	tls_stream_set_unsent_max(c->stream, bytes);
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
	if (c->paused)
		return -EAGAIN;
	if (c->reads_left == 0) {
		run_soon(c);
		return -EAGAIN;
	}
	c->reads_left--;
	if (byte_queue_len(&c->unread) > 0) {
		*got = byte_queue_len(&c->unread) < cap ? byte_queue_len(&c->unread) : cap;
		memcpy(buf, byte_queue_front(&c->unread), *got);
		byte_queue_take(&c->unread, *got);
		return 0;
	}
	int err = tls_stream_receive(c->stream, buf, cap, got, &c->read_wants_write);
	c->saw_empty = err == -EAGAIN;
	if (err == -EPIPE)
		doom(c, tls_stream_reason(c->stream));
	else if (c->saw_empty)
		rewatch(c);
	return err;
}

void tls_conn_unread(struct tls_conn *c, const void *bytes, size_t len)
{
	byte_queue_prepend(&c->unread, bytes, len);
	c->saw_empty = false;
	run_soon(c);
}

void tls_conn_pause(struct tls_conn *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	if (c->state != OPEN)
		return;
	rewatch(c);
	if (!paused) { /* bytes may wait above the socket */
		c->saw_empty = false;
		run_soon(c);
	}
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
	watch(c, false, false);
	if (c->linger)
		event_del(c->linger);
	c->ops->on_closed(c->arg, c->reason);
}

/* False where c is gone. */
static bool call_readable(struct tls_conn *c)
{
	if (c->state != OPEN || c->paused)
		return true;
	c->saw_empty = false;
	c->reads_left = READS_A_CALL;
	if (!call(c, c->ops->on_readable))
		return false;
	/* The owner stopped before the end: it shall be asked again, as no event will come. */
	bool more = tls_stream_has_pending(c->stream);
	if (c->state == OPEN && !c->paused && !c->saw_empty &&
	    (more || byte_queue_len(&c->unread) > 0))
		run_soon(c);
	return true;
}

static bool call_drained(struct tls_conn *c)
{
	if (!c->owes_drained || byte_queue_len(&c->out) > 0 || c->state != OPEN)
		return true;
	c->owes_drained = false;
	return !c->ops->on_drained || call(c, c->ops->on_drained);
}

/* ---- handshake and end ---- */

static void become_open(struct tls_conn *c)
{
	c->state = OPEN;
	rewatch(c);
	run_soon(c); /* what was queued before, and what came with the handshake */
	(void)call(c, c->ops->on_open);
}

static void handshake(struct tls_conn *c)
{
	bool wants_read = false, wants_write = false;

	int err = tls_stream_handshake(c->stream, &wants_read, &wants_write);

	if (err == 0)
		become_open(c);
	else if (err == -EAGAIN)
		watch(c, wants_read, wants_write);
	else
		doom(c, tls_stream_reason(c->stream));
}

static void on_connected(struct tls_conn *c)
{
	int err = socket_connected(c->fd);

	if (err != 0) {
		doom(c, strerror(-err));
		return;
	}
	if (!tls_stream_is_tls(c->stream)) {
		become_open(c);
		return;
	}
	c->state = HANDSHAKE;
	handshake(c);
}

static void finish_if_sent(struct tls_conn *c)
{
	if (c->state != FINISHING || byte_queue_len(&c->out) > 0 || c->sent_end)
		return;
	c->sent_end = true;
	tls_stream_end(c->stream);
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
	c->linger = evtimer_new(c->base, on_linger, c);
	if (!c->linger || event_add(c->linger, &wait) != 0)
		abort();
	run_soon(c);
}

/* ---- events ---- */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct tls_conn *c = arg;

	(void)fd;
	switch (c->state) {
	case CONNECTING:
		on_connected(c);
		return;
	case HANDSHAKE:
		handshake(c);
		return;
	case FINISHING:
		flush(c, 1);
		finish_if_sent(c);
		if (c->sent_end && tls_stream_is_drained(c->stream))
			doom(c, "finished");
		return;
	case OPEN:
		break;
	case FAILED:
	case CLOSED:
		return;
	}
	bool may_read = (what & EV_READ) || c->read_wants_write;
	bool may_write = (what & EV_WRITE) || c->write_wants_read;
	if (may_write) {
		flush(c, 1);
		if (!call_drained(c))
			return;
	}
	if (may_read)
		call_readable(c);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct tls_conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state == FAILED) {
		call_closed(c);
		return;
	}
	if (!c->blocked) /* otherwise the socket is full, and its event goes on */
		flush(c, 1);
	finish_if_sent(c);
	if (!call_drained(c))
		return;
	if (!c->saw_empty && (byte_queue_len(&c->unread) > 0 || tls_stream_has_pending(c->stream)))
		call_readable(c);
}

/* ---- life ---- */

static struct tls_conn *conn_new(struct event_base *base, struct tls_context *ctx, int fd,
				 const struct tls_conn_ops *ops, void *arg)
{
	struct tls_conn *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	*c = (struct tls_conn){
		.base = base, .fd = fd, .ops = ops, .arg = arg, .limit = QUEUE_LIMIT};
	c->read_event = event_new(base, fd, EV_READ | EV_PERSIST, on_event, c);
	c->write_event = event_new(base, fd, EV_WRITE | EV_PERSIST, on_event, c);
	c->soon = event_new(base, -1, 0, on_soon, c);
	if (!c->read_event || !c->write_event || !c->soon)
		abort();
	c->stream = tls_stream_new(ctx, fd);
	return c;
}

struct tls_conn *tls_conn_client(struct event_base *base, struct tls_context *ctx, int fd,
				 const struct tls_trust *trust, const struct tls_conn_ops *ops,
				 void *arg)
{
	struct tls_conn *c = conn_new(base, ctx, fd, ops, arg);

	if (tls_stream_connects(c->stream, ctx, trust) != 0)
		doom(c, "not a host name");
	if (c->state == CONNECTING)
		watch(c, false, true);
	return c;
}

struct tls_conn *tls_conn_server(struct event_base *base, struct tls_context *ctx, int fd,
				 const struct tls_conn_ops *ops, void *arg)
{
	struct tls_conn *c = conn_new(base, ctx, fd, ops, arg);

	tls_stream_accepts(c->stream);
	if (tls_stream_is_tls(c->stream)) {
		c->state = HANDSHAKE;
		watch(c, true, false);
	} else {
		watch(c, false, true); /* writable at once: on_open in the next round */
	}
	return c;
}

void tls_conn_free(struct tls_conn *c)
{
	if (!c)
		return;
	if (c->gone)
		*c->gone = true;
	event_free(c->read_event);
	event_free(c->write_event);
	event_free(c->soon);
	if (c->linger)
		event_free(c->linger);
	tls_stream_free(c->stream, c->state == OPEN);
	byte_queue_wipe(&c->out);
	byte_queue_wipe(&c->unread);
	free(c);
}

void tls_conn_set_ops(struct tls_conn *c, const struct tls_conn_ops *ops, void *arg)
{
	c->ops = ops;
	c->arg = arg;
	c->saw_empty = false;
	run_soon(c);
}

/* ---- asking ---- */

bool tls_conn_is_open(const struct tls_conn *c)
{
	return c->state == OPEN;
}

bool tls_conn_is_tls13(const struct tls_conn *c)
{
	return tls_stream_is_tls13(c->stream);
}

uint64_t tls_conn_acked_us(const struct tls_conn *c, uint64_t now_us)
{
	return tls_stream_acked_us(c->stream, now_us);
}

struct endpoint tls_conn_peer(const struct tls_conn *c)
{
	return socket_remote(c->fd);
}

struct endpoint tls_conn_local(const struct tls_conn *c)
{
	return socket_local(c->fd);
}

int tls_conn_peer_spki(const struct tls_conn *c, uint8_t out[static TLS_HASH_LEN])
{
	return tls_stream_peer_spki(c->stream, out);
}

int tls_conn_peer_derp_key(const struct tls_conn *c, struct public_key *out)
{
	return tls_stream_peer_derp_key(c->stream, out);
}
