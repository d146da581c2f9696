/*
 * node_keys: our own disco key, and a new one each week.
 *
 *	IN USE --a week old: written--> NEXT
 *	NEXT   --read back from disk, coordinator there--> IN USE, and told
 *
 * What was told must never be taken back: a peer refuses a lower serial than it has seen. So the
 * next key is told only when it stands on the disk; whatever overwrites or loses it there before,
 * it was never heard of, and the week's end is looked at again.
 */
#include "agent/node_inside.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"

static const uint64_t look_every_us = 3600 * (uint64_t)US_PER_S;
static const uint64_t written_within_us = 2 * (uint64_t)US_PER_S;

void node_keys_drop(struct node *node)
{
	if (node->next_keys)
		sodium_memzero(node->next_keys, sizeof(*node->next_keys));
	free(node->next_keys);
	node->next_keys = NULL;
}

/* Writes the identity with another disco key. */
static void begin_rotation(struct node *node, uint64_t unix_s)
{
	uint8_t random[KEY_LEN];
	struct state_identity *next = malloc(sizeof(*next));

	if (!next)
		return; /* an hour later, then */
	*next = node->id;
	next->disco_old = node->id.disco;
	next->disco_serial++;
	next->disco_made_unix_s = unix_s;
	randombytes_buf(random, sizeof(random));
	secret_key_from_random(&next->disco, random);
	sodium_memzero(random, sizeof(random));
	node->next_keys = next;
	node_warn_state(node, state_save_identity(&node->state, next));
}

static void use_own_keys(struct node *node)
{
	disco_keys_set(&node->disco_keys, &node->id.disco, &node->id.disco_old);
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer)
			peer_on_own_disco_key(node->peers[i].peer);
}

static bool is_on_disk(struct node *node, const struct state_identity *id)
{
	struct state_identity found;
	bool same = state_load_identity(&node->state, &found) == 0 &&
		    found.disco_serial == id->disco_serial &&
		    sodium_memcmp(found.disco.b, id->disco.b, sizeof(found.disco.b)) == 0;

	sodium_memzero(&found, sizeof(found));
	return same;
}

static void end_rotation(struct node *node)
{
	const struct state_identity *next = node->next_keys;

	if (is_on_disk(node, next)) {
		node->id.disco_old = next->disco_old;
		node->id.disco = next->disco;
		node->id.disco_serial = next->disco_serial;
		node->id.disco_made_unix_s = next->disco_made_unix_s;
		use_own_keys(node);
		node_send_keys(node);
		log_info("node", log_event("disco-key-rotated"),
			 log_u64("serial", node->id.disco_serial));
	}
	node_keys_drop(node);
}

static void forget_old_key(struct node *node)
{
	sodium_memzero(&node->id.disco_old, sizeof(node->id.disco_old));
	use_own_keys(node);
	node_save_identity(node);
}

void node_keys_on_deadline(struct node *node, uint64_t now_us)
{
	uint64_t unix_s = clock_unix_us() / US_PER_S;

	if (now_us < node->keys_due_us)
		return;
	node->keys_due_us = now_us + look_every_us;
	if (node->next_keys) {
		if (node->link_up)
			end_rotation(node);
		else
			node_keys_drop(node);
		return;
	}
	switch (disco_keys_judge(node->id.disco_made_unix_s, node->disco_keys.has_before, unix_s)) {
	case DISCO_KEYS_FINE:
		break;
	case DISCO_KEYS_STAMP:
		node->id.disco_made_unix_s = unix_s;
		node_save_identity(node);
		break;
	case DISCO_KEYS_ROTATE:
		if (node->link_up) {
			begin_rotation(node, unix_s);
			node->keys_due_us = now_us + written_within_us;
		}
		break;
	case DISCO_KEYS_FORGET:
		forget_old_key(node);
		break;
	}
}
