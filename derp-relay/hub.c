#include "derp-relay/hub.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/proto/derp.h"
#include "derp-relay/heard.h"
#include "derp-relay/ready.h"
#include "derp-relay/relay_table.h"

/* "Not here" answers: one a second, three at once. */
static const uint64_t not_here_every_us = US_PER_S;
enum { NOT_HERE_BURST = 3 };

const uint32_t hub_wait_bounds_us[HUB_WAIT_BUCKETS - 1] = {
	100, 1000, 5 * 1000, 20 * 1000, 100 * 1000, 500 * 1000, 2000 * 1000};

/* A key that somebody in the region has. */
struct hub_key {
	struct relay_table_node node; /* first: nodes are cast back */
	struct public_key key;
	struct hub_conn *active;      /* the newest to connect or to speak; others by `older` */
	struct forwarder *forwarders; /* oldest first */
	struct heard_end heard;
};

struct hub {
	uint8_t seed[HUB_SEED_LEN];
	struct relay_table keys;
	struct heard heard;
	struct packet_pool pool;
	struct hub_conn *watchers;
	struct ready ready;
	struct hub_counters counters;
};

const char *drop_reason_str(enum drop_reason reason)
{
	static const char *const names[DROP_REASONS] = {
		[DROP_UNKNOWN_DEST] = "unknown_dest",
		[DROP_UNKNOWN_DEST_ON_FWD] = "unknown_dest_on_fwd",
		[DROP_GONE_DISCONNECTED] = "gone_disconnected",
		[DROP_QUEUE_HEAD] = "queue_head",
		[DROP_QUEUE_TAIL] = "queue_tail",
		[DROP_WRITE_ERROR] = "write_error",
	};
	return names[reason];
}

struct hub *hub_new(const uint8_t seed[static HUB_SEED_LEN], size_t queued_bytes_max)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (!hub)
		return NULL;
	memcpy(hub->seed, seed, HUB_SEED_LEN);
	ready_init(&hub->ready);
	packet_pool_init(&hub->pool, queued_bytes_max);
	return hub;
}

void hub_free(struct hub *hub)
{
	if (!hub)
		return;
	relay_table_wipe(&hub->keys);
	heard_wipe(&hub->heard);
	packet_pool_wipe(&hub->pool);
	free(hub);
}

/* ---- keys ---------------------------------------------------------------------------------- */

static uint64_t hash_key(const struct hub *hub, const struct public_key *key)
{
	uint64_t hash;

	static_assert(crypto_shorthash_BYTES == sizeof(hash), "one word");
	static_assert(crypto_shorthash_KEYBYTES == HUB_SEED_LEN, "the seed is its key");
	crypto_shorthash((uint8_t *)&hash, key->b, KEY_LEN, hub->seed);
	return hash;
}

static struct hub_key *find_hashed(const struct hub *hub, const struct public_key *key,
				   uint64_t hash)
{
	struct relay_table_node *n = relay_table_first(&hub->keys, hash);

	for (; n; n = relay_table_next(n)) {
		struct hub_key *entry = (struct hub_key *)(void *)n;
		if (memcmp(entry->key.b, key->b, KEY_LEN) == 0)
			return entry;
	}
	return NULL;
}

static struct hub_key *find(const struct hub *hub, const struct public_key *key)
{
	return find_hashed(hub, key, hash_key(hub, key));
}

static struct hub_key *find_or_make(struct hub *hub, const struct public_key *key)
{
	uint64_t hash = hash_key(hub, key);
	struct hub_key *entry = find_hashed(hub, key, hash);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->key = *key;
	relay_table_add(&hub->keys, &entry->node, hash);
	return entry;
}

/* ---- what waits ---------------------------------------------------------------------------- */

static enum packet_kind kind_of(bool is_disco)
{
	return is_disco ? PACKET_DISCO : PACKET_OTHER;
}

static void drop(struct hub *hub, struct packet *p, enum drop_reason reason)
{
	hub->counters.drops[reason][kind_of(p->is_disco)]++;
	packet_pool_give(&hub->pool, p);
}

