/*
 * dns: the names that the world's resolvers know, and whether DNS answers at all.
 *
 * kernel_resolve asks it. IP literals and "localhost" need no entry. An answer takes a while; a
 * host without an address of its own, and one whose DNS is down, gets -ETIMEDOUT after 5 s.
 */
#ifndef WARREN_SIM_DNS_H
#define WARREN_SIM_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

struct world;

enum { DNS_NAMES_MAX = 32, DNS_NAME_LEN = 64 };

/* Another address of name, told in the order they were added; at most 8 count. */
void dns_add(struct world *world, const char *name, const struct ip_addr *ip);
/* Forgets the addresses of name. */
void dns_remove(struct world *world, const char *name);
/* Nobody's questions are answered while down. */
void dns_set_down(struct world *world, bool is_down);

/* ---- what kernel_resolve asks ---- */

bool dns_is_down(struct world *world);
/* How many addresses name has; *ips is valid until the next change. */
size_t dns_find(struct world *world, const char *name, const struct ip_addr **ips);

#endif
