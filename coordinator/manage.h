/*
 * manage: what admins do: tokens, nodes, policy, relays, the admin key; and what relays ask.
 *
 * Each is on disk, in memory and told to the nodes concerned before it returns, and leaves an audit
 * row. The admin API (admin_api.h) calls these; so do tests. Failures leave everything as it was
 * and one line in error that says what to do.
 */
#ifndef WARREN_MANAGE_H
#define WARREN_MANAGE_H

#include "coordinator/coordinator.h"

enum { MANAGE_RANDOM_LEN = 32, ADMIN_KEY_LEN = 2 * MANAGE_RANDOM_LEN + 1 };

struct token_request {
	const char *name, *owner;
	const char *role; /* NULL: the node says it at its join */
	uint64_t ttl_s;
	bool reusable, ephemeral;
};

/* The token's text (a secret) and what is kept of it. -EINVAL, -ENOSPC, -EIO. */
MUST_CHECK int manage_token_create(struct coordinator *c, const struct token_request *request,
				   const uint8_t random[static MANAGE_RANDOM_LEN],
				   const struct moment *now, char text[static CONTROL_TOKEN_LEN],
				   struct token *out, char error[static COORDINATOR_ERROR_LEN]);
/* -ENOENT, -EIO. */
MUST_CHECK int manage_token_revoke(struct coordinator *c, uint32_t id, const struct moment *now,
				   char error[static COORDINATOR_ERROR_LEN]);

/* NAME or NAME.OWNER. Its peers and its own session are told at once, its keys are admitted nowhere
 * from here on. -ENOENT, -ENOTUNIQ, -EIO. */
MUST_CHECK int manage_node_remove(struct coordinator *c, const char *text, const struct moment *now,
				  char error[static COORDINATOR_ERROR_LEN]);
/* Removes ephemeral nodes that were offline for five minutes. To be called each second or so. */
void manage_remove_ephemeral(struct coordinator *c, const struct moment *now);

/* Takes the policy of an admin, or (from_file) of --policy, which the admin API cannot replace.
 * -EBADMSG, -EPERM, -EIO. */
MUST_CHECK int manage_policy_set(struct coordinator *c, const char *text, size_t len,
				 bool from_file, const struct moment *now,
				 char error[static COORDINATOR_ERROR_LEN]);

/* secret is for the relay's --admit-key-file. -EBADMSG, -EEXIST, -EIO. */
MUST_CHECK int manage_relay_add(struct coordinator *c, const char *text, size_t len,
				const uint8_t random[static MANAGE_RANDOM_LEN],
				const struct moment *now, char secret[static RELAY_SECRET_LEN],
				uint32_t *region, char error[static COORDINATOR_ERROR_LEN]);
/* -ENOENT, -EIO. */
MUST_CHECK int manage_relay_remove(struct coordinator *c, uint32_t region, const struct moment *now,
				   char error[static COORDINATOR_ERROR_LEN]);
/* The text of --relay-map, at start and at SIGHUP. -EBADMSG, -EEXIST. */
MUST_CHECK int manage_relay_file(struct coordinator *c, const char *text, size_t len,
				 char error[static COORDINATOR_ERROR_LEN]);

/* Makes a new admin key; one from before ends. -EIO. */
MUST_CHECK int manage_admin_key_make(struct coordinator *c,
				     const uint8_t random[static MANAGE_RANDOM_LEN],
				     const struct moment *now, char key[static ADMIN_KEY_LEN],
				     char error[static COORDINATOR_ERROR_LEN]);
bool manage_admin_key_fits(const struct coordinator *c, const char *key);

/* May this node key use the relay that asks with this secret? -EACCES where no relay has it. */
MUST_CHECK int manage_admit(const struct coordinator *c, const char *secret,
			    const struct public_key *node_key, bool *allow);

#endif
