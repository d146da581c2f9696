/*
 * tls_internal: what the files of tls share; nobody else includes it.
 */
#ifndef WARREN_TLS_INTERNAL_H
#define WARREN_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "common/net/tls_stream.h"

/* A connection's own SSL of the context, also while another thread reloads it. NULL: no memory. */
SSL *tls_context_new_ssl(struct tls_context *ctx);

/* Makes sure that a client context knows the system's authorities: on the first connection that
 * asks them, since a bundle named by SSL_CERT_FILE costs 45 ms and a megabyte, and where all is
 * pinned nobody does. */
void tls_context_use_authorities(struct tls_context *ctx);

/* SHA-256 over the certificate, or over its SubjectPublicKeyInfo. */
MUST_CHECK int tls_hash_cert(const X509 *cert, uint8_t out[static TLS_HASH_LEN]);
MUST_CHECK int tls_hash_spki(const X509 *cert, uint8_t out[static TLS_HASH_LEN]);

/* DERP's meta certificate for a relay key; the caller frees it. */
MUST_CHECK int tls_derp_cert_new(const struct public_key *derp_key, uint64_t unix_s,
				 const uint8_t random[static KEY_LEN], X509 **out);
/* The key a meta certificate names; -ENOENT for any other certificate. */
MUST_CHECK int tls_derp_cert_key(const X509 *cert, struct public_key *out);

/* The reason of the library's last failure in words, and forgets it. */
const char *tls_library_reason(void);

/* How one client connection judges its server. */
struct tls_check {
	struct tls_trust trust;
	char problem[TLS_PROBLEM_LEN]; /* why the server was refused: one line for people */
};

/* Tells ssl the name or IP SAN to verify and what to ask for by SNI. c must outlive ssl. -EINVAL
 * for a name that is neither. */
MUST_CHECK int tls_check_start(struct tls_check *c, SSL *ssl);
/* The context's verification callback; finds the check by its SSL. */
int tls_check_server(X509_STORE_CTX *store, void *arg);

#endif
