/*
 * stream: TCP as far as programs see it, over the simulated network.
 *
 * Ordered bytes with a window each way, a handshake of one round trip, retransmission (a round trip
 * and 200 ms at least, doubling), a FIN or an RST at the end. Segments are packets like any: links
 * lose them, NATs map them, a cut stalls them; whatever ends a connection in the field ends it here
 * for the same reason: data unacknowledged for STREAM_USER_TIMEOUT_US (as common/net/tcp.c asks the
 * kernel), the other host restarted or the NAT gave another port (RST), nobody listens (refused), a
 * dial unanswered for 127 s.
 *
 *	DIALLING --SYN-ACK--> OPEN --close--> (the kernel delivers the rest, then FIN)
 *	DIALLING --RST, no answer--> ENDED      OPEN --RST, timeout--> ENDED
 *
 * Callbacks run at the stream's host, never inside a call that the owner makes; they may call
 * anything here, stream_close too.
 */
#ifndef WARREN_SIM_STREAM_H
#define WARREN_SIM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/endpoint.h"

struct stream;
struct stream_listener;

enum { STREAM_BUFFER_BYTES = 256 * 1024 }; /* to be sent; the same again received and unread */
enum { STREAM_USER_TIMEOUT_US = 15 * 1000 * 1000 };

/* Something may have changed: opened, readable, writable again, ended. Look with the questions
 * below; called once for several changes. */
typedef void stream_event_fn(void *arg, struct stream *s);

/* ---- its life ---- */

/* From world_here() to an address. Answers -ENETUNREACH or -EADDRNOTAVAIL (no ports) at once;
 * everything else by on_event. */
int stream_dial(const struct endpoint *to, stream_event_fn *on_event, void *arg,
		struct stream **out);
/* At world_here(), both families. on_accept gets a stream that is open; it is the callee's, who
 * sets its callback by stream_watch, or closes it. port 0: any. -EADDRINUSE. */
int stream_listen(uint16_t port, void (*on_accept)(void *arg, struct stream *s), void *arg,
		  struct stream_listener **out);
uint16_t stream_listener_port(const struct stream_listener *l);
/* Connections not yet accepted are reset. NULL is fine. */
void stream_listener_close(struct stream_listener *l);
/* Replaces the callback; NULL: none. If something is there already, it is told soon. */
void stream_watch(struct stream *s, stream_event_fn *on_event, void *arg);
/* What was sent is still delivered; unread bytes make it a reset, as in a kernel. The pointer is
 * dead afterwards. NULL is fine. */
void stream_close(struct stream *s);
/* Resets it at once. */
void stream_abort(struct stream *s);

/* ---- bytes ---- */

/* Takes as much as the buffer has room for: the number taken, -EAGAIN for none, -ENOTCONN before it
 * is open, -EPIPE after stream_end, or the error that ended it. */
ssize_t stream_send(struct stream *s, const void *data, size_t len);
/* 0: the other side has ended its stream; -EAGAIN: nothing now; else the error that ended it
 * (-ECONNRESET, -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH), after all that had come was read. */
ssize_t stream_receive(struct stream *s, void *data, size_t cap);
/* Half-close: a FIN follows what was sent. */
void stream_end(struct stream *s);
/* From here on the bytes sent stand for ciphertext (kernel_tls): taps are told so. */
void stream_set_sealed(struct stream *s, bool is_sealed);
/* TCP_NOTSENT_LOWAT: bytes are taken only while fewer than this wait to be sent for the first time;
 * on_event comes when they fall below. 0: no bound. */
void stream_set_not_sent_max(struct stream *s, size_t bytes);

/* ---- questions ---- */

bool stream_is_open(const struct stream *s);	 /* connected, no error */
bool stream_can_receive(const struct stream *s); /* bytes, an end or an error wait */
bool stream_can_send(const struct stream *s);	 /* room; true for an error too, as poll(2) says */
size_t stream_waiting(const struct stream *s);	 /* bytes to be read */
size_t stream_unsent(const struct stream *s);	 /* bytes not yet acknowledged */
size_t stream_not_sent(const struct stream *s);	 /* bytes that the network has not seen */
/* When the other side's kernel last acknowledged anything (TCP_INFO's tcpi_last_ack_recv), in the
 * world's time less what the host slept since; 0: never. */
uint64_t stream_acked_us(const struct stream *s);
/* Since when nothing was acknowledged though something waits for it; 0: nothing waits. */
uint64_t stream_unacked_since_us(const struct stream *s);
int stream_error(const struct stream *s); /* 0, or why it ended */
struct endpoint stream_local(const struct stream *s);
struct endpoint stream_remote(const struct stream *s); /* as this host sees it */

#endif