static void drop_queued(struct hub *hub, struct port *port)
{
	for (unsigned kind = 0; kind < PACKET_KINDS; kind++) {
		for (struct packet *p; (p = packet_queue_pop(&port->queue[kind])) != NULL;)
			drop(hub, p, DROP_GONE_DISCONNECTED);
	}
	port_drop_notes(port);
}

static void note(struct hub *hub, struct hub_conn *to, const struct port_note *n)
{
	if (port_push_note(&to->port, n, to->watching ? PORT_WATCH_NOTES_MAX : PORT_NOTES_MAX) <
	    0) {
		hub->counters.notes_dropped++;
		/* A watcher that has missed one would be wrong for ever: it is to ask anew. */
		to->port.close |= to->watching;
	}
	ready_add(&hub->ready, &to->port);
}

static void note_gone(struct hub *hub, struct hub_conn *to, const struct public_key *key,
		      enum derp_gone_reason reason)
{
	note(hub, to, &(struct port_note){.key = *key, .detail = (uint8_t)reason});
}

static void note_present(struct hub *hub, struct hub_conn *to, const struct hub_conn *conn)
{
	note(hub, to,
	     &(struct port_note){
		     .key = conn->key, .from = conn->from, .present = true, .detail = conn->flags});
}

static void tell_watchers_present(struct hub *hub, const struct hub_conn *conn)
{
	for (struct hub_conn *w = hub->watchers; w; w = w->next_watcher)
		note_present(hub, w, conn);
}

static void tell_watchers_gone(struct hub *hub, const struct public_key *key)
{
	for (struct hub_conn *w = hub->watchers; w; w = w->next_watcher)
		note_gone(hub, w, key, DERP_GONE_DISCONNECTED);
}

static struct hub_key *entry_of_heard(struct heard_end *end)
{
	return (struct hub_key *)(void *)((char *)end - offsetof(struct hub_key, heard));
}

/* Frees the entry of a key that nobody in the region has any more; those who heard it are told. */
static void settle(struct hub *hub, struct hub_key *entry)
{
	if (entry->active || entry->forwarders)
		return;

	for (struct heard_end *end;
	     (end = heard_pop_listener(&hub->heard, &entry->heard)) != NULL;) {
		struct hub_key *listener = entry_of_heard(end);
		if (listener->active && listener != entry)
			note_gone(hub, listener->active, &entry->key, DERP_GONE_DISCONNECTED);
	}
	heard_forget(&hub->heard, &entry->heard);
	relay_table_remove(&hub->keys, &entry->node);
	free(entry);
}

/* ---- clients ------------------------------------------------------------------------------- */

int hub_add(struct hub *hub, struct hub_conn *conn)
{
	struct hub_key *entry = find_or_make(hub, &conn->key);

	if (!entry)
		return -ENOMEM;
	conn->entry = entry;
	conn->older = entry->active;
	entry->active = conn;
	hub->counters.connections++;
	hub->counters.logins++;
	tell_watchers_present(hub, conn);
	return 0;
}

static void unlink_watcher(struct hub *hub, struct hub_conn *conn)
{
	struct hub_conn **link = &hub->watchers;

	if (!conn->watching)
		return;
	while (*link != conn)
		link = &(*link)->next_watcher;
	*link = conn->next_watcher;
	conn->watching = false;
	hub->counters.watchers--;
}

static void unlink_of_key(struct hub_key *entry, struct hub_conn *conn)
{
	struct hub_conn **link = &entry->active;

	while (*link != conn)
		link = &(*link)->older;
	*link = conn->older;
	conn->older = NULL;
}

void hub_on_preferred(struct hub *hub, struct hub_conn *conn, bool preferred)
{
	if (conn->preferred == preferred)
		return;
	conn->preferred = preferred;
	hub->counters.homes = preferred ? hub->counters.homes + 1 : hub->counters.homes - 1;
}

void hub_remove(struct hub *hub, struct hub_conn *conn)
{
	struct hub_key *entry = conn->entry;

	if (!entry)
		return;
	hub_on_preferred(hub, conn, false);
	unlink_watcher(hub, conn);
	ready_remove(&hub->ready, &conn->port);
	drop_queued(hub, &conn->port);
	unlink_of_key(entry, conn);
	conn->entry = NULL;
	hub->counters.connections--;
	if (!entry->active) {
		tell_watchers_gone(hub, &conn->key);
		settle(hub, entry);
	}
}

