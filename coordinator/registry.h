/*
 * registry: every node of the mesh, by id, machine key, node key and NAME.OWNER, and by owner.
 *
 * A pure core in memory; the store holds the same on disk, and whoever changes one changes the
 * other. Nodes stay where they are until they are removed, so pointers to them may be held until
 * then. A NAME is unique within its OWNER, a machine key names one node.
 */
#ifndef WARREN_REGISTRY_H
#define WARREN_REGISTRY_H

#include "common/endpoint.h"
#include "common/key.h"
#include "common/proto/control.h"

/* More than a /16 has addresses for is never needed. */
enum { REGISTRY_MAX_NODES = 65533, REGISTRY_SEED_LEN = 16 };

struct node {
	uint32_t id;
	char name[CONTROL_NAME_LEN];
	char owner[CONTROL_NAME_LEN];
	enum control_role role;
	bool ephemeral;
	uint32_t token_id; /* it joined by */
	uint64_t joined_unix_s;
	uint64_t seen_unix_s; /* start or end of its last session */
	uint64_t left_us;     /* end of its last session; 0: none since the coordinator began */
	struct ip_addr v4, v6;
	struct public_key machine_key;
	struct control_key node_key;
	struct control_key disco_key;
	char version[CONTROL_VERSION_LEN];
	uint32_t caps;
	struct control_endpoints endpoints;
	uint32_t home_region;
	bool online;
	uint64_t changed; /* map number of its last change; 0 until one since the start */

	struct node_session *session; /* borrowed; NULL while offline */
	size_t place;		      /* in its owner's list; the registry's own */
	size_t rank;		      /* in the list of all; the registry's own */
};

/* An owner's nodes, in no order. */
struct owner_group {
	char owner[CONTROL_NAME_LEN];
	struct node **nodes;
	size_t count, cap;
};

struct registry;

/* seed: random bytes that key the hashes. */
struct registry *registry_new(const uint8_t seed[static REGISTRY_SEED_LEN]);
void registry_free(struct registry *r);

/* Copies init (id, name, owner and keys set) into a new node. -EEXIST where id, name or machine key
 * is taken, -ENOSPC at the ceiling, -ENOMEM. */
MUST_CHECK int registry_add(struct registry *r, const struct node *init, struct node **out);
/* Frees the node. */
void registry_remove(struct registry *r, struct node *node);
/* Changes the node key and its index. */
MUST_CHECK int registry_set_node_key(struct registry *r, struct node *node,
				     const struct control_key *key);

struct node *registry_find_id(const struct registry *r, uint32_t id);
struct node *registry_find_name(const struct registry *r, const char *name, const char *owner);
struct node *registry_find_machine(const struct registry *r, const struct public_key *key);
struct node *registry_find_node_key(const struct registry *r, const struct public_key *key);
/* NAME or NAME.OWNER as people type it. -ENOENT, or -ENOTUNIQ where several owners have NAME. */
MUST_CHECK int registry_find_text(const struct registry *r, const char *text, struct node **out);

/* NULL where the owner has no node. Valid until the next add or remove. */
const struct owner_group *registry_owner(const struct registry *r, const char *owner);
/* All nodes; valid until the next add or remove. */
struct node *const *registry_all(const struct registry *r, size_t *count);

#endif
