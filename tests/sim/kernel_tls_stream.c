/*
 * tls_stream.h over the world's streams: the handshake's flights (kernel_tls_inside.h) and the
 * judgement on certificates of the world; behind them bytes as they are, on a stream that is marked
 * as sealed. What is missing is OpenSSL and its records.
 */
#include "common/net/tls_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/socket.h"
#include "tests/sim/kernel_socket.h"
#include "tests/sim/kernel_tls_inside.h"
#include "tests/sim/stream.h"

struct tls_stream {
	int fd;
	struct stream *tcp; /* the descriptor's */
	const struct tls_context *ctx;
	bool is_server, has_greeted;
	struct tls_trust trust;
	struct tls_peer *peer; /* client: what the server showed */
	uint8_t *flight;       /* the other side's, while it comes */
	size_t flight_len;
	char reason[TLS_PROBLEM_LEN];
};

static int end(struct tls_stream *s, const char *reason)
{
	if (s->reason[0] == '\0')
		snprintf(s->reason, sizeof(s->reason), "%s", reason);
	return -EPIPE;
}

/* What a stream's answer means. */
static int judge(struct tls_stream *s, ssize_t rc)
{
	if (rc == -EAGAIN)
		return -EAGAIN;
	return end(s, rc == 0 ? "closed by the other end" : strerror((int)-rc));
}

/* ---- life ---- */

struct tls_stream *tls_stream_new(struct tls_context *ctx, int fd)
{
	struct tls_stream *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->fd = fd;
	s->tcp = kernel_socket_stream(fd);
	s->ctx = ctx;
	if (!s->tcp)
		abort();
	return s;
}

void tls_stream_free(struct tls_stream *s, bool says_goodbye)
{
	(void)says_goodbye; /* the FIN says it all */
	socket_close(s->fd);
	free(s->flight);
	free(s->peer);
	free(s);
}

int tls_stream_connects(struct tls_stream *s, struct tls_context *ctx,
			const struct tls_trust *trust)
{
	(void)ctx;
	if (trust)
		s->trust = *trust;
	return 0;
}

void tls_stream_accepts(struct tls_stream *s)
{
	s->is_server = true;
}

/* ---- bytes ---- */

int tls_stream_send(struct tls_stream *s, const uint8_t *bytes, size_t len, size_t *sent,
		    bool *wants_read)
{
	ssize_t n = stream_send(s->tcp, bytes, len);

	*wants_read = false;
	kernel_socket_look(s->fd);
	if (n <= 0)
		return n == 0 ? -EAGAIN : judge(s, n);
	*sent = (size_t)n;
	return 0;
}

int tls_stream_receive(struct tls_stream *s, void *buf, size_t cap, size_t *got, bool *wants_write)
{
	ssize_t n = stream_receive(s->tcp, buf, cap);

	*wants_write = false;
	kernel_socket_look(s->fd);
	if (n <= 0)
		return judge(s, n);
	*got = (size_t)n;
	return 0;
}

/* ---- handshake ---- */

/* A flight is small, and the first thing on its stream: it fits. */
static int send_flight(struct tls_stream *s, char type, const void *body, size_t len)
{
	uint8_t bytes[FLIGHT_MAX];
	struct writer w = writer_init(bytes, sizeof(bytes));

	write_u8(&w, (uint8_t)type);
	write_u16be(&w, (uint16_t)len);
	write_bytes(&w, body, len);
	stream_set_sealed(s->tcp, true);
	ssize_t n = stream_send(s->tcp, bytes, w.len);
	return n < 0 ? judge(s, n) : 0;
}

/* Reads towards the other side's whole flight and no byte further. */
static int receive_flight(struct tls_stream *s)
{
	if (!s->flight)
		s->flight = calloc(1, FLIGHT_MAX);
	if (!s->flight)
		abort();
	for (;;) {
		size_t whole = FLIGHT_HEAD, got = 0;
		bool wants_write = false;

		if (s->flight_len >= FLIGHT_HEAD)
			whole += (size_t)s->flight[1] << 8 | s->flight[2];
		if (whole > FLIGHT_MAX || (s->flight_len > 0 && !strchr("CSFA", s->flight[0])))
			return end(s, "wrong version number");
		if (s->flight_len >= FLIGHT_HEAD && s->flight_len == whole)
			return 0;
		int err = tls_stream_receive(s, s->flight + s->flight_len, whole - s->flight_len,
					     &got, &wants_write);
		if (err)
			return err;
		s->flight_len += got;
	}
}

