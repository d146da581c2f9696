/*
 * tls_stream: bytes through a connected socket, in TLS records (RFC 8446) or as they are.
 *
 * The one place that calls the library or the socket for a connection's bytes: no life of the
 * connection, no events, no queue; those are tls_conn's, which alone calls it. Every call that
 * moves bytes returns 0; -EAGAIN where nothing moved, and then says where the library waits for the
 * other direction (TLS 1.3 key updates); or -EPIPE: the connection is at its end, and
 * tls_stream_reason says why. The simulator puts its own in this one's place.
 */
#ifndef WARREN_TLS_STREAM_H
#define WARREN_TLS_STREAM_H

#include "common/net/tls.h"

enum { TLS_RECORD_LEN = 16 * 1024 }; /* RFC 8446 section 5.1: the most one record carries */
enum { TLS_PROBLEM_LEN = 192 };

struct tls_stream;

/* fd is taken over. ctx: NULL for plain TCP; borrowed. Never NULL: aborts without memory. */
struct tls_stream *tls_stream_new(struct tls_context *ctx, int fd);
/* Closes the socket. says_goodbye: by an alert first, which spares the peer a guess. */
void tls_stream_free(struct tls_stream *s, bool says_goodbye);
/* We are the client, or the server. trust: how the server is judged. -EINVAL: no host name in it.
 */
MUST_CHECK int tls_stream_connects(struct tls_stream *s, struct tls_context *ctx,
				   const struct tls_trust *trust);
void tls_stream_accepts(struct tls_stream *s);

/* -EAGAIN sets one of the two. */
MUST_CHECK int tls_stream_handshake(struct tls_stream *s, bool *wants_read, bool *wants_write);
MUST_CHECK int tls_stream_send(struct tls_stream *s, const uint8_t *bytes, size_t len, size_t *sent,
			       bool *wants_read);
MUST_CHECK int tls_stream_receive(struct tls_stream *s, void *buf, size_t cap, size_t *got,
				  bool *wants_write);
/* Nothing of ours follows. */
void tls_stream_end(struct tls_stream *s);
/* Reads what still comes until the peer's end: closing over unread bytes would reset the
 * connection and could take our last answer with it. True at its end. */
bool tls_stream_is_drained(struct tls_stream *s);

bool tls_stream_is_tls(const struct tls_stream *s);
/* Are there bytes above the socket, for which no event will come? */
bool tls_stream_has_pending(const struct tls_stream *s);
/* In words, of the last -EPIPE; the stream's. */
const char *tls_stream_reason(const struct tls_stream *s);

/* What tls.h tells of a connection. */
void tls_stream_set_unsent_max(struct tls_stream *s, int bytes);
bool tls_stream_is_tls13(const struct tls_stream *s);
uint64_t tls_stream_acked_us(const struct tls_stream *s, uint64_t now_us);
MUST_CHECK int tls_stream_peer_spki(const struct tls_stream *s, uint8_t out[static TLS_HASH_LEN]);
MUST_CHECK int tls_stream_peer_derp_key(const struct tls_stream *s, struct public_key *out);

#endif
