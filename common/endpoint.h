/*
 * endpoint: an IP address and port, an IP address alone, and a prefix: both families in one shape.
 *
 * Addresses are 16 bytes in network order; IPv4 is held IPv4-mapped (::ffff:a.b.c.d), as disco and
 * DERP carry it. The all-zero struct means "none". Ports are in host order. No name is ever looked
 * up here.
 */
#ifndef WARREN_ENDPOINT_H
#define WARREN_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/wire.h"

struct ip_addr {
	uint8_t b[16];
};

struct endpoint {
	struct ip_addr ip;
	uint16_t port;
};

/* len counts bits of the address's own family: at most 32 for IPv4, 128 for IPv6. */
struct prefix {
	struct ip_addr ip;
	uint8_t len;
};

enum { IP_TEXT_LEN = 48, ENDPOINT_TEXT_LEN = 56, PREFIX_TEXT_LEN = 52 };

struct ip_addr ip_from_v4(const uint8_t v4[static 4]);
bool ip_is_v4(const struct ip_addr *ip);
bool ip_is_none(const struct ip_addr *ip);
bool ip_equal(const struct ip_addr *a, const struct ip_addr *b);
bool ip_is_loopback(const struct ip_addr *ip);
bool ip_is_link_local(const struct ip_addr *ip); /* 169.254/16, fe80::/10 */
bool ip_is_multicast(const struct ip_addr *ip);
bool ip_is_private(const struct ip_addr *ip); /* RFC 1918, RFC 4193, and 100.64/10 (RFC 6598) */
/* Can be a peer's address at all: not none, loopback, multicast, broadcast or link-local. */
bool ip_is_dialable(const struct ip_addr *ip);
void ip_str(const struct ip_addr *ip, char out[static IP_TEXT_LEN]);
MUST_CHECK int ip_parse(const char *text, struct ip_addr *out);

bool endpoint_is_none(const struct endpoint *ep);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* "192.0.2.1:80" or "[2001:db8::1]:80". */
void endpoint_str(const struct endpoint *ep, char out[static ENDPOINT_TEXT_LEN]);
/* Reads what endpoint_str writes; ":80" gives the none address. -EBADMSG otherwise. */
MUST_CHECK int endpoint_parse(const char *text, struct endpoint *out);
/* Returns the length used of *out, for sendto and the like: sockaddr_in or sockaddr_in6. */
socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *out);
/* -EAFNOSUPPORT where sa is of neither family. An IPv4-mapped IPv6 address reads as IPv4. */
MUST_CHECK int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out);

/* Wire form of disco, DERP and our own messages: 16 address bytes, port big-endian. */
struct endpoint read_endpoint(struct reader *r);
void write_endpoint(struct writer *w, const struct endpoint *ep);

bool prefix_contains(const struct prefix *p, const struct ip_addr *ip);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
/* Bits behind len cleared, so that equal prefixes compare equal. */
struct prefix prefix_masked(const struct prefix *p);
void prefix_str(const struct prefix *p, char out[static PREFIX_TEXT_LEN]);
/* "10.0.0.0/8" or an address alone (host prefix). Host bits are kept. -EBADMSG otherwise. */
MUST_CHECK int prefix_parse(const char *text, struct prefix *out);

#endif
