/*
 * kernel_tls_inside: what kernel_tls_stream and kernel_tls_context share: contexts, and the
 * handshake's flights.
 *
 *	client                                server
 *	  'C' length, SNI             -->
 *	                              <--     'S' length, DERP key or none, certificate
 *	  'F' length 0, data          -->                       (or 'A' length 0: refused)
 *
 * So TLS costs one round trip more than TCP, as TLS 1.3 does. Behind 'S' and 'F' bytes follow as
 * they are, without records, on a stream that is marked as sealed from its first flight on.
 */
#ifndef WARREN_SIM_KERNEL_TLS_INSIDE_H
#define WARREN_SIM_KERNEL_TLS_INSIDE_H

#include "common/net/tls.h"
#include "tests/sim/certificate.h"

enum { FLIGHT_HEAD = 3, FLIGHT_MAX = FLIGHT_HEAD + 1 + KEY_LEN + CERTIFICATE_TEXT_MAX };

struct tls_context {
	bool is_server;
	char issuer[CERTIFICATE_NAME_LEN]; /* client: whom it trusts besides "public"; "" */
	char *cert_file, *key_file;	   /* server */
	char text[CERTIFICATE_TEXT_MAX];
	struct certificate cert;
	bool has_derp_key;
	struct public_key derp_key;
};

/* What a server's flight told its client. */
struct tls_peer {
	struct certificate cert;
	bool has_derp_key;
	struct public_key derp_key;
};

/* The server's flight without its head; its length. */
size_t kernel_tls_print_peer(const struct tls_context *ctx, uint8_t out[static FLIGHT_MAX]);
MUST_CHECK int kernel_tls_parse_peer(const uint8_t *bytes, size_t len, struct tls_peer *out);
/* NULL where peer is who trust says it must be, else why it is refused, in problem and in the real
 * one's words. */
const char *kernel_tls_problem(const struct tls_context *ctx, const struct tls_trust *trust,
			       const struct certificate *peer, char problem[static TLS_ERROR_LEN]);

#endif