void hub_on_frame(struct hub *hub, struct hub_conn *conn)
{
	struct hub_key *entry = conn->entry;

	(void)hub;
	if (entry->active == conn)
		return;
	unlink_of_key(entry, conn);
	conn->older = entry->active;
	entry->active = conn;
}

/* ---- packets ------------------------------------------------------------------------------- */

struct relayed {
	const struct public_key *src;
	const struct public_key *dst;
	const uint8_t *data;
	size_t len;
	bool is_disco;
};

static void enqueue(struct hub *hub, struct port *port, const struct relayed *r, uint64_t now_us)
{
	struct packet *p = packet_pool_take(&hub->pool, r->len);

	if (!p) {
		hub->counters.drops[DROP_QUEUE_TAIL][kind_of(r->is_disco)]++;
		return;
	}
	p->src = *r->src;
	p->dst = *r->dst;
	p->is_disco = r->is_disco;
	p->queued_us = now_us;
	memcpy(p->data, r->data, r->len);

	port_push(port, p);
	while ((p = port_pop_surplus(port, kind_of(r->is_disco), now_us)))
		drop(hub, p, DROP_QUEUE_HEAD);
	ready_add(&hub->ready, port);
}

/* A client that probes for a peer is told that it is not here; others find out by themselves. */
static void answer_not_here(struct hub *hub, struct hub_conn *conn, const struct public_key *dst,
			    uint64_t now_us)
{
	uint64_t due_us = conn->not_here_at_us > now_us ? conn->not_here_at_us : now_us;

	if (due_us + not_here_every_us > now_us + NOT_HERE_BURST * not_here_every_us)
		return;
	conn->not_here_at_us = due_us + not_here_every_us;
	note_gone(hub, conn, dst, DERP_GONE_NOT_HERE);
}

static void count_in(struct hub *hub, size_t len)
{
	hub->counters.packets_in++;
	hub->counters.bytes_in += len;
}

void hub_on_packet(struct hub *hub, struct hub_conn *conn, const struct public_key *dst,
		   const uint8_t *data, size_t len, uint64_t now_us)
{
	struct relayed r = {.src = &conn->key,
			    .dst = dst,
			    .data = data,
			    .len = len,
			    .is_disco = derp_packet_is_disco(data, len)};
	struct hub_key *entry = find(hub, dst);

	count_in(hub, len);
	if (!entry) {
		hub->counters.drops[DROP_UNKNOWN_DEST][kind_of(r.is_disco)]++;
		if (r.is_disco)
			answer_not_here(hub, conn, dst, now_us);
		return;
	}
	if (entry->active) {
		heard_note(&hub->heard, &conn->entry->heard, &entry->heard);
		enqueue(hub, &entry->active->port, &r, now_us);
		return;
	}
	hub->counters.forwarded_out++;
	enqueue(hub, &entry->forwarders->link->port, &r, now_us);
}

void hub_on_forwarded(struct hub *hub, const struct public_key *src, const struct public_key *dst,
		      const uint8_t *data, size_t len, uint64_t now_us)
{
	struct relayed r = {.src = src,
			    .dst = dst,
			    .data = data,
			    .len = len,
			    .is_disco = derp_packet_is_disco(data, len)};
	struct hub_key *to = find(hub, dst);
	struct hub_key *from = find(hub, src);

	count_in(hub, len);
	hub->counters.forwarded_in++;
	if (!to || !to->active) {
		hub->counters.drops[DROP_UNKNOWN_DEST_ON_FWD][kind_of(r.is_disco)]++;
		return;
	}
	/* The sender's own relay may have told us of it only after its first packet. */
	if (from)
		heard_note(&hub->heard, &from->heard, &to->heard);
	enqueue(hub, &to->active->port, &r, now_us);
}

/* ---- mesh ---------------------------------------------------------------------------------- */

static void visit_conns(struct hub *hub, void (*fn)(void *arg, struct hub_conn *conn), void *arg)
{
	for (size_t i = 0; i < hub->keys.capacity; i++) {
		for (struct relay_table_node *n = hub->keys.buckets[i]; n; n = n->next) {
			struct hub_conn *c = ((struct hub_key *)(void *)n)->active;
			for (; c; c = c->older)
				fn(arg, c);
		}
	}
}

