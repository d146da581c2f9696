#include "agent/filter/flow_table.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"

static_assert(FLOW_SEED_LEN == crypto_shorthash_KEYBYTES, "the seed is SipHash's key");

enum { NONE = UINT16_MAX, KEY_BYTES = 41 };
static_assert((int)FLOW_TABLE_MAX < (int)NONE, "an index is never NONE");

enum list_kind { LIST_LOOSE, LIST_SETTLED, LISTS };

struct list {
	uint16_t oldest, newest;
};

struct flow_table {
	uint8_t seed[FLOW_SEED_LEN];
	size_t capacity;
	size_t count;
	size_t reach;	   /* slots that were ever in use; those behind were never touched */
	size_t mask;	   /* buckets - 1 */
	uint16_t *buckets; /* first flow of each hash, or NONE */
	uint16_t free;	   /* first free flow within reach, linked by chain */
	uint16_t recent;   /* the flow found last: bulk asks for it again and again */
	struct list lists[LISTS];
	struct flow flows[];
};

/* A settled TCP session may be silent for a day (an editor left open overnight); the others follow
 * RFC 4787 REQ-5 and what stateful filters in the field do. */
static const uint16_t patience_s[][FLOW_STATES] = {{120, 0, 60}, {30, 180, 30}, {30, 30, 30}};
static const uint64_t tcp_settled_us = 24ULL * 3600 * US_PER_S;

uint64_t flow_patience_us(uint8_t proto, enum flow_state state)
{
	bool is_icmp = proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;

	if (proto == IPPROTO_TCP && state == FLOW_BOTH_WAYS)
		return tcp_settled_us;
	return (uint64_t)patience_s[proto == IPPROTO_TCP ? 0 : is_icmp ? 2 : 1][state] * US_PER_S;
}

static size_t bucket_count(size_t capacity)
{
	size_t n = 16;

	while (n < capacity)
		n *= 2;
	return n;
}

struct flow_table *flow_table_new(size_t capacity, const uint8_t seed[static FLOW_SEED_LEN])
{
	if (capacity == 0 || capacity > FLOW_TABLE_MAX)
		capacity = FLOW_TABLE_MAX;

	size_t buckets = bucket_count(capacity);
	struct flow_table *t = malloc(sizeof(*t) + capacity * sizeof(t->flows[0]));
	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->buckets = malloc(buckets * sizeof(t->buckets[0]));
	if (!t->buckets) {
		free(t);
		return NULL;
	}
	memset(t->buckets, 0xff, buckets * sizeof(t->buckets[0]));
	memcpy(t->seed, seed, sizeof(t->seed));
	t->capacity = capacity;
	t->mask = buckets - 1;
	t->free = NONE;
	t->flows[0].used = false; /* recent points there */
	for (size_t i = 0; i < LISTS; i++)
		t->lists[i] = (struct list){.oldest = NONE, .newest = NONE};
	return t;
}

void flow_table_free(struct flow_table *t)
{
	if (t)
		free(t->buckets);
	free(t);
}

size_t flow_table_count(const struct flow_table *t)
{
	return t->count;
}

size_t flow_table_capacity(const struct flow_table *t)
{
	return t->capacity;
}

size_t flow_table_reach(const struct flow_table *t)
{
	return t->reach;
}

static uint16_t index_of(const struct flow_table *t, const struct flow *flow)
{
	return (uint16_t)(flow - t->flows);
}

static uint16_t *bucket_of(struct flow_table *t, const struct flow_key *key)
{
	uint8_t bytes[KEY_BYTES];
	uint64_t hash;
	struct writer w = writer_init(bytes, sizeof(bytes));

	write_bytes(&w, key->local.b, sizeof(key->local.b));
	write_bytes(&w, key->remote.b, sizeof(key->remote.b));
	write_u32be(&w, key->peer_id);
	write_u16be(&w, key->local_port);
	write_u16be(&w, key->remote_port);
	write_u8(&w, key->proto);
	crypto_shorthash((uint8_t *)&hash, bytes, w.len, t->seed);
	return &t->buckets[hash & t->mask];
}

