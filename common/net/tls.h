/*
 * tls: connections over OpenSSL, driven by raw events; plain TCP in the same shape.
 *
 *	HANDSHAKE --done: on_open--> OPEN --failure, end of stream: on_closed--> CLOSED
 *
 * A struct tls_conn owns a non-blocking descriptor. Reading: on_readable, then tls_conn_read until
 * -EAGAIN. Writing: tls_conn_write queues, everything queued in one round of the loop leaves
 * together in full records. TLS 1.3, 1.2 accepted. Who the peer must be is said by struct
 * tls_trust: a name under a known authority, or a pin. One thread uses a connection; contexts may
 * be shared.
 */
#ifndef WARREN_TLS_H
#define WARREN_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "common/wire.h"

struct event_base;
struct tls_context;
struct tls_conn;

enum { TLS_HASH_LEN = 32, TLS_NAME_LEN = 256, TLS_ERROR_LEN = 256 };

enum tls_trust_kind {
	TLS_TRUST_AUTHORITIES, /* chain, dates and name */
	TLS_TRUST_SPKI_PIN,    /* SHA-256 of the leaf's SubjectPublicKeyInfo; nothing else */
	TLS_TRUST_CERT_PIN,    /* SHA-256 of the leaf certificate (CertName "sha256-raw:HEX") */
	TLS_TRUST_ANYONE,      /* InsecureForTests */
};

struct tls_trust {
	enum tls_trust_kind kind;
	uint8_t pin[TLS_HASH_LEN];
	char name[TLS_NAME_LEN]; /* host name or IP literal to verify */
	char sni[TLS_NAME_LEN];	 /* name to send; "" = name where it is no IP literal */
};

/* ---- contexts ---- */

/* Authorities: the system's hash folder, looked into when needed, and those of ca_file (or NULL).
 * -errno with one line in error. */
MUST_CHECK int tls_client_context_new(const char *ca_file, struct tls_context **out,
				      char error[static TLS_ERROR_LEN]);
/* PEM files: the certificate with its chain, and the key. Session tickets are off. */
MUST_CHECK int tls_server_context_new(const char *cert_file, const char *key_file,
				      struct tls_context **out, char error[static TLS_ERROR_LEN]);
/* Connections keep what they use; new ones need a living context. */
void tls_context_free(struct tls_context *ctx);
/* Server: reads the files again, for renewed certificates (SIGHUP). Old ones stay on failure. */
MUST_CHECK int tls_context_reload(struct tls_context *ctx, char error[static TLS_ERROR_LEN]);
/* Server: SHA-256 of its public key (SPKI) and of its certificate, as a client sees them. */
void tls_context_spki(const struct tls_context *ctx, uint8_t out[static TLS_HASH_LEN]);
void tls_context_cert_hash(const struct tls_context *ctx, uint8_t out[static TLS_HASH_LEN]);
/* Server: sends DERP's meta certificate behind the chain, which names the relay's key, for fast
 * start (ref. DERP: subject CN "derpkey" + hex, serial 2, Ed25519, a month before and after
 * unix_s; kept over reloads). random makes its key. */
MUST_CHECK int tls_context_add_derp_key(struct tls_context *ctx, const struct public_key *derp_key,
					uint64_t unix_s, const uint8_t random[static KEY_LEN]);

/* Where cert_file and key_file are absent, makes an ECDSA P-256 certificate for names (host names
 * or IP literals; the first is the subject), valid ten years, and writes both (0600). 0 where they
 * are there already. */
MUST_CHECK int tls_self_signed_ensure(const char *cert_file, const char *key_file,
				      const char *const *names, size_t n_names,
				      char error[static TLS_ERROR_LEN]);

/* ---- connections ---- */

struct tls_conn_ops {
	void (*on_open)(void *arg);	/* handshake done and the peer is who it must be */
	void (*on_readable)(void *arg); /* read until -EAGAIN */
	void (*on_drained)(void *arg);	/* everything queued has left; may be NULL */
	/* Once, for failures, end of stream and after tls_conn_finish; not after tls_conn_free.
	 * The owner frees the connection then or later. */
	void (*on_closed)(void *arg, const char *reason);
};

/* ctx NULL: plain TCP. fd may still be connecting; it is owned from here on. trust is copied (NULL
 * only without ctx). No callback runs before this returns. */
struct tls_conn *tls_conn_client(struct event_base *base, struct tls_context *ctx, int fd,
				 const struct tls_trust *trust, const struct tls_conn_ops *ops,
				 void *arg);
struct tls_conn *tls_conn_server(struct event_base *base, struct tls_context *ctx, int fd,
				 const struct tls_conn_ops *ops, void *arg);
/* Closes at once, silently. May be called from its callbacks. */
void tls_conn_free(struct tls_conn *c);

/* Hands the connection to another owner, as after an upgrade: on_readable comes for what waits. */
void tls_conn_set_ops(struct tls_conn *c, const struct tls_conn_ops *ops, void *arg);
/* Puts bytes back in front of what tls_conn_read gives next. */
void tls_conn_unread(struct tls_conn *c, const void *bytes, size_t len);

/* 0 with *got > 0; -EAGAIN: nothing now (also while paused, and where others have their turn
 * first), on_readable will come; -EPIPE: closed or closing. */
MUST_CHECK int tls_conn_read(struct tls_conn *c, void *buf, size_t cap, size_t *got);
/* While paused nothing is read from the socket, so that TCP slows the sender. */
void tls_conn_pause(struct tls_conn *c, bool paused);

/* Queues a copy. -ENOBUFS where the queue's limit (1 MiB at first) would be passed: nothing is
 * queued; -EPIPE where closed. Legal before on_open: it leaves after the handshake. */
MUST_CHECK int tls_conn_write(struct tls_conn *c, const void *buf, size_t len);
/* Two pieces back to back: a header and a body. */
MUST_CHECK int tls_conn_write2(struct tls_conn *c, const void *hdr, size_t hdr_len,
			       const void *body, size_t len);
void tls_conn_set_limit(struct tls_conn *c, size_t limit_bytes);
/* Bounds what the kernel takes beyond what is on its way (TCP_NOTSENT_LOWAT): it would take
 * megabytes for a slow reader, and every probe would wait behind them. */
void tls_conn_set_unsent_max(struct tls_conn *c, int bytes);
size_t tls_conn_queued(const struct tls_conn *c);
/* When queued bytes last moved, US_NEVER while none wait: for write deadlines. */
uint64_t tls_conn_stuck_since_us(const struct tls_conn *c);
/* Sends what is queued and then the end of the stream; on_closed follows, after 2 s at most. */
void tls_conn_finish(struct tls_conn *c);

bool tls_conn_is_open(const struct tls_conn *c);
bool tls_conn_is_tls13(const struct tls_conn *c);
/* When the other end's kernel last acknowledged anything; 0 where that is not to be known. */
uint64_t tls_conn_acked_us(const struct tls_conn *c, uint64_t now_us);
struct endpoint tls_conn_peer(const struct tls_conn *c);
struct endpoint tls_conn_local(const struct tls_conn *c);
/* Client: SHA-256 of the server's public key (SPKI). -ENOENT on plain TCP or before on_open. */
MUST_CHECK int tls_conn_peer_spki(const struct tls_conn *c, uint8_t out[static TLS_HASH_LEN]);
/* Client: the DERP key that a meta certificate of the peer names. -ENOENT without one, or where
 * the chain was not verified. */
MUST_CHECK int tls_conn_peer_derp_key(const struct tls_conn *c, struct public_key *out);

#endif
