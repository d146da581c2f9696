/*
 * node_peers: the peers of the network map: whom to use, by which keys they are found, what they
 * may.
 */
#include "agent/node_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/filter/filter.h"
#include "agent/filter/filter_rules.h"
#include "common/clock.h"

/* ---- whom to use ---- */

static void log_peer_trouble(const char *mod, const char *event, const struct control_peer *p,
			     const char *error)
{
	char name[EVENT_PEER_LEN];

	snprintf(name, sizeof(name), "%s.%s", p->name, p->owner);
	log_warn(mod, log_event(event), log_str("peer", name), log_str("error", error));
}

static bool is_signed_right(const struct control_peer *p)
{
	return control_key_verify(CONTROL_NODE_KEY, &p->machine_key, p->name, p->owner,
				  &p->node_key) &&
	       control_key_verify(CONTROL_DISCO_KEY, &p->machine_key, p->name, p->owner,
				  &p->disco_key);
}

static bool is_same_key(const struct control_key *a, const struct control_key *b)
{
	return public_key_equal(&a->key, &b->key) && a->serial == b->serial &&
	       memcmp(a->sig, b->sig, sizeof(a->sig)) == 0;
}

/* Word for word what the signatures cover. */
static bool is_signed_alike(const struct control_peer *a, const struct control_peer *b)
{
	return public_key_equal(&a->machine_key, &b->machine_key) &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->owner, b->owner) == 0 &&
	       is_same_key(&a->node_key, &b->node_key) && is_same_key(&a->disco_key, &b->disco_key);
}

static bool is_inside_mesh(const struct node *node, const struct control_peer *p)
{
	bool v4_fits = ip_is_none(&p->v4) || prefix_contains(&node->id.mesh_v4, &p->v4);
	bool v6_fits = ip_is_none(&p->v6) || prefix_contains(&node->id.mesh_v6, &p->v6);

	return v4_fits && v6_fits;
}

static void tell_identity(struct node *node, const struct control_peer *p,
			  enum trust_verdict verdict)
{
	static const char *const what[] = {
		[TRUST_KEY_CHANGED] = "came with another machine key",
		[TRUST_ADDRESS_TAKEN] = "came with an address that belongs to another node",
		[TRUST_SERIAL_LOWER] = "came with keys older than those known",
		[TRUST_BOOK_FULL] = "does not fit the list of remembered nodes",
	};
	char cause[2 * EVENT_CAUSE_LEN], name[EVENT_PEER_LEN];

	snprintf(name, sizeof(name), "%s.%s", p->name, p->owner);
	snprintf(cause, sizeof(cause), "%s %s: not used; see `warren trust %s`", name,
		 what[verdict], name);
	/* Who is refused is no peer whose history could be asked for: the event is the node's own.
	 */
	struct event event =
		event_make(EVENT_IDENTITY, CODE_IDENTITY_CHANGED, 0, name, cause, clock_unix_us());
	node_record(node, &event);
	log_warn("trust", log_event("refused"), log_str("peer", name),
		 log_str("reason", what[verdict]));
}

struct introduction node_introduction(const struct control_peer *p)
{
	struct introduction in = {
		.machine_key = p->machine_key,
		.v4 = p->v4,
		.v6 = p->v6,
		.node_serial = p->node_key.serial,
		.disco_serial = p->disco_key.serial,
	};

	memcpy(in.name, p->name, sizeof(in.name));
	memcpy(in.owner, p->owner, sizeof(in.owner));
	return in;
}

/* True where the peer may be used. What may not is told once, and again when the reason changes.
 * used: the peer as it is in use, NULL for none: its signatures were verified, and each word of an
 * endpoint or a relay brings the same ones again. */
static bool is_trusted(struct node *node, const struct control_peer *p,
		       const struct control_peer *used, enum trust_verdict *told)
{
	bool is_signed = (used && is_signed_alike(p, used)) || is_signed_right(p);
	struct introduction in = node_introduction(p);

	if (!is_signed || !is_inside_mesh(node, p)) {
		log_peer_trouble("trust", "unsigned", p, "no valid signature of its machine key");
		return false;
	}
	enum trust_verdict verdict = trust_judge(&node->trust, &in);
	if (verdict != TRUST_USED && verdict != *told)
		tell_identity(node, p, verdict);
	*told = verdict;
	return verdict == TRUST_USED;
}

/* ---- peers ---- */

static struct node_peer *find_entry(struct node *node, uint32_t id)
{
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].id == id)
			return &node->peers[i];
	return NULL;
}

