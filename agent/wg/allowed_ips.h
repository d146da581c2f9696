/*
 * allowed_ips: which peer an address belongs to: the longest of the prefixes given to peers.
 *
 * A path-compressed trie per family, its nodes in one array and linked by number, so that an
 * immutable snapshot for lanes is one copy. The main thread changes struct allowed_ips and
 * publishes snapshots; lanes only look up. "Peer" is whatever pointer the caller uses; never NULL.
 */
#ifndef WARREN_ALLOWED_IPS_H
#define WARREN_ALLOWED_IPS_H

#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"

struct allowed_ips;
struct allowed_ips_snapshot;

struct allowed_ips *allowed_ips_new(void);
void allowed_ips_free(struct allowed_ips *a);

/* Gives the prefix (host bits are ignored) to peer; whoever had exactly it loses it. -ENOMEM. */
MUST_CHECK int allowed_ips_insert(struct allowed_ips *a, const struct prefix *p, void *peer);

/* Takes the prefix from peer. -ENOENT where it is not peer's. */
int allowed_ips_remove(struct allowed_ips *a, const struct prefix *p, const void *peer);

/* Takes all of peer's prefixes. */
void allowed_ips_remove_peer(struct allowed_ips *a, const void *peer);

/* The peer of the longest prefix that holds ip, or NULL. */
void *allowed_ips_find(const struct allowed_ips *a, const struct ip_addr *ip);

/* Walks peer's prefixes, in no order: *cursor starts at 0; false at the end. Nothing may be
 * inserted or removed on the way. */
bool allowed_ips_next(const struct allowed_ips *a, const void *peer, size_t *cursor,
		      struct prefix *out);

size_t allowed_ips_count(const struct allowed_ips *a);

/* A copy that never changes, the caller's to free once no lane can hold it. NULL: no memory. */
struct allowed_ips_snapshot *allowed_ips_snapshot(const struct allowed_ips *a);
void allowed_ips_snapshot_free(struct allowed_ips_snapshot *s);

/* As allowed_ips_find. Any thread; s may be NULL and then holds nothing. */
void *allowed_ips_snapshot_find(const struct allowed_ips_snapshot *s, const struct ip_addr *ip);

#endif
