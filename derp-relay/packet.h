/*
 * packet: relayed packets in memory, their pool, and queues of them.
 *
 * A pool hands out buffers of three sizes from free lists, so that forwarding allocates nothing
 * once warm, and holds a ceiling over everything that waits: strangers fill queues, not memory. Not
 * thread-safe: the hub owns one and is locked as a whole.
 */
#ifndef WARREN_PACKET_H
#define WARREN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/key.h"

enum { PACKET_MAX = 65536, PACKET_SIZES = 3 };

struct packet {
	struct packet *next;
	uint64_t queued_us;
	struct public_key src;
	struct public_key dst;
	uint32_t len;
	uint8_t size_class;
	bool is_disco;
	uint8_t data[];
};

struct packet_pool {
	struct packet *free[PACKET_SIZES];
	size_t used_bytes; /* handed out */
	size_t kept_bytes; /* on the free lists */
	size_t ceiling_bytes;
};

/* All packets together stay below ceiling_bytes. */
void packet_pool_init(struct packet_pool *pool, size_t ceiling_bytes);
void packet_pool_wipe(struct packet_pool *pool);

/* Room for len payload bytes (len is set); NULL above PACKET_MAX, at the ceiling or out of memory.
 */
struct packet *packet_pool_take(struct packet_pool *pool, size_t len);
void packet_pool_give(struct packet_pool *pool, struct packet *p);

struct packet_queue { /* all zero is empty */
	struct packet *head;
	struct packet *tail;
	uint32_t count;
};

/* Takes p over. */
void packet_queue_push(struct packet_queue *q, struct packet *p);
/* The oldest, now the caller's; NULL where there is none. */
struct packet *packet_queue_pop(struct packet_queue *q);

#endif