static bool key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return a->peer_id == b->peer_id && a->proto == b->proto && a->local_port == b->local_port &&
	       a->remote_port == b->remote_port && ip_equal(&a->remote, &b->remote) &&
	       ip_equal(&a->local, &b->local);
}

struct flow *flow_table_find(struct flow_table *t, const struct flow_key *key)
{
	struct flow *recent = &t->flows[t->recent];

	if (recent->used && key_equal(&recent->key, key))
		return recent;
	for (uint16_t i = *bucket_of(t, key); i != NONE; i = t->flows[i].chain) {
		if (key_equal(&t->flows[i].key, key)) {
			t->recent = i;
			return &t->flows[i];
		}
	}
	return NULL;
}

static struct list *list_of(struct flow_table *t, enum flow_state state)
{
	return &t->lists[state == FLOW_BOTH_WAYS ? LIST_SETTLED : LIST_LOOSE];
}

static void list_append(struct flow_table *t, struct flow *flow)
{
	struct list *list = list_of(t, flow->state);
	uint16_t i = index_of(t, flow);

	flow->older = list->newest;
	flow->newer = NONE;
	if (list->newest != NONE)
		t->flows[list->newest].newer = i;
	else
		list->oldest = i;
	list->newest = i;
}

static void list_unlink(struct flow_table *t, struct flow *flow)
{
	struct list *list = list_of(t, flow->state);

	if (flow->older != NONE)
		t->flows[flow->older].newer = flow->newer;
	else
		list->oldest = flow->newer;
	if (flow->newer != NONE)
		t->flows[flow->newer].older = flow->older;
	else
		list->newest = flow->older;
}

static bool make_room(struct flow_table *t)
{
	if (t->free != NONE || t->reach < t->capacity)
		return false;

	uint16_t victim = t->lists[LIST_LOOSE].oldest;
	if (victim == NONE)
		victim = t->lists[LIST_SETTLED].oldest;
	flow_table_remove(t, &t->flows[victim]);
	return true;
}

/* There is one: room was made. */
static uint16_t take_slot(struct flow_table *t)
{
	uint16_t i = t->free;

	if (i == NONE)
		return (uint16_t)t->reach++;
	t->free = t->flows[i].chain;
	return i;
}

struct flow *flow_table_add(struct flow_table *t, const struct flow_key *key,
			    enum filter_direction started, uint64_t now_us, bool *evicted)
{
	*evicted = make_room(t);

	uint16_t i = take_slot(t);
	uint16_t *bucket = bucket_of(t, key);
	struct flow *flow = &t->flows[i];
	*flow = (struct flow){.key = *key, .started = started, .used = true, .chain = *bucket};
	*bucket = i;
	flow->deadline_us = now_us + flow_patience_us(key->proto, FLOW_ONE_WAY);
	list_append(t, flow);
	t->count++;
	return flow;
}

void flow_table_touch(struct flow_table *t, struct flow *flow, enum flow_state state,
		      uint64_t now_us)
{
	list_unlink(t, flow);
	flow->state = state;
	flow->deadline_us = now_us + flow_patience_us(flow->key.proto, state);
	list_append(t, flow);
}

void flow_table_remove(struct flow_table *t, struct flow *flow)
{
	uint16_t i = index_of(t, flow);
	uint16_t *at = bucket_of(t, &flow->key);

	while (*at != i)
		at = &t->flows[*at].chain;
	*at = flow->chain;
	list_unlink(t, flow);
	*flow = (struct flow){.chain = t->free};
	t->free = i;
	t->count--;
}

struct flow *flow_table_at(struct flow_table *t, size_t i)
{
	return t->flows[i].used ? &t->flows[i] : NULL;
}

const struct flow *flow_table_next(const struct flow_table *t, const struct flow *after)
{
	uint16_t next = after ? after->newer : t->lists[LIST_LOOSE].oldest;
	bool loose_done = next == NONE && (!after || after->state != FLOW_BOTH_WAYS);

	if (loose_done)
		next = t->lists[LIST_SETTLED].oldest;
	return next == NONE ? NULL : &t->flows[next];
}
