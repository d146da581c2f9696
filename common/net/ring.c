#include "common/net/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/wake.h"

enum { ALIGN = 16, MIN_CAPACITY = 4096, CACHE_LINE = 64 };
enum { REWIND_BYTES_MIN = 64 * 1024 };

static const uint32_t skip_to_start = UINT32_MAX;

/* In front of each record. A record never wraps: where it does not fit before the end, or an empty
 * ring begins anew, a slot with skip_to_start fills the rest. */
struct slot {
	uint32_t len;
	uint32_t unused[3];
};
static_assert(sizeof(struct slot) == ALIGN, "records stay aligned");

/* Positions only rise; position & mask is the place in bytes. */
struct ring {
	uint8_t *bytes;
	size_t mask;
	int fd;

	alignas(CACHE_LINE) _Atomic size_t head; /* written by the producer */
	size_t seen_tail;			 /* the producer's last look at tail */
	size_t reserved_at;

	alignas(CACHE_LINE) _Atomic size_t tail; /* written by the consumer */
	size_t seen_head;
	uint64_t wakes_owed; /* taken by the producer, not yet read from fd */

	alignas(CACHE_LINE) _Atomic bool armed;
};

static size_t slot_size(size_t len)
{
	return sizeof(struct slot) + ((len + ALIGN - 1) & ~(size_t)(ALIGN - 1));
}

static struct slot *slot_at(struct ring *r, size_t position)
{
	return (struct slot *)(void *)(r->bytes + (position & r->mask));
}

struct ring *ring_new(size_t capacity_bytes)
{
	size_t capacity = MIN_CAPACITY;

	while (capacity < capacity_bytes) {
		if (capacity > SIZE_MAX / 2)
			return NULL;
		capacity *= 2;
	}
	struct ring *r = aligned_alloc(CACHE_LINE, sizeof(*r));
	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->mask = capacity - 1;
	r->bytes = aligned_alloc(CACHE_LINE, capacity);
	if (wake_open(&r->fd) != 0 || !r->bytes) {
		ring_free(r);
		return NULL;
	}
	return r;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	wake_close(r->fd);
	free(r->bytes);
	free(r);
}

static bool has_room(struct ring *r, size_t head, size_t need)
{
	size_t capacity = r->mask + 1;

	if (need <= capacity - (head - r->seen_tail))
		return true;
	r->seen_tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	return need <= capacity - (head - r->seen_tail);
}

/* An empty ring begins anew, so that one whose consumer keeps up stays in a quarter of its memory
 * and never touches the rest. Not in less: until the consumer looks, no more than what lies behind
 * us is free. Looked at once a quarter, since tail is the other thread's cache line. */
static bool should_rewind(struct ring *r, size_t head, size_t size)
{
	size_t at = head & r->mask, quarter = (r->mask + 1) / 4;

	if (quarter < REWIND_BYTES_MIN || at < size || at / quarter == (at + size) / quarter)
		return false;
	r->seen_tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	return r->seen_tail == head;
}

uint8_t *ring_reserve(struct ring *r, size_t len)
{
	size_t capacity = r->mask + 1;

	if (len > capacity / 2 - sizeof(struct slot))
		return NULL;
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	size_t to_end = capacity - (head & r->mask);
	bool fits = slot_size(len) <= to_end;
	size_t skip = fits && !should_rewind(r, head, slot_size(len)) ? 0 : to_end;

	if (!has_room(r, head, skip + slot_size(len)))
		return NULL;
	if (skip > 0)
		slot_at(r, head)->len = skip_to_start;
	r->reserved_at = head + skip;
	return (uint8_t *)(slot_at(r, r->reserved_at) + 1);
}

static void publish(struct ring *r, size_t len)
{
	slot_at(r, r->reserved_at)->len = (uint32_t)len;
	atomic_store_explicit(&r->head, r->reserved_at + slot_size(len), memory_order_release);
}

void ring_wake(struct ring *r)
{
	/* Stored once more, sequentially consistent against ring_arm: either we see it armed or it
	 * sees the record. */
	atomic_store(&r->head, atomic_load_explicit(&r->head, memory_order_relaxed));
	if (atomic_load(&r->armed) && atomic_exchange(&r->armed, false))
		wake_post(r->fd);
}

void ring_commit(struct ring *r, size_t len)
{
	publish(r, len);
	ring_wake(r);
}

int ring_push_quietly(struct ring *r, const void *hdr, size_t hdr_len, const void *body, size_t len)
{
	if (len > SIZE_MAX - hdr_len)
		return -ENOBUFS;
	uint8_t *at = ring_reserve(r, hdr_len + len);
	if (!at)
		return -ENOBUFS;
	if (hdr_len > 0)
		memcpy(at, hdr, hdr_len);
	if (len > 0)
		memcpy(at + hdr_len, body, len);
	publish(r, hdr_len + len);
	return 0;
}

int ring_push(struct ring *r, const void *hdr, size_t hdr_len, const void *body, size_t len)
{
	int err = ring_push_quietly(r, hdr, hdr_len, body, len);

	if (!err)
		ring_wake(r);
	return err;
}

size_t ring_used(const struct ring *r)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	size_t head = atomic_load_explicit(&r->head, memory_order_acquire);

	return head - tail;
}

size_t ring_capacity(const struct ring *r)
{
	return r->mask + 1;
}

static bool is_empty(struct ring *r, size_t tail)
{
	if (r->seen_head != tail)
		return false;
	r->seen_head = atomic_load(&r->head);
	return r->seen_head == tail;
}

bool ring_peek(struct ring *r, const uint8_t **record, size_t *len)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (is_empty(r, tail))
		return false;
	struct slot *slot = slot_at(r, tail);
	if (slot->len == skip_to_start) {
		tail += r->mask + 1 - (tail & r->mask);
		atomic_store_explicit(&r->tail, tail, memory_order_release);
		slot = slot_at(r, tail);
	}
	*record = (const uint8_t *)(slot + 1);
	*len = slot->len;
	return true;
}

void ring_pop(struct ring *r)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + slot_size(slot_at(r, tail)->len),
			      memory_order_release);
}

/* Where the producer was quicker, its wake is (or soon will be) in the descriptor. */
static void take_back_wake(struct ring *r)
{
	if (!atomic_exchange(&r->armed, false))
		r->wakes_owed++;
}

bool ring_arm(struct ring *r)
{
	atomic_store(&r->armed, true);
	if (is_empty(r, atomic_load_explicit(&r->tail, memory_order_relaxed)))
		return true;
	take_back_wake(r);
	return false;
}

void ring_disarm(struct ring *r)
{
	take_back_wake(r);
	if (r->wakes_owed > 0)
		r->wakes_owed -= wake_clear(r->fd);
}

int ring_fd(const struct ring *r)
{
	return r->fd;
}
