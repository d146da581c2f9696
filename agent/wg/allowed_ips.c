#include "agent/wg/allowed_ips.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_BITS = 128, V4_BITS = 32, V4_FROM = ADDRESS_BITS - V4_BITS };
enum { NONE = 0, CAP_AT_FIRST = 8 }; /* node 0 is never used, so that 0 can mean "no node" */

/* Every node's prefix holds those of its children. One without a peer only branches. */
struct node {
	struct ip_addr bits; /* masked to len */
	uint32_t child[2]; /* by the bit behind len; a free node's child[0] is the next free one */
	void *peer;
	uint8_t len; /* of 128: IPv4 counts from 96 */
};

struct trie {
	struct node *nodes;
	uint32_t root[2]; /* IPv6, IPv4: so that ::/0 holds no IPv4 address */
};

struct allowed_ips {
	struct trie trie;
	uint32_t used, cap; /* used: highest node number ever in use, and one */
	uint32_t free_head;
	size_t count;
};

struct allowed_ips_snapshot {
	struct trie trie;
};

/* ---- bits ---- */

static unsigned bit_at(const struct ip_addr *ip, unsigned at)
{
	return ip->b[at / 8] >> (7 - at % 8) & 1;
}

/* How many leading bits a and b share, at most max. */
static unsigned common_bits(const struct ip_addr *a, const struct ip_addr *b, unsigned max)
{
	unsigned n = 0;

	while (n + 8 <= max && a->b[n / 8] == b->b[n / 8])
		n += 8;
	while (n < max && bit_at(a, n) == bit_at(b, n))
		n++;
	return n;
}

static bool holds(const struct node *n, const struct ip_addr *ip)
{
	unsigned whole = n->len / 8, rest = n->len % 8;

	return memcmp(n->bits.b, ip->b, whole) == 0 &&
	       (rest == 0 || (n->bits.b[whole] ^ ip->b[whole]) >> (8 - rest) == 0);
}

/* ---- lookup ---- */

static void *find(const struct trie *t, const struct ip_addr *ip)
{
	uint32_t at = t->root[ip_is_v4(ip)];
	void *peer = NULL;

	while (at != NONE && holds(&t->nodes[at], ip)) {
		const struct node *n = &t->nodes[at];

		if (n->peer)
			peer = n->peer;
		at = n->len < ADDRESS_BITS ? n->child[bit_at(ip, n->len)] : NONE;
	}
	return peer;
}

void *allowed_ips_find(const struct allowed_ips *a, const struct ip_addr *ip)
{
	return find(&a->trie, ip);
}

/* ---- nodes ---- */

