#include "coordinator/node_keys.h"

#include <string.h>

enum key_news { KEY_SAME, KEY_NEW, KEY_UNSIGNED, KEY_STALE, KEY_FORGED };

/* What an offered key is beside the one held, for this node's machine, name and owner. */
static enum key_news judge_key(enum control_key_kind kind, const struct node *n,
			       const struct control_key *held, const struct control_key *offered)
{
	bool same_key = public_key_equal(&held->key, &offered->key);
	bool held_signed = control_key_is_signed(held);

	if (!control_key_verify(kind, &n->machine_key, n->name, n->owner, offered)) {
		bool unsigned_offer = !control_key_is_signed(offered);

		if (same_key && held_signed && unsigned_offer)
			return KEY_SAME;
		return unsigned_offer ? KEY_UNSIGNED : KEY_FORGED;
	}
	if (offered->serial < held->serial || (offered->serial == held->serial && !same_key))
		return held_signed ? KEY_STALE : KEY_NEW;
	if (same_key && held_signed && offered->serial == held->serial)
		return KEY_SAME;
	return KEY_NEW;
}

/* Keeps both keys on disk and in memory. */
static int keep_keys(struct coordinator *c, struct node *n, const struct control_key *node_key,
		     const struct control_key *disco_key)
{
	const struct store_ops *ops = c->store->ops;
	struct node changed = *n;

	changed.node_key = *node_key;
	changed.disco_key = *disco_key;
	int err = ops->begin(c->store, true);
	if (err == 0) {
		err = ops->node_put(c->store, &changed);
		if (err)
			ops->rollback(c->store);
		else
			err = ops->commit(c->store);
	}
	if (err == 0)
		err = registry_set_node_key(c->registry, n, node_key);
	if (err == 0)
		n->disco_key = *disco_key;
	else
		c->counters.store_failures++;
	return err;
}

const struct node_refusal node_refusal_forged = {
	CONTROL_BAD_SIGNATURE,
	"the machine key did not sign this node or disco key for this name: restart warrend; if it "
	"stays so, join anew"};
static const struct node_refusal went_back = {
	CONTROL_BAD_SIGNATURE,
	"a key's serial went back: this machine runs from an old copy of its state; remove the "
	"node and join anew"};
const struct node_refusal node_refusal_not_written = {
	CONTROL_ERROR_OTHER,
	"the coordinator could not write its store (disk full?): the same will work once it can"};

const struct node_refusal *node_keys_take(struct coordinator *c, struct node *n,
					  const struct control_key *node_key,
					  const struct control_key *disco_key, bool foreign_ok,
					  bool *news)
{
	enum key_news node = judge_key(CONTROL_NODE_KEY, n, &n->node_key, node_key);
	enum key_news disco = judge_key(CONTROL_DISCO_KEY, n, &n->disco_key, disco_key);

	*news = false;
	if (node == KEY_FORGED || disco == KEY_FORGED)
		return foreign_ok ? NULL : &node_refusal_forged;
	if (node == KEY_STALE || disco == KEY_STALE)
		return &went_back;
	if (node == KEY_UNSIGNED || disco == KEY_UNSIGNED ||
	    (node == KEY_SAME && disco == KEY_SAME))
		return NULL;
	*news = true;
	return keep_keys(c, n, node == KEY_NEW ? node_key : &n->node_key,
			 disco == KEY_NEW ? disco_key : &n->disco_key) == 0
		       ? NULL
		       : &node_refusal_not_written;
}

bool node_keys_are_honest(const struct node *n)
{
	const struct control_key *keys[] = {&n->node_key, &n->disco_key};
	static const enum control_key_kind kinds[] = {CONTROL_NODE_KEY, CONTROL_DISCO_KEY};

	for (size_t i = 0; i < 2; i++)
		if (control_key_is_signed(keys[i]) &&
		    !control_key_verify(kinds[i], &n->machine_key, n->name, n->owner, keys[i]))
			return false;
	return true;
}
