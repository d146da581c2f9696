#include "coordinator/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "coordinator/hash_index.h"

enum index { BY_ID, BY_NAME, BY_MACHINE, BY_NODE_KEY, INDEXES };

struct registry {
	uint8_t seed[REGISTRY_SEED_LEN];
	struct hash_index index[INDEXES];
	struct hash_index owners; /* of struct owner_group */
	struct node **all;
	size_t count, cap;
};

struct full_name {
	char name[CONTROL_NAME_LEN];
	char owner[CONTROL_NAME_LEN];
};

static uint64_t hash_bytes(const struct registry *r, enum index which, const void *bytes,
			   size_t len)
{
	uint8_t text[1 + 2 * CONTROL_NAME_LEN] = {(uint8_t)which};
	uint64_t hash;

	memcpy(text + 1, bytes, len);
	crypto_shorthash((uint8_t *)&hash, text, len + 1, r->seed);
	return hash;
}

static struct full_name full_name_of(const char *name, const char *owner)
{
	struct full_name full = {{0}, {0}};

	snprintf(full.name, sizeof(full.name), "%s", name);
	snprintf(full.owner, sizeof(full.owner), "%s", owner);
	return full;
}

static uint64_t hash_name(const struct registry *r, const struct full_name *full)
{
	return hash_bytes(r, BY_NAME, full, sizeof(*full));
}

static uint64_t hash_owner(const struct registry *r, const char *owner)
{
	struct full_name full = full_name_of("", owner);

	return hash_bytes(r, BY_NAME, &full, sizeof(full));
}

static uint64_t hash_of(const struct registry *r, enum index which, const struct node *n)
{
	struct full_name full;

	switch (which) {
	case BY_ID:
		return hash_bytes(r, which, &n->id, sizeof(n->id));
	case BY_NAME:
		full = full_name_of(n->name, n->owner);
		return hash_name(r, &full);
	case BY_MACHINE:
		return hash_bytes(r, which, n->machine_key.b, KEY_LEN);
	case BY_NODE_KEY:
	case INDEXES:
		break;
	}
	return hash_bytes(r, BY_NODE_KEY, n->node_key.key.b, KEY_LEN);
}

static bool same_id(const void *value, const void *key)
{
	return ((const struct node *)value)->id == *(const uint32_t *)key;
}

static bool same_name(const void *value, const void *key)
{
	const struct node *n = value;
	const struct full_name *full = key;

	return strcmp(n->name, full->name) == 0 && strcmp(n->owner, full->owner) == 0;
}

static bool same_machine(const void *value, const void *key)
{
	return public_key_equal(&((const struct node *)value)->machine_key, key);
}

static bool same_node_key(const void *value, const void *key)
{
	return public_key_equal(&((const struct node *)value)->node_key.key, key);
}

static bool same_owner(const void *value, const void *key)
{
	return strcmp(((const struct owner_group *)value)->owner, key) == 0;
}

struct registry *registry_new(const uint8_t seed[static REGISTRY_SEED_LEN])
{
	struct registry *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	memcpy(r->seed, seed, sizeof(r->seed));
	return r;
}

static void group_free(struct owner_group *group)
{
	if (!group)
		return;
	free(group->nodes);
	free(group);
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++)
		free(r->all[i]);
	free(r->all);
	for (size_t i = 0; i < r->owners.cap; i++)
		group_free(r->owners.slots[i].value);
	hash_index_wipe(&r->owners);
	for (int i = 0; i < INDEXES; i++)
		hash_index_wipe(&r->index[i]);
	free(r);
}

/* Makes room for one more pointer. */
static int reserve(struct node ***list, size_t count, size_t *cap)
{
	if (count < *cap)
		return 0;
	size_t more = *cap ? *cap * 2 : 8;
	struct node **grown = reallocarray(*list, more, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*list = grown;
	*cap = more;
	return 0;
}

static struct owner_group *find_group(const struct registry *r, const char *owner)
{
	return hash_index_find(&r->owners, hash_owner(r, owner), same_owner, owner);
}

/* The owner's group, with room for one more; made where absent. */
static struct owner_group *group_with_room(struct registry *r, const char *owner)
{
	struct owner_group *group = find_group(r, owner);

	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group)
			return NULL;
		snprintf(group->owner, sizeof(group->owner), "%s", owner);
		if (hash_index_put(&r->owners, hash_owner(r, owner), group) != 0) {
			free(group);
			return NULL;
		}
	}
	return reserve(&group->nodes, group->count, &group->cap) == 0 ? group : NULL;
}

