/*
 * state: what warrend keeps on disk, one file a concern, each replaced whole (common/statefile.h).
 *
 *	identity.json  keys, name, addresses, coordinator and its pin, the UDP port, up or down
 *	map.json       the network map as last heard, so that a start needs no coordinator
 *	relays.json    the relay map (DERPMap)
 *	trust.json     machine keys remembered by name and owner
 *	reserve.json   time stamps and serials reserved ahead of use, so that a crash reuses none
 *	warm.json      last good endpoints of recently active peers
 *	stopped.json   when the process ended of its own accord
 *	flows          the filter's flow table
 *
 * Files are 0600 in a directory 0700. Reading checks everything; a damaged file is an error that
 * names file and field. What the daemon cannot do without (identity, trust, reserve) is never
 * overwritten then; the others it leaves out, says so, and writes anew. The history ring is
 * measure's own file.
 */
#ifndef WARREN_STATE_H
#define WARREN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/trust.h"
#include "common/endpoint.h"
#include "common/key.h"
#include "common/proto/control.h"
#include "common/proto/invitation.h"

enum { STATE_PATH_LEN = 512, STATE_ERROR_LEN = 1200, STATE_WARM_MAX = 256 };

struct state_identity {
	struct machine_secret machine;
	struct public_key machine_public;
	struct secret_key node;
	uint64_t node_serial;
	struct secret_key disco;
	uint64_t disco_serial;
	uint64_t disco_made_unix_s;
	struct secret_key disco_old; /* good for a day after a rotation; zero: none */

	char url[INVITATION_URL_LEN]; /* "" before the first join */
	bool has_pin;
	uint8_t pin[INVITATION_PIN_LEN];
	bool up;       /* the last command was not `down` */
	uint16_t port; /* UDP port used last, 0: none yet */

	uint32_t id; /* 0: not joined */
	char name[CONTROL_NAME_LEN];
	char owner[CONTROL_NAME_LEN];
	enum control_role role;
	struct ip_addr v4, v6;
	struct prefix mesh_v4, mesh_v6;
};

struct state_reserve {
	uint64_t tai_unix_us; /* handshake time stamps up to here may have been used */
	uint64_t serial;      /* serials of our disco fields up to here may have been used */
};

struct state_map {
	uint64_t epoch;
	uint64_t heard_unix_s;	/* when the coordinator last confirmed it */
	struct control_map map; /* full; wiped with state_map_wipe */
};

/* A peer worth a handshake at once after a restart. */
struct state_warm {
	uint32_t id;
	struct endpoint endpoint; /* none: it was on a relay */
	uint64_t active_unix_s;	  /* last data or handshake */
};

struct saver;

struct state {
	struct saver *saver; /* borrowed; NULL: saves are done at once, on this thread */
	char dir[STATE_PATH_LEN];
	char error[STATE_ERROR_LEN]; /* of the last failure: which file, what */
};

/* The last failure, err, as the reason of a start that is refused: what to do stands behind it. */
void state_explain_refusal(const struct state *s, int err, char *out, size_t cap);
/* A failed write in words, into s->error. */
void state_explain_write(struct state *s, const char *path, int err);

/* Makes the directory. -errno with s->error. */
MUST_CHECK int state_open(struct state *s, const char *dir);

/* A new identity: fresh keys, nothing joined. random: 96 bytes. */
void state_identity_new(struct state_identity *id, const uint8_t random[static 96]);

/* All loads: 0, -ENOENT where there is no such file, -EBADMSG where it is damaged, -errno; s->error
 * tells all but -ENOENT. All saves: 0 or -errno with s->error; the old file stays. With a saver
 * they return at once, and it tells of failures. Warm and flows are never waited for: a daemon can
 * do without them. */
MUST_CHECK int state_load_identity(struct state *s, struct state_identity *out);
MUST_CHECK int state_save_identity(struct state *s, const struct state_identity *id);
MUST_CHECK int state_load_reserve(struct state *s, struct state_reserve *out);
MUST_CHECK int state_save_reserve(struct state *s, const struct state_reserve *reserve);
/* When the last process ended of its own accord; 0: nothing is known of it. Unsynced, since nothing
 * depends on it but a line of the history. */
uint64_t state_load_stopped(struct state *s);
MUST_CHECK int state_save_stopped(struct state *s, uint64_t unix_us);
MUST_CHECK int state_load_map(struct state *s, struct state_map *out);
MUST_CHECK int state_save_map(struct state *s, const struct state_map *map);
void state_map_wipe(struct state_map *map);
/* The DERPMap text; the caller frees *text. */
MUST_CHECK int state_load_relays(struct state *s, char **text);
MUST_CHECK int state_save_relays(struct state *s, const char *text);
MUST_CHECK int state_load_trust(struct state *s, struct trust_book *out);
MUST_CHECK int state_save_trust(struct state *s, const struct trust_book *book);
/* *n in: room in out; *n out: entries. */
MUST_CHECK int state_load_warm(struct state *s, struct state_warm *out, size_t *n);
MUST_CHECK int state_save_warm(struct state *s, const struct state_warm *list, size_t n);
/* The caller frees *bytes. */
MUST_CHECK int state_load_flows(struct state *s, uint8_t **bytes, size_t *len);
MUST_CHECK int state_save_flows(struct state *s, const uint8_t *bytes, size_t len);

/* Path of a file of the state directory, for modules with files of their own. */
void state_path(const struct state *s, const char *name, char out[static STATE_PATH_LEN]);

#endif
