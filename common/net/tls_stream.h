/*
 * tls_stream: bytes through a connected socket, in TLS records (RFC 8446) or as they are.
 *
 * The one place that calls the library or the socket for a connection's bytes: no state of the
 * connection, no events, no queue; those are tls_conn's, which alone calls it. Every call that
 * moves bytes returns 0, -EAGAIN (nothing moved; the wants_ fields say what the library waits for)
 * or -EPIPE: the connection is at its end, and `reason` says why in words.
 */
#ifndef WARREN_TLS_STREAM_H
#define WARREN_TLS_STREAM_H

#include "common/net/tls_internal.h"

enum { TLS_RECORD_LEN = 16 * 1024 }; /* RFC 8446 section 5.1: the most one record carries */

struct tls_stream {
	int fd;
	SSL *ssl; /* NULL: plain TCP */
	/* TLS 1.3 key updates: a read that must write first, and the reverse. */
	bool read_wants_write, write_wants_read;
	struct tls_check check;
	char reason[TLS_PROBLEM_LEN];
};

/* fd is taken over. ctx: NULL for plain TCP; borrowed. No memory: aborts. */
void tls_stream_init(struct tls_stream *s, struct tls_context *ctx, int fd);
/* We are the client, or the server. trust: how the server is judged. -EINVAL: no host name in it.
 */
MUST_CHECK int tls_stream_connects(struct tls_stream *s, struct tls_context *ctx,
				   const struct tls_trust *trust);
void tls_stream_accepts(struct tls_stream *s);
/* Closes the socket. says_goodbye: by an alert first, which spares the peer a guess. */
void tls_stream_wipe(struct tls_stream *s, bool says_goodbye);

/* The sides shake hands; -EAGAIN sets one of the two. */
MUST_CHECK int tls_stream_handshake(struct tls_stream *s, bool *wants_read, bool *wants_write);
MUST_CHECK int tls_stream_send(struct tls_stream *s, const uint8_t *bytes, size_t len,
			       size_t *sent);
MUST_CHECK int tls_stream_receive(struct tls_stream *s, void *buf, size_t cap, size_t *got);
/* Are there bytes above the socket, for which no event will come? */
bool tls_stream_has_pending(const struct tls_stream *s);

/* Nothing of ours follows. */
void tls_stream_end(struct tls_stream *s);
/* Reads what still comes until the peer's end: closing over unread bytes would reset the
 * connection and could take our last answer with it. True at its end. */
bool tls_stream_is_drained(struct tls_stream *s);

#endif
