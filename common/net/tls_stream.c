#include "common/net/tls_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "common/net/socket.h"

static const char *const closed_there = "closed by the other end";

static int end(struct tls_stream *s, const char *reason)
{
	snprintf(s->reason, sizeof(s->reason), "%s",
		 s->check.problem[0] != '\0' ? s->check.problem : reason);
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

void tls_stream_init(struct tls_stream *s, struct tls_context *ctx, int fd)
{
	*s = (struct tls_stream){.fd = fd};
	if (!ctx)
		return;
	s->ssl = tls_context_new_ssl(ctx);
	if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1)
		abort();
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

void tls_stream_wipe(struct tls_stream *s, bool says_goodbye)
{
	if (s->ssl) {
		if (says_goodbye)
			SSL_shutdown(s->ssl);
		SSL_free(s->ssl);
		ERR_clear_error();
	}
	socket_close(s->fd);
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

int tls_stream_send(struct tls_stream *s, const uint8_t *bytes, size_t len, size_t *sent)
{
	bool wants_write = false;

	s->write_wants_read = false;
	if (!s->ssl)
		return send_plain(s, bytes, len, sent);
	forget_errors();
	int rc = SSL_write_ex(s->ssl, bytes, len < TLS_RECORD_LEN ? len : TLS_RECORD_LEN, sent);
	return rc == 1 ? 0 : judge(s, rc, &s->write_wants_read, &wants_write);
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

int tls_stream_receive(struct tls_stream *s, void *buf, size_t cap, size_t *got)
{
	bool wants_read = false;

	if (!s->ssl)
		return receive_plain(s, buf, cap, got);
	forget_errors();
	s->read_wants_write = false;
	int rc = SSL_read_ex(s->ssl, buf, cap, got);
	return rc == 1 ? 0 : judge(s, rc, &wants_read, &s->read_wants_write);
}

bool tls_stream_has_pending(const struct tls_stream *s)
{
	return s->ssl && SSL_has_pending(s->ssl);
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