struct watch_start {
	struct hub *hub;
	struct hub_conn *watcher;
};

static void note_present_to(void *arg, struct hub_conn *conn)
{
	const struct watch_start *start = arg;

	note_present(start->hub, start->watcher, conn);
}

void hub_watch(struct hub *hub, struct hub_conn *conn)
{
	if (conn->watching)
		return;
	conn->watching = true;
	conn->next_watcher = hub->watchers;
	hub->watchers = conn;
	hub->counters.watchers++;
	visit_conns(hub, note_present_to, &(struct watch_start){.hub = hub, .watcher = conn});
}

void hub_close_key(struct hub *hub, const struct public_key *key)
{
	struct hub_key *entry = find(hub, key);

	for (struct hub_conn *c = entry ? entry->active : NULL; c; c = c->older) {
		c->port.close = true;
		ready_add(&hub->ready, &c->port);
	}
}

void hub_link_on_present(struct hub *hub, struct hub_link *link, const struct public_key *key)
{
	struct hub_key *entry = find_or_make(hub, key);

	/* Present is told for each connection, gone once. */
	if (!entry || forwarder_find(entry->forwarders, link))
		return;
	if (forwarder_add(&entry->forwarders, &link->forwarders, entry, link) == 0)
		hub->counters.forwarders++;
	else
		settle(hub, entry);
}

static void remove_forwarder(struct hub *hub, struct forwarder *f)
{
	struct hub_key *entry = f->entry;

	forwarder_remove(&entry->forwarders, f);
	hub->counters.forwarders--;
	settle(hub, entry);
}

void hub_link_on_gone(struct hub *hub, struct hub_link *link, const struct public_key *key)
{
	struct hub_key *entry = find(hub, key);
	struct forwarder *f = entry ? forwarder_find(entry->forwarders, link) : NULL;

	if (f)
		remove_forwarder(hub, f);
}

void hub_link_down(struct hub *hub, struct hub_link *link)
{
	while (link->forwarders)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		remove_forwarder(hub, link->forwarders);
	ready_remove(&hub->ready, &link->port);
	drop_queued(hub, &link->port);
}

/* ---- workers ------------------------------------------------------------------------------- */

struct port *hub_next_ready(struct hub *hub, uint16_t worker)
{
	return ready_next(&hub->ready, worker);
}

uint64_t hub_take_wakes(struct hub *hub)
{
	return ready_take_wakes(&hub->ready);
}

static void count_out(struct hub *hub, const struct packet *p, uint64_t now_us)
{
	uint64_t wait_us = now_us > p->queued_us ? now_us - p->queued_us : 0;
	unsigned bucket = 0;

	while (bucket < HUB_WAIT_BUCKETS - 1 && wait_us > hub_wait_bounds_us[bucket])
		bucket++;
	hub->counters.waits[bucket]++;
	hub->counters.wait_sum_us += wait_us;
	hub->counters.packets_out++;
	hub->counters.bytes_out += p->len;
}

unsigned hub_pull(struct hub *hub, struct port *port, struct writer *w, uint64_t now_us)
{
	unsigned packets = 0;
	struct packet *sent;

	while (port_pull(port, w, &sent) == 0) {
		if (!sent)
			continue;
		count_out(hub, sent, now_us);
		packet_pool_give(&hub->pool, sent);
		packets++;
	}
	return packets;
}

void hub_on_write_lost(struct hub *hub, unsigned packets)
{
	hub->counters.drops[DROP_WRITE_ERROR][PACKET_OTHER] += packets;
}

struct each {
	void (*fn)(void *arg, const struct hub_conn *conn);
	void *arg;
};

static void call_each(void *arg, struct hub_conn *conn)
{
	const struct each *each = arg;

	each->fn(each->arg, conn);
}

void hub_each(struct hub *hub, void (*fn)(void *arg, const struct hub_conn *conn), void *arg)
{
	visit_conns(hub, call_each, &(struct each){.fn = fn, .arg = arg});
}

void hub_count(const struct hub *hub, struct hub_counters *out)
{
	*out = hub->counters;
	out->keys = hub->keys.count;
}