static struct node_peer *add_entry(struct node *node, uint32_t id)
{
	if (node->n_peers == node->cap_peers) {
		size_t cap = node->cap_peers ? 2 * node->cap_peers : 8;
		struct node_peer *grown = realloc(node->peers, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		node->peers = grown;
		node->cap_peers = cap;
	}
	struct node_peer *entry = &node->peers[node->n_peers++];
	*entry = (struct node_peer){.id = id};
	return entry;
}

static void unindex(struct key_map *map, const struct public_key *key, const struct peer *peer)
{
	if (key_map_find(map, key) == peer)
		key_map_remove(map, key);
}

static void drop_peer(struct node *node, struct node_peer *entry)
{
	if (!entry->peer)
		return;
	const struct control_peer *info = peer_info(entry->peer);
	unindex(&node->by_disco, &info->disco_key.key, entry->peer);
	unindex(&node->by_disco, &entry->disco_before, entry->peer);
	unindex(&node->by_node, &info->node_key.key, entry->peer);
	node_commands_on_peer_gone(node, entry->peer);
	peer_free(entry->peer);
	entry->peer = NULL;
	entry->is_kept = false;
}

static int index_peer(struct node *node, struct peer *peer)
{
	const struct control_peer *info = peer_info(peer);

	/* Disco keys are no secret: who names another's as its own would hear in its place. */
	if (key_map_find(&node->by_disco, &info->disco_key.key))
		return -EEXIST;
	int err = key_map_put(&node->by_disco, &info->disco_key.key, peer);
	return err != 0 ? err : key_map_put(&node->by_node, &info->node_key.key, peer);
}

static int new_peer(struct node *node, struct node_peer *entry, const struct control_peer *p,
		    uint64_t now_us)
{
	int err = peer_new(&node->env, p, now_us, &entry->peer);

	if (err != 0) {
		entry->peer = NULL;
		return err;
	}
	err = index_peer(node, entry->peer);
	if (err != 0) {
		drop_peer(node, entry);
		return err;
	}
	node_relays_tell_peer(node, entry->peer, now_us);
	if (node->where.endpoints.count > 0)
		peer_on_own_endpoints(entry->peer, now_us);
	return 0;
}

static int update_peer(struct node *node, struct node_peer *entry, const struct control_peer *p,
		       uint64_t now_us)
{
	struct public_key disco_before = peer_info(entry->peer)->disco_key.key;
	uint32_t home_before = peer_info(entry->peer)->home_region;
	const struct peer *holder = key_map_find(&node->by_disco, &p->disco_key.key);

	if (holder && holder != entry->peer)
		return -EEXIST;
	int err = peer_update(entry->peer, p, now_us);
	if (err == -EKEYREJECTED) { /* another node key is another WireGuard peer */
		drop_peer(node, entry);
		return new_peer(node, entry, p, now_us);
	}
	if (err == 0 && !public_key_equal(&disco_before, &p->disco_key.key)) {
		unindex(&node->by_disco, &entry->disco_before, entry->peer);
		entry->disco_before = disco_before; /* heard on, for a day */
		err = key_map_put(&node->by_disco, &p->disco_key.key, entry->peer);
	}
	if (p->home_region != home_before)
		node_relays_tell_peer(node, entry->peer, now_us);
	return err;
}

/* A refused word ends nothing: who it names goes on with the keys, addresses and ways that were
 * known, unless the user gave the name or its addresses to another. Who may start what is the
 * coordinator's to say all the same. */
static void keep_as_known(struct node *node, struct node_peer *entry,
			  const struct control_peer *refused, uint64_t now_us)
{
	struct control_peer known = *peer_info(entry->peer);
	struct introduction in = node_introduction(&known);

	known.access_in = refused->access_in;
	known.access_out = refused->access_out;
	if (!trust_holds(&node->trust, &in) || update_peer(node, entry, &known, now_us) != 0)
		drop_peer(node, entry);
}

void node_use_peer(struct node *node, const struct control_peer *p, uint64_t now_us)
{
	struct node_peer *entry = find_entry(node, p->id);

	if (!entry)
		entry = add_entry(node, p->id);
	if (!entry)
		return;
	const struct control_peer *used = entry->peer ? peer_info(entry->peer) : NULL;
	bool is_refused = !is_trusted(node, p, used, &entry->told);
	entry->is_kept = is_refused && used;
	if (is_refused) {
		if (used)
			keep_as_known(node, entry, p, now_us);
		return;
	}
	int err = entry->peer ? update_peer(node, entry, p, now_us)
			      : new_peer(node, entry, p, now_us);
	if (err != 0)
		log_peer_trouble("map", "peer-unusable", p,
				 err == -EEXIST ? "another node has one of its keys"
						: strerror(-err));
}

void node_drop_entry(struct node *node, uint32_t id)
{
	struct node_peer *entry = find_entry(node, id);

	if (!entry)
		return;
	drop_peer(node, entry);
	*entry = node->peers[--node->n_peers];
}

/* ---- filter rules ---- */

static size_t convert_rules(const struct control_rules *from, struct filter_rule *to)
{
	static const enum filter_proto proto[] = {[CONTROL_ANY] = FILTER_ANY,
						  [CONTROL_TCP] = FILTER_TCP,
						  [CONTROL_UDP] = FILTER_UDP,
						  [CONTROL_ICMP] = FILTER_ICMP};

	for (size_t i = 0; i < from->count; i++)
		to[i] = (struct filter_rule){proto[from->list[i].proto], from->list[i].port_first,
					     from->list[i].port_last};
	return from->count;
}

static void release_rules(void *rules)
{
	filter_rules_free(rules);
}

void node_publish_rules(struct node *node)
{
	struct filter_rules *rules = filter_rules_new(++node->rules_generation);

	if (!rules)
		return; /* the old ones stay in force */
	for (size_t i = 0; i < node->n_peers; i++) {
		struct filter_rule in[CONTROL_MAX_RULES], out[CONTROL_MAX_RULES];

		if (!node->peers[i].peer)
			continue;
		const struct control_peer *p = peer_info(node->peers[i].peer);
		size_t n_in = convert_rules(&p->access_in, in);
		size_t n_out = convert_rules(&p->access_out, out);
		if (filter_rules_add(rules, p->id, in, n_in, out, n_out) != 0)
			log_peer_trouble("filter", "rule-left-out", p, "out of memory");
	}
	const struct filter_rules *old = filter_publish(node->filter, rules);
	engine_retire(node->engine, (void *)(uintptr_t)old, release_rules);
}
