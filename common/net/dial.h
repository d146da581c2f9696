/*
 * dial: from a host name to an open TLS (or plain) connection: resolve, race the addresses,
 * handshake. What the HTTP client, the coordinator session and relay sessions have in common.
 */
#ifndef WARREN_DIAL_H
#define WARREN_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/net/tcp.h"
#include "common/net/tls.h"

struct dial;
struct event_base;
struct resolver;

enum { DIAL_HOST_LEN = 256, DIAL_ERROR_LEN = 256 };

struct dial_config {
	char host[DIAL_HOST_LEN]; /* name or IP literal */
	uint16_t port;
	struct endpoint known[TCP_DIAL_ADDRS_MAX]; /* addresses given beforehand: no DNS then */
	size_t n_known;
	struct tls_context *tls; /* NULL: plain TCP */
	struct tls_trust trust;	 /* name "" means host */
	uint64_t timeout_us;	 /* for everything; 0 = 10 s */
	uint32_t mark;		 /* SO_MARK, 0 = none */
};

struct dial_times { /* how long each step took, for diagnosis */
	uint64_t dns_us, tcp_us, tls_us;
};

/* done is called once and never before this returns: an open connection (the callee's now; it
 * calls tls_conn_set_ops), or NULL with one line naming the step that failed. */
struct dial *dial_new(struct event_base *base, struct resolver *resolver,
		      const struct dial_config *cfg,
		      void (*done)(void *arg, struct tls_conn *conn, const struct dial_times *times,
				   const char *error),
		      void *arg);
/* Cancels without calling done; needed after done too (also from within it). */
void dial_free(struct dial *d);

#endif
