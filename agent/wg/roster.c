#include "agent/wg/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"

enum { CAP_AT_FIRST = 16 };

_Static_assert(crypto_shorthash_KEYBYTES == ROSTER_KEY_LEN, "SipHash takes a key of 16 bytes");

void roster_init(struct roster *r, const uint8_t hash_key[static ROSTER_KEY_LEN])
{
	*r = (struct roster){0};
	memcpy(r->hash_key, hash_key, ROSTER_KEY_LEN);
}

void roster_wipe(struct roster *r)
{
	free(r->buckets);
	free(r->heap);
	*r = (struct roster){0};
}

/* ---- by key ---- */

static size_t bucket_of(const struct roster *r, size_t cap, const struct public_key *key)
{
	uint8_t out[crypto_shorthash_BYTES];
	struct reader hashed = reader_init(out, sizeof(out));

	crypto_shorthash(out, key->b, sizeof(key->b), r->hash_key);
	return read_u64be(&hashed) % cap;
}

static int grow(struct roster *r)
{
	size_t cap = r->cap ? 2 * r->cap : CAP_AT_FIRST;
	struct wg_peer **buckets = calloc(cap, sizeof(struct wg_peer *));
	struct wg_peer **heap = realloc(r->heap, cap * sizeof(struct wg_peer *));

	if (heap)
		r->heap = heap;
	if (!buckets || !heap) {
		free(buckets);
		return -ENOMEM;
	}
	for (struct wg_peer *p = r->first; p; p = p->next) {
		size_t b = bucket_of(r, cap, &p->noise.key);

		p->next_in_bucket = buckets[b];
		buckets[b] = p;
	}
	free(r->buckets);
	r->buckets = buckets;
	r->cap = cap;
	return 0;
}

struct wg_peer *roster_find(const struct roster *r, const struct public_key *key)
{
	struct wg_peer *p = r->cap ? r->buckets[bucket_of(r, r->cap, key)] : NULL;

	while (p && !public_key_equal(&p->noise.key, key))
		p = p->next_in_bucket;
	return p;
}

/* ---- by deadline: a binary heap, where no peer is due after those below it ---- */

static void place(struct roster *r, size_t at, struct wg_peer *peer)
{
	r->heap[at] = peer;
	peer->heap_at = at;
}

static void swap(struct roster *r, size_t a, size_t b)
{
	struct wg_peer *peer = r->heap[a];

	place(r, a, r->heap[b]);
	place(r, b, peer);
}

static bool is_before(const struct roster *r, size_t a, size_t b)
{
	return r->heap[a]->deadline_us < r->heap[b]->deadline_us;
}

static void rise(struct roster *r, size_t at)
{
	for (; at > 0 && is_before(r, at, (at - 1) / 2); at = (at - 1) / 2)
		swap(r, at, (at - 1) / 2);
}

static void sink(struct roster *r, size_t at)
{
	for (;;) {
		size_t least = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < r->count; child++)
			if (is_before(r, child, least))
				least = child;
		if (least == at)
			return;
		swap(r, at, least);
		at = least;
	}
}

void roster_set_deadline(struct roster *r, struct wg_peer *peer, uint64_t deadline_us)
{
	peer->deadline_us = deadline_us;
	rise(r, peer->heap_at);
	sink(r, peer->heap_at);
}

struct wg_peer *roster_earliest(const struct roster *r)
{
	return r->count ? r->heap[0] : NULL;
}

/* ---- coming and going ---- */

int roster_add(struct roster *r, struct wg_peer *peer)
{
	if (r->count == r->cap && grow(r) != 0)
		return -ENOMEM;
	size_t b = bucket_of(r, r->cap, &peer->noise.key);

	peer->next_in_bucket = r->buckets[b];
	r->buckets[b] = peer;
	peer->previous = r->last;
	peer->next = NULL;
	*(r->last ? &r->last->next : &r->first) = peer;
	r->last = peer;
	peer->deadline_us = US_NEVER;
	place(r, r->count++, peer);
	return 0;
}

void roster_remove(struct roster *r, struct wg_peer *peer)
{
	struct wg_peer **link = &r->buckets[bucket_of(r, r->cap, &peer->noise.key)];
	struct wg_peer *moved = r->heap[--r->count];

	while (*link != peer)
		link = &(*link)->next_in_bucket;
	*link = peer->next_in_bucket;
	*(peer->previous ? &peer->previous->next : &r->first) = peer->next;
	*(peer->next ? &peer->next->previous : &r->last) = peer->previous;
	if (moved != peer) {
		place(r, peer->heap_at, moved);
		roster_set_deadline(r, moved, moved->deadline_us);
	}
}
