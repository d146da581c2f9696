/*
 * node_keys: the node and disco keys that a node offers: which are taken, which are refused.
 *
 * A key is taken when the node's machine key signed it for its name and owner and its serial did
 * not go back; it is on disk then. A key not signed yet is kept from the others until it is.
 */
#ifndef WARREN_NODE_KEYS_H
#define WARREN_NODE_KEYS_H

#include "coordinator/coordinator.h"

/* Why a hello or new keys are refused. */
struct node_refusal {
	enum control_error_code code;
	const char *text;
};

extern const struct node_refusal node_refusal_forged;
extern const struct node_refusal node_refusal_not_written;

/* Takes offered keys for n. foreign_ok: the signatures may be for another name, as after a join
 * that gave another one; they are passed over then. NULL, or why not. *news: something changed. */
const struct node_refusal *node_keys_take(struct coordinator *c, struct node *n,
					  const struct control_key *node_key,
					  const struct control_key *disco_key, bool foreign_ok,
					  bool *news);

/* False where a signature of n's own keys is there and wrong. */
bool node_keys_are_honest(const struct node *n);

#endif
