/*
 * relay_identity: who this relay is: its key, the secrets it shares, the name it goes by and the
 * certificate for that name, read from its files or made at the first start.
 */
#ifndef WARREN_RELAY_IDENTITY_H
#define WARREN_RELAY_IDENTITY_H

#include "common/proto/derp_map.h"
#include "common/wire.h"
#include "derp-relay/client_conn.h"
#include "derp-relay/relay_files.h"
#include "derp-relay/relay_settings.h"

enum { RELAY_PATH_LEN = 1024, RELAY_IDENTITY_ERROR_LEN = 320 };

struct relay_identity {
	struct client_env env;
	char host[DERP_HOST_LEN]; /* what clients dial */
	char cert_file[RELAY_PATH_LEN], key_file[RELAY_PATH_LEN];
	char cache_file[RELAY_PATH_LEN]; /* admitted keys */
	char secret[RELAY_SECRET_LEN];	 /* admission's; "" without */
};

/* -errno with one line in error. */
MUST_CHECK int relay_identity_load(const struct relay_settings *settings,
				   struct relay_identity *out,
				   char error[static RELAY_IDENTITY_ERROR_LEN]);
void relay_identity_wipe(struct relay_identity *id);

#endif
