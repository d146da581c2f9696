/*
 * stream_inside: a connection as stream.c (its owner's side), connection.c (the kernel's) and
 * segment.c share it.
 *
 * The kernel's side of a connection lives until both ends are acknowledged, or a reset or a timeout
 * ends it; the owner's side until stream_close. The memory goes with the later of the two.
 */
#ifndef WARREN_SIM_STREAM_INSIDE_H
#define WARREN_SIM_STREAM_INSIDE_H

#include "common/net/byte_queue.h"
#include "tests/sim/inside.h"
#include "tests/sim/stream.h"

enum stream_state { STREAM_DIALLING, STREAM_ACCEPTING, STREAM_OPEN, STREAM_DEAD };

/* Small enough for any link that IPv6 may cross. */
enum { STREAM_SEGMENT_BYTES = 1200 };

struct stream {
	struct host *host;
	struct world_place place; /* its owner's, where on_event runs */
	struct endpoint local, remote;
	uint64_t id; /* the dialler's; tells an old connection on the same ports apart */
	enum stream_state state;
	int err;
	stream_event_fn *on_event;
	void *arg;
	struct stream_listener *listener; /* ACCEPTING: who gets it */
	bool has_owner, is_sealed;
	unsigned in_use; /* callbacks that are under way */
	struct world_event notify;

	/* Sequence numbers count bytes from 0; a FIN takes one behind the last byte. */
	struct byte_queue out; /* from una on */
	uint64_t una, next;    /* acknowledged up to; sent up to */
	uint64_t highest;      /* ever sent up to: what lies below is sent again */
	uint64_t recover;      /* loss is being repaired up to here */
	size_t congestion_bytes, slow_start_until;
	uint32_t peer_window, repeats; /* repeats: the same acknowledgement again */
	size_t not_sent_max;	       /* 0: none */
	bool is_ended;		       /* a FIN follows what is in out */

	struct world_event resend;
	uint64_t rto_us, rtt_us, rtt_var_us;
	uint64_t sample_seq, sample_us; /* sample_us 0: no round trip is being measured */
	uint64_t waiting_since_us;	/* awake time of the oldest unacknowledged; 0: none */
	uint64_t first_sent_us;		/* when what is at una was sent last */
	uint64_t acked_us;		/* awake time of the last acknowledgement; 0: none */
	unsigned tries;
	uint64_t timeout_us; /* the first resend since anything was acknowledged; 0: none */
	size_t congestion_before, slow_start_before; /* that timeout */
	uint64_t echo_us; /* when the other side sent what came last in order */

	uint64_t end_seq; /* of the FIN, once is_ended */

	struct byte_queue in;
	uint64_t expected;     /* received up to, in order */
	struct transit *early; /* received out of order, by seq */
	size_t early_count;
	uint64_t early_us; /* when the latest of these was sent */
	uint32_t told_window;
	bool has_peer_end, owes_ack;

	struct stream *prev, *following;
};

struct stream_listener {
	struct host *host; /* NULL: a ghost's */
	struct world_place place;
	uint16_t port;
	void (*on_accept)(void *arg, struct stream *s);
	void *arg;
};

struct stream_stack {
	struct table connections; /* local port, remote -> struct stream */
	struct table listeners;	  /* port -> struct stream_listener */
	struct stream *all;
};

/* ---- stream.c: owners ---- */

/* A connection that asks for this listener. */
struct stream *stream_new(struct host *h, const struct endpoint *local,
			  const struct endpoint *remote, uint64_t id);
/* Tells the owner now; not from within a call of his. s may be freed in it unless in use. */
void stream_tell(struct stream *s);
/* ACCEPTING becomes OPEN: gives it to the listener's owner. */
void stream_hand_over(struct stream *s);
/* Frees it where neither side needs it. */
void stream_settle(struct stream *s);
struct table_key stream_key(uint16_t local_port, const struct endpoint *remote);

/* ---- segment.c: what leaves ---- */

/* Of the bytes that wait in s->out, len from seq on. */
void segment_send(struct stream *s, uint8_t flags, uint64_t seq, size_t len);
/* A reset to who sent a segment to nobody; nothing to one that is a reset itself. */
void segment_refuse(struct host *h, const struct transit *p);
/* Bytes that there is room for. */
uint32_t segment_window(const struct stream *s);

/* ---- connection.c: the kernel ---- */

void connection_dial(struct stream *s);
void connection_accept(struct stream *s);
void connection_on_segment(struct stream *s, struct transit *p);
/* Sends what window and congestion let through. */
void connection_push(struct stream *s);
/* The owner has read: the other side may send more. */
void connection_on_read(struct stream *s);
/* Its owner is gone: should the other side never end, it is forgotten after a while. */
void connection_orphan(struct stream *s);
void connection_reset(struct stream *s);
/* It is over: no segment is sent or taken any more. err: what the owner is to see. */
void connection_die(struct stream *s, int err);

#endif