/* Room for two more nodes, as many as one insertion takes, so that none moves on the way. */
static int make_room(struct allowed_ips *a)
{
	uint32_t cap = a->cap ? a->cap : CAP_AT_FIRST;

	while (cap - a->used < 2)
		cap *= 2;
	if (cap == a->cap)
		return 0;
	struct node *nodes = realloc(a->trie.nodes, cap * sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	a->trie.nodes = nodes;
	a->cap = cap;
	return 0;
}

static uint32_t node_new(struct allowed_ips *a, const struct ip_addr *bits, unsigned len,
			 void *peer)
{
	uint32_t at = a->free_head;

	if (at != NONE)
		a->free_head = a->trie.nodes[at].child[0];
	else
		at = a->used++;
	a->trie.nodes[at] = (struct node){.bits = *bits, .peer = peer, .len = (uint8_t)len};
	for (unsigned i = len; i < ADDRESS_BITS; i++)
		a->trie.nodes[at].bits.b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return at;
}

static void node_free(struct allowed_ips *a, uint32_t at)
{
	a->trie.nodes[at] = (struct node){.child[0] = a->free_head};
	a->free_head = at;
}

struct allowed_ips *allowed_ips_new(void)
{
	struct allowed_ips *a = calloc(1, sizeof(*a));

	if (a)
		a->used = 1;
	return a;
}

void allowed_ips_free(struct allowed_ips *a)
{
	if (!a)
		return;
	free(a->trie.nodes);
	free(a);
}

size_t allowed_ips_count(const struct allowed_ips *a)
{
	return a->count;
}

/* ---- change ---- */

/* The prefix's length of 128 bits; false where it is longer than its family's addresses. */
static bool total_len(const struct prefix *p, unsigned *len)
{
	*len = p->len + (ip_is_v4(&p->ip) ? V4_FROM : 0u);
	return *len <= ADDRESS_BITS;
}

int allowed_ips_insert(struct allowed_ips *a, const struct prefix *p, void *peer)
{
	uint32_t *link = &a->trie.root[ip_is_v4(&p->ip)];
	unsigned len, common = 0;

	if (!total_len(p, &len))
		return -EINVAL;
	if (make_room(a) != 0)
		return -ENOMEM;
	struct node *nodes = a->trie.nodes;

	while (*link != NONE) {
		struct node *n = &nodes[*link];

		common = common_bits(&n->bits, &p->ip, n->len < len ? n->len : len);
		if (common < n->len)
			break;
		if (n->len == len) {
			a->count += n->peer == NULL;
			n->peer = peer;
			return 0;
		}
		link = &n->child[bit_at(&p->ip, n->len)];
	}
	uint32_t below = *link, leaf = node_new(a, &p->ip, len, peer);

	a->count++;
	*link = leaf;
	if (below == NONE)
		return 0;
	/* The node there reaches further than what it shares with p: p stands above it, or beside.
	 */
	if (common < len)
		*link = node_new(a, &p->ip, common, NULL);
	nodes[*link].child[bit_at(&nodes[below].bits, common)] = below;
	if (*link != leaf)
		nodes[*link].child[bit_at(&p->ip, common)] = leaf;
	return 0;
}

/* Takes out a node that neither names a peer nor branches. */
static void collapse(struct allowed_ips *a, uint32_t *link)
{
	struct node *n = &a->trie.nodes[*link];
	uint32_t at = *link;

	if (n->peer || (n->child[0] != NONE && n->child[1] != NONE))
		return;
	*link = n->child[0] != NONE ? n->child[0] : n->child[1];
	node_free(a, at);
}

int allowed_ips_remove(struct allowed_ips *a, const struct prefix *p, const void *peer)
{
	uint32_t *link = &a->trie.root[ip_is_v4(&p->ip)], *above = NULL;
	struct node *nodes = a->trie.nodes;
	unsigned len;

	if (!total_len(p, &len))
		return -ENOENT;
	while (*link != NONE && nodes[*link].len < len && holds(&nodes[*link], &p->ip)) {
		above = link;
		link = &nodes[*link].child[bit_at(&p->ip, nodes[*link].len)];
	}
	if (*link == NONE || nodes[*link].len != len || !holds(&nodes[*link], &p->ip) ||
	    nodes[*link].peer != peer)
		return -ENOENT;
	nodes[*link].peer = NULL;
	a->count--;
	collapse(a, link);
	if (above)
		collapse(a, above);
	return 0;
}

static struct prefix prefix_of(const struct node *n)
{
	bool is_v4 = n->len >= V4_FROM && ip_is_v4(&n->bits);

	return (struct prefix){.ip = n->bits, .len = (uint8_t)(n->len - (is_v4 ? V4_FROM : 0))};
}

bool allowed_ips_next(const struct allowed_ips *a, const void *peer, size_t *cursor,
		      struct prefix *out)
{
	for (size_t at = *cursor ? *cursor : 1; at < a->used; at++) {
		if (a->trie.nodes[at].peer != peer)
			continue;
		*out = prefix_of(&a->trie.nodes[at]);
		*cursor = at + 1;
		return true;
	}
	*cursor = a->used;
	return false;
}

void allowed_ips_remove_peer(struct allowed_ips *a, const void *peer)
{
	struct prefix p;

	/* Removing frees nodes but moves none. */
	for (size_t cursor = 0; allowed_ips_next(a, peer, &cursor, &p);)
		(void)allowed_ips_remove(a, &p, peer);
}

/* ---- snapshots ---- */

struct allowed_ips_snapshot *allowed_ips_snapshot(const struct allowed_ips *a)
{
	struct allowed_ips_snapshot *s = calloc(1, sizeof(*s));
	size_t bytes = a->used * sizeof(struct node);

	if (!s)
		return NULL;
	s->trie = a->trie;
	s->trie.nodes = malloc(bytes);
	if (!s->trie.nodes) {
		free(s);
		return NULL;
	}
	if (a->trie.nodes)
		memcpy(s->trie.nodes, a->trie.nodes, bytes);
	return s;
}

void allowed_ips_snapshot_free(struct allowed_ips_snapshot *s)
{
	if (!s)
		return;
	free(s->trie.nodes);
	free(s);
}

void *allowed_ips_snapshot_find(const struct allowed_ips_snapshot *s, const struct ip_addr *ip)
{
	return s ? find(&s->trie, ip) : NULL;
}