static int index_node(struct registry *r, struct node *n)
{
	for (enum index i = 0; i < INDEXES; i++) {
		int err = hash_index_put(&r->index[i], hash_of(r, i, n), n);

		if (err) {
			while (i-- > 0)
				hash_index_remove(&r->index[i], hash_of(r, i, n), n);
			return err;
		}
	}
	return 0;
}

static bool is_taken(const struct registry *r, const struct node *init)
{
	return registry_find_id(r, init->id) || registry_find_name(r, init->name, init->owner) ||
	       registry_find_machine(r, &init->machine_key);
}

int registry_add(struct registry *r, const struct node *init, struct node **out)
{
	if (is_taken(r, init))
		return -EEXIST;
	if (r->count >= REGISTRY_MAX_NODES)
		return -ENOSPC;

	struct owner_group *group = group_with_room(r, init->owner);
	struct node *n = malloc(sizeof(*n));
	if (!group || !n || reserve(&r->all, r->count, &r->cap) != 0) {
		free(n);
		return -ENOMEM;
	}
	*n = *init;
	int err = index_node(r, n);
	if (err) {
		free(n);
		return err;
	}
	n->place = group->count;
	group->nodes[group->count++] = n;
	n->rank = r->count;
	r->all[r->count++] = n;
	*out = n;
	return 0;
}

static void leave_group(struct registry *r, struct node *node)
{
	struct owner_group *group = find_group(r, node->owner);
	struct node *last = group->nodes[--group->count];

	group->nodes[node->place] = last;
	last->place = node->place;
	if (group->count > 0)
		return;
	hash_index_remove(&r->owners, hash_owner(r, node->owner), group);
	group_free(group);
}

void registry_remove(struct registry *r, struct node *node)
{
	for (enum index i = 0; i < INDEXES; i++)
		hash_index_remove(&r->index[i], hash_of(r, i, node), node);
	leave_group(r, node);

	struct node *last = r->all[--r->count];
	r->all[node->rank] = last;
	last->rank = node->rank;
	free(node);
}

int registry_set_node_key(struct registry *r, struct node *node, const struct control_key *key)
{
	uint64_t before = hash_of(r, BY_NODE_KEY, node);

	int err = hash_index_put(&r->index[BY_NODE_KEY],
				 hash_bytes(r, BY_NODE_KEY, key->key.b, KEY_LEN), node);
	if (err)
		return err;
	hash_index_remove(&r->index[BY_NODE_KEY], before, node);
	node->node_key = *key;
	return 0;
}

struct node *registry_find_id(const struct registry *r, uint32_t id)
{
	return hash_index_find(&r->index[BY_ID], hash_bytes(r, BY_ID, &id, sizeof(id)), same_id,
			       &id);
}

struct node *registry_find_name(const struct registry *r, const char *name, const char *owner)
{
	struct full_name full = full_name_of(name, owner);

	return hash_index_find(&r->index[BY_NAME], hash_name(r, &full), same_name, &full);
}

struct node *registry_find_machine(const struct registry *r, const struct public_key *key)
{
	return hash_index_find(&r->index[BY_MACHINE], hash_bytes(r, BY_MACHINE, key->b, KEY_LEN),
			       same_machine, key);
}

struct node *registry_find_node_key(const struct registry *r, const struct public_key *key)
{
	return hash_index_find(&r->index[BY_NODE_KEY], hash_bytes(r, BY_NODE_KEY, key->b, KEY_LEN),
			       same_node_key, key);
}

int registry_find_text(const struct registry *r, const char *text, struct node **out)
{
	const char *dot = strchr(text, '.');
	struct node *found = NULL;

	if (dot) {
		struct full_name full = {{0}, {0}};

		if (dot - text >= CONTROL_NAME_LEN)
			return -ENOENT;
		memcpy(full.name, text, (size_t)(dot - text));
		*out = registry_find_name(r, full.name, dot + 1);
		return *out ? 0 : -ENOENT;
	}
	for (size_t i = 0; i < r->count; i++) {
		if (strcmp(r->all[i]->name, text) != 0)
			continue;
		if (found)
			return -ENOTUNIQ;
		found = r->all[i];
	}
	*out = found;
	return found ? 0 : -ENOENT;
}

const struct owner_group *registry_owner(const struct registry *r, const char *owner)
{
	return find_group(r, owner);
}

struct node *const *registry_all(const struct registry *r, size_t *count)
{
	*count = r->count;
	return r->all;
}
