/*
 * coordinator_machine: a host that runs warren-coordinator, and the hands of its admin.
 *
 *	OFF --start--> RUNNING --term--> LEAVING --half a second at most--> OFF
 *	RUNNING, LEAVING --crash, power_cut--> OFF
 *
 * The real server (coordinator/server.h) on the world's sockets and clock, and its real SQLite
 * store on the host's disk (kernel_sqlite.h): a crash keeps what was committed, a power cut what
 * was committed durably, and of the rest a beginning. What only memory held (the last second of
 * endpoints and audit rows) is gone with either.
 */
#ifndef WARREN_SIM_COORDINATOR_MACHINE_H
#define WARREN_SIM_COORDINATOR_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto/invitation.h"
#include "common/wire.h"

struct coordinator;
struct coordinator_machine;
struct host;
struct relay_machine;
struct world;

enum { COORDINATOR_MACHINE_ERROR_LEN = 600 };

struct coordinator_machine_config {
	struct host *host;  /* borrowed for the machine's life */
	const char *name;   /* what nodes dial: an address, or a name that dns.h knows; borrowed */
	uint16_t port;	    /* 0: 8443 */
	const char *issuer; /* of its certificate (certificate.h); NULL: self-signed, pinned */
	const char *mesh_v4, *mesh_v6; /* prefixes; NULL: drawn */
};

struct coordinator_machine *
coordinator_machine_new(struct world *world, const struct coordinator_machine_config *config);
/* Whatever state it is in. NULL is fine. */
void coordinator_machine_free(struct coordinator_machine *m);

/* While it leaves: as soon as it has ended. -EALREADY: it runs; else what warren-coordinator would
 * end with. */
MUST_CHECK int coordinator_machine_start(struct coordinator_machine *m);
/* SIGTERM: nodes are told when to come back. */
void coordinator_machine_term(struct coordinator_machine *m);
void coordinator_machine_crash(struct coordinator_machine *m);
void coordinator_machine_power_cut(struct coordinator_machine *m);
/* The same amid what it writes, as node_machine.h has it. */
void coordinator_machine_plan_power_cut(struct coordinator_machine *m, unsigned n,
					uint64_t latest_us);

/* Bad hands: calls fn with the core, on its host. -ENOTCONN: it does not run. */
int coordinator_machine_meddle(struct coordinator_machine *m,
			       void (*fn)(void *arg, struct coordinator *c), void *arg);

bool coordinator_machine_runs(const struct coordinator_machine *m);
struct host *coordinator_machine_host(const struct coordinator_machine *m);
/* What it knows now, for invariants; NULL while it does not run. */
const struct coordinator *coordinator_machine_core(const struct coordinator_machine *m);

/* ---- as an admin would, by the admin API; -ENOTCONN while it does not run, -EIO with its line in
 * error where it refuses ---- */

/* `token create`: an invitation for "NAME.OWNER", one-time, good for a day. role: "client",
 * "agent" or NULL. */
MUST_CHECK int coordinator_machine_invite(struct coordinator_machine *m, const char *node,
					  const char *role, char out[static INVITATION_TEXT_LEN],
					  char error[static COORDINATOR_MACHINE_ERROR_LEN]);
/* The same, good for ttl_s; token_id is what `token revoke` calls it. */
MUST_CHECK int coordinator_machine_invite_for(struct coordinator_machine *m, const char *node,
					      const char *role, uint64_t ttl_s, uint32_t *token_id,
					      char out[static INVITATION_TEXT_LEN],
					      char error[static COORDINATOR_MACHINE_ERROR_LEN]);
/* `token revoke`. */
MUST_CHECK int coordinator_machine_revoke_token(struct coordinator_machine *m, uint32_t token_id,
						char error[static COORDINATOR_MACHINE_ERROR_LEN]);
/* `relay add`: puts the running relay on the map, gives it the secret of its region and starts it
 * anew, so that it asks us whom to let in. */
MUST_CHECK int coordinator_machine_add_relay(struct coordinator_machine *m,
					     struct relay_machine *relay,
					     char error[static COORDINATOR_MACHINE_ERROR_LEN]);
/* `relay remove`: off the map. */
MUST_CHECK int coordinator_machine_remove_relay(struct coordinator_machine *m, uint32_t region_id,
						char error[static COORDINATOR_MACHINE_ERROR_LEN]);
/* `policy set`: JSON text. */
MUST_CHECK int coordinator_machine_set_policy(struct coordinator_machine *m, const char *policy,
					      char error[static COORDINATOR_MACHINE_ERROR_LEN]);
/* `node remove`: "NAME.OWNER" is revoked; its peers hear of it at once. */
MUST_CHECK int coordinator_machine_remove_node(struct coordinator_machine *m, const char *node,
					       char error[static COORDINATOR_MACHINE_ERROR_LEN]);

#endif
