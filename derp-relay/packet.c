#include "derp-relay/packet.h"

#include <stdlib.h>

/* An inner packet of a 1280 to 1420 byte tunnel, a jumbo frame, and the protocol's largest. */
static const size_t payload_bytes[PACKET_SIZES] = {1664, 9216, PACKET_MAX};

/* What stays on the free lists once a burst is over. */
static const size_t keep_bytes = 4 * 1024 * 1024;

static size_t bytes_of(unsigned size_class)
{
	return sizeof(struct packet) + payload_bytes[size_class];
}

static unsigned class_for(size_t len)
{
	unsigned size_class = 0;

	while (len > payload_bytes[size_class])
		size_class++;
	return size_class;
}

void packet_pool_init(struct packet_pool *pool, size_t ceiling_bytes)
{
	*pool = (struct packet_pool){.ceiling_bytes = ceiling_bytes};
}

void packet_pool_wipe(struct packet_pool *pool)
{
	for (unsigned i = 0; i < PACKET_SIZES; i++) {
		for (struct packet *p = pool->free[i], *next; p; p = next) {
			next = p->next;
			free(p);
		}
	}
	*pool = (struct packet_pool){0};
}

static struct packet *take_kept(struct packet_pool *pool, unsigned size_class)
{
	struct packet *p = pool->free[size_class];

	if (p) {
		pool->free[size_class] = p->next;
		pool->kept_bytes -= bytes_of(size_class);
	}
	return p;
}

struct packet *packet_pool_take(struct packet_pool *pool, size_t len)
{
	if (len > PACKET_MAX)
		return NULL;

	unsigned size_class = class_for(len);
	if (pool->used_bytes + bytes_of(size_class) > pool->ceiling_bytes)
		return NULL;

	struct packet *p = take_kept(pool, size_class);
	if (!p)
		p = malloc(bytes_of(size_class));
	if (!p)
		return NULL;
	pool->used_bytes += bytes_of(size_class);
	*p = (struct packet){.len = (uint32_t)len, .size_class = (uint8_t)size_class};
	return p;
}

void packet_pool_give(struct packet_pool *pool, struct packet *p)
{
	if (!p)
		return;

	size_t bytes = bytes_of(p->size_class);
	pool->used_bytes -= bytes;
	if (pool->kept_bytes + bytes > keep_bytes) {
		free(p);
		return;
	}
	p->next = pool->free[p->size_class];
	pool->free[p->size_class] = p;
	pool->kept_bytes += bytes;
}

void packet_queue_push(struct packet_queue *q, struct packet *p)
{
	p->next = NULL;
	if (q->tail)
		q->tail->next = p;
	else
		q->head = p;
	q->tail = p;
	q->count++;
}

struct packet *packet_queue_pop(struct packet_queue *q)
{
	struct packet *p = q->head;

	if (!p)
		return NULL;
	q->head = p->next;
	if (!q->head)
		q->tail = NULL;
	q->count--;
	p->next = NULL;
	return p;
}