static int judge_server(struct tls_stream *s)
{
	char problem[TLS_ERROR_LEN];
	const char *why = "unexpected message";

	s->peer = calloc(1, sizeof(*s->peer));
	if (!s->peer)
		abort();
	if (s->flight[0] == 'S' && kernel_tls_parse_peer(s->flight + FLIGHT_HEAD,
							 s->flight_len - FLIGHT_HEAD, s->peer) == 0)
		why = kernel_tls_problem(s->ctx, &s->trust, &s->peer->cert, problem);
	int err = send_flight(s, why ? 'A' : 'F', NULL, 0);
	return why ? end(s, why) : err;
}

static int client_handshake(struct tls_stream *s)
{
	const char *sni = s->trust.sni[0] ? s->trust.sni : s->trust.name;
	int err = 0;

	if (!s->has_greeted)
		err = send_flight(s, 'C', sni, strlen(sni));
	s->has_greeted = true;
	if (err == 0)
		err = receive_flight(s);
	return err == 0 ? judge_server(s) : err;
}

static int server_handshake(struct tls_stream *s)
{
	uint8_t body[FLIGHT_MAX];
	int err;

	while ((err = receive_flight(s)) == 0 && s->flight[0] == 'C') {
		s->flight_len = 0;
		err = send_flight(s, 'S', body, kernel_tls_print_peer(s->ctx, body));
		if (err)
			return err;
	}
	if (err == 0 && s->flight[0] != 'F')
		return end(s, "sslv3 alert certificate unknown");
	return err;
}

int tls_stream_handshake(struct tls_stream *s, bool *wants_read, bool *wants_write)
{
	int err = s->is_server ? server_handshake(s) : client_handshake(s);

	(void)wants_write;
	*wants_read = err == -EAGAIN;
	if (err == 0) {
		free(s->flight);
		s->flight = NULL;
	}
	return err;
}

/* ---- the end ---- */

void tls_stream_end(struct tls_stream *s)
{
	stream_end(s->tcp);
}

bool tls_stream_is_drained(struct tls_stream *s)
{
	uint8_t waste[4096];
	ssize_t n;

	while ((n = stream_receive(s->tcp, waste, sizeof(waste))) > 0)
		;
	kernel_socket_look(s->fd);
	return n != -EAGAIN;
}

/* ---- asking ---- */

bool tls_stream_is_tls(const struct tls_stream *s)
{
	return s->ctx != NULL;
}

bool tls_stream_has_pending(const struct tls_stream *s)
{
	(void)s; /* nothing is kept above the stream */
	return false;
}

const char *tls_stream_reason(const struct tls_stream *s)
{
	return s->reason;
}

void tls_stream_set_unsent_max(struct tls_stream *s, int bytes)
{
	stream_set_not_sent_max(s->tcp, (size_t)bytes);
}

bool tls_stream_is_tls13(const struct tls_stream *s)
{
	return s->ctx != NULL;
}

uint64_t tls_stream_acked_us(const struct tls_stream *s, uint64_t now_us)
{
	(void)now_us;
	return stream_acked_us(s->tcp);
}

int tls_stream_peer_spki(const struct tls_stream *s, uint8_t out[static TLS_HASH_LEN])
{
	if (!s->peer)
		return -ENOENT;
	memcpy(out, s->peer->cert.spki, TLS_HASH_LEN);
	return 0;
}

int tls_stream_peer_derp_key(const struct tls_stream *s, struct public_key *out)
{
	if (!s->peer || !s->peer->has_derp_key || s->trust.kind == TLS_TRUST_ANYONE)
		return -ENOENT;
	*out = s->peer->derp_key;
	return 0;
}
