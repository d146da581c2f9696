#include "common/net/tls_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/clock.h"
#include "common/net/socket.h"
#include "common/net/tls_internal.h"

struct tls_stream {
	int fd;
	SSL *ssl;		/* NULL: plain TCP */
	struct tls_check check; /* its problem is any end's */
};

static const char *const closed_there = "closed by the other end";

static int end(struct tls_stream *s, const char *reason)
{
	if (s->check.problem[0] == '\0')
		snprintf(s->check.problem, sizeof(s->check.problem), "%s", reason);
	return -EPIPE;
}

/* What SSL_get_error says of a failed call. */
static int judge(struct tls_stream *s, int rc, bool *wants_read, bool *wants_write)
{
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		*wants_read = true;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return end(s, closed_there);
	case SSL_ERROR_SYSCALL:
		return end(s, errno ? strerror(errno) : closed_there);
	default:
		return end(s, tls_library_reason());
	}
}

/* ---- life ---- */

struct tls_stream *tls_stream_new(struct tls_context *ctx, int fd)
{
	struct tls_stream *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->fd = fd;
	if (!ctx)
		return s;
	s->ssl = tls_context_new_ssl(ctx);
	if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1)
		abort();
	return s;
}

void tls_stream_free(struct tls_stream *s, bool says_goodbye)
{
	if (s->ssl) {
		if (says_goodbye)
			SSL_shutdown(s->ssl);
		SSL_free(s->ssl);
		ERR_clear_error();
	}
	socket_close(s->fd);
	free(s);
}

int tls_stream_connects(struct tls_stream *s, struct tls_context *ctx,
			const struct tls_trust *trust)
{
	if (trust)
		s->check.trust = *trust;
	if (!s->ssl)
		return 0;
	if (s->check.trust.kind == TLS_TRUST_AUTHORITIES)
		tls_context_use_authorities(ctx);
	SSL_set_connect_state(s->ssl);
	return tls_check_start(&s->check, s->ssl);
}

void tls_stream_accepts(struct tls_stream *s)
{
	if (s->ssl)
		SSL_set_accept_state(s->ssl);
}

/* ---- bytes ---- */

static void forget_errors(void)
{
	ERR_clear_error();
	errno = 0;
}

int tls_stream_handshake(struct tls_stream *s, bool *wants_read, bool *wants_write)
{
	forget_errors();
	int rc = SSL_do_handshake(s->ssl);
	return rc == 1 ? 0 : judge(s, rc, wants_read, wants_write);
}

static int send_plain(struct tls_stream *s, const uint8_t *bytes, size_t len, size_t *sent)
{
	ssize_t n = send(s->fd, bytes, len, MSG_NOSIGNAL);

	if (n >= 0) {
		*sent = (size_t)n;
		return 0;
	}
	return errno == EAGAIN || errno == EINTR ? -EAGAIN : end(s, strerror(errno));
}

int tls_stream_send(struct tls_stream *s, const uint8_t *bytes, size_t len, size_t *sent,
		    bool *wants_read)
{
	bool wants_write = false;

	*wants_read = false;
	if (!s->ssl)
		return send_plain(s, bytes, len, sent);
	forget_errors();
	int rc = SSL_write_ex(s->ssl, bytes, len < TLS_RECORD_LEN ? len : TLS_RECORD_LEN, sent);
	return rc == 1 ? 0 : judge(s, rc, wants_read, &wants_write);
}

static int receive_plain(struct tls_stream *s, void *buf, size_t cap, size_t *got)
{
	ssize_t n = recv(s->fd, buf, cap, 0);

	if (n > 0) {
		*got = (size_t)n;
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	return end(s, n == 0 ? closed_there : strerror(errno));
}

int tls_stream_receive(struct tls_stream *s, void *buf, size_t cap, size_t *got, bool *wants_write)
{
	bool wants_read = false;

	*wants_write = false;
	if (!s->ssl)
		return receive_plain(s, buf, cap, got);
	forget_errors();
	int rc = SSL_read_ex(s->ssl, buf, cap, got);
	return rc == 1 ? 0 : judge(s, rc, &wants_read, wants_write);
}

/* ---- the end ---- */

void tls_stream_end(struct tls_stream *s)
{
	if (s->ssl) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
	}
	shutdown(s->fd, SHUT_WR);
}

bool tls_stream_is_drained(struct tls_stream *s)
{
	uint8_t waste[4096];
	ssize_t n;

	while ((n = recv(s->fd, waste, sizeof(waste), 0)) > 0)
		;
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

/* ---- asking ---- */

bool tls_stream_is_tls(const struct tls_stream *s)
{
	return s->ssl;
}

bool tls_stream_has_pending(const struct tls_stream *s)
{
	return s->ssl && SSL_has_pending(s->ssl);
}

const char *tls_stream_reason(const struct tls_stream *s)
{
	return s->check.problem;
}

void tls_stream_set_unsent_max(struct tls_stream *s, int bytes)
{
	/* Without it there is only more delay. */
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

bool tls_stream_is_tls13(const struct tls_stream *s)
{
	return s->ssl && SSL_version(s->ssl) == TLS1_3_VERSION;
}

uint64_t tls_stream_acked_us(const struct tls_stream *s, uint64_t now_us)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	uint64_t ago_us = (uint64_t)info.tcpi_last_ack_recv * US_PER_MS;
	return ago_us < now_us ? now_us - ago_us : 0;
}

int tls_stream_peer_spki(const struct tls_stream *s, uint8_t out[static TLS_HASH_LEN])
{
	X509 *cert = s->ssl ? SSL_get0_peer_certificate(s->ssl) : NULL;

	return cert ? tls_hash_spki(cert, out) : -ENOENT;
}

int tls_stream_peer_derp_key(const struct tls_stream *s, struct public_key *out)
{
	if (!s->ssl || s->check.trust.kind == TLS_TRUST_ANYONE)
		return -ENOENT;
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(s->ssl);
	for (int i = 1; chain && i < sk_X509_num(chain); i++)
		if (tls_derp_cert_key(sk_X509_value(chain, i), out) == 0)
			return 0;
	return -ENOENT;
}
