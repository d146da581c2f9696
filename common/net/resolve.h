/*
 * resolve: host names to addresses without blocking, by c-ares on a libevent base.
 *
 * IP literals and "localhost" need no DNS; /etc/hosts is asked first. One query costs at most 5 s.
 * Servers are those that /etc/resolv.conf names when a query starts.
 */
#ifndef WARREN_RESOLVE_H
#define WARREN_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

struct event_base;
struct resolver;
struct resolve_query;

enum { RESOLVE_ADDRS_MAX = 8 };

/* NULL where c-ares cannot start. */
struct resolver *resolver_new(struct event_base *base);
/* Open queries are dropped without their callbacks. */
void resolver_free(struct resolver *r);
/* Another network: the system's configuration is read again, and what was asked in the old one ends
 * with -EIO. */
void resolver_reload(struct resolver *r);

/* done is called once and never before this returns: the addresses with port, IPv6 and IPv4
 * alternating, or n = 0 with -errno (-ENOENT: no such name; -ETIMEDOUT; -EIO). */
struct resolve_query *
resolve_start(struct resolver *r, const char *host, uint16_t port,
	      void (*done)(void *arg, int err, const struct endpoint *addrs, size_t n), void *arg);
/* Cancels without calling done; only before done was called. */
void resolve_cancel(struct resolve_query *q);

#endif
