/*
 * coordinator: everything the coordinator knows, in memory, and its agreement with the store.
 *
 * It joins the cores (registry, tokens, policy, addresses, numbered log, relay map) and holds no
 * rule of its own. publish.h tells sessions what changed, node_session.h is one node's session,
 * manage.h what admins do. No socket and no clock: the shell (server.c) passes the moment in and
 * carries texts out by struct coordinator_ops.
 *
 * What must not be lost (nodes, keys, tokens) is on disk before anybody is answered; what may lose
 * its last moment (endpoints, audit rows) waits for coordinator_flush.
 */
#ifndef WARREN_COORDINATOR_H
#define WARREN_COORDINATOR_H

#include "common/endpoint.h"
#include "common/key.h"
#include "coordinator/ipam.h"
#include "coordinator/join.h"
#include "coordinator/netmap.h"
#include "coordinator/policy.h"
#include "coordinator/registry.h"
#include "coordinator/relay_book.h"
#include "coordinator/store.h"
#include "coordinator/token.h"

enum {
	COORDINATOR_ERROR_LEN = 512,
	COORDINATOR_RANDOM_LEN = 64,
	AUDIT_QUEUE_MAX = 4096,
	AUDIT_KEPT_ROWS = 1000000,
	DENIALS_PER_MINUTE = 60 /* written to the audit log; the rest are counted only */
};

/* When something happens, on both clocks. */
struct moment {
	uint64_t now_us;
	uint64_t unix_ms;
};

/* What a session's connection does for the coordinator; link is the shell's. */
struct coordinator_ops {
	/* Queues a copy. Never ends the session by itself: a link that cannot take it is closed in
	 * a later round. */
	void (*send)(void *link, const char *text, size_t len);
	/* Sends what is queued, then closes; the session is gone when this is called. */
	void (*close)(void *link, const char *reason);
};

struct coordinator_counters {
	uint64_t joins, refusals[CONTROL_ERROR_CODES], sessions_opened, bad_messages;
	uint64_t maps_full, maps_delta, changes_sent, audit_dropped, store_failures;
};

struct coordinator {
	const struct coordinator_ops *ops;
	struct store *store; /* borrowed */
	uint8_t spki_hash[CONTROL_SPKI_HASH_LEN];
	uint64_t started_us;

	struct registry *registry;
	struct token_table tokens;
	struct removed_table removed;
	struct ipam ipam;
	struct netmap *netmap;
	uint64_t epoch;
	uint64_t numbers_reserved; /* numbers below this may be given without asking the store */
	uint32_t next_node_id, next_token_id;

	struct policy *policy;
	char *policy_text;     /* NULL: the built-in rule */
	bool policy_from_file; /* --policy: the admin API may not change it */

	struct relay_book relays;

	bool has_admin_key;
	uint8_t admin_key_hash[TOKEN_HASH_LEN];

	struct node_session *sessions; /* a list, newest first */
	size_t n_sessions;

	uint32_t *dirty; /* ids of nodes whose soft state is not on disk */
	size_t n_dirty, dirty_cap;
	struct audit_row *audit_queue;
	size_t n_audit;
	size_t audit_since_trim; /* rows written */
	uint64_t denials_minute;
	unsigned denials;
	struct coordinator_counters counters;
};

struct coordinator_config {
	const struct coordinator_ops *ops;
	struct store *store;
	uint64_t now_us;
	const uint8_t *random;	    /* COORDINATOR_RANDOM_LEN bytes */
	const struct prefix *avoid; /* the server's own networks */
	size_t n_avoid;
	const struct prefix *mesh_v4; /* chosen by flag, or NULL */
	const struct prefix *mesh_v6;
	uint8_t spki_hash[CONTROL_SPKI_HASH_LEN]; /* of our TLS key */
};

/* Reads the store, or makes what a new one needs. -EIO, -EINVAL (other prefixes than stored),
 * -EADDRNOTAVAIL, with one line in error. */
MUST_CHECK int coordinator_open(const struct coordinator_config *cfg, struct coordinator **out,
				char error[static COORDINATOR_ERROR_LEN]);
void coordinator_free(struct coordinator *c);

/* Writes what waits. Called within a second of a change, and at the end. */
void coordinator_flush(struct coordinator *c);
bool coordinator_has_unsaved(const struct coordinator *c);
/* The node's soft state changed. */
void coordinator_mark_dirty(struct coordinator *c, const struct node *n);
/* Reserves numbers for the log where they run low; the next number to give. Called before a change
 * is logged. */
void coordinator_reserve_numbers(struct coordinator *c);

/* One row of the audit log. */
__attribute__((format(printf, 5, 6))) void coordinator_audit(struct coordinator *c,
							     const struct moment *now,
							     const char *kind, const char *who,
							     const char *format, ...);
/* "NAME.OWNER" */
void coordinator_node_str(const struct node *n, char out[static AUDIT_WHO_LEN]);

#endif
