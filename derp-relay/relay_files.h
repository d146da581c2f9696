/*
 * relay_files: the relay's key, the mesh key and the admission secret, as files hold them.
 *
 * Called once at start; each error is one line that names the file.
 */
#ifndef WARREN_RELAY_FILES_H
#define WARREN_RELAY_FILES_H

#include <stddef.h>

#include "common/key.h"
#include "common/wire.h"

enum { RELAY_FILES_ERROR_LEN = 256, RELAY_SECRET_LEN = 512 };

/* {"PrivateKey":"privkey:HEX"}, the field's form. Made (0600) from random where it is absent. */
MUST_CHECK int relay_key_load(const char *path, const uint8_t random[static KEY_LEN],
			      struct secret_key *out, char error[static RELAY_FILES_ERROR_LEN]);
/* 64 hex digits, with or without a final newline. */
MUST_CHECK int mesh_key_load(const char *path, uint8_t out[static KEY_LEN],
			     char error[static RELAY_FILES_ERROR_LEN]);
/* One line of printable text. */
MUST_CHECK int admit_secret_load(const char *path, char out[static RELAY_SECRET_LEN],
				 char error[static RELAY_FILES_ERROR_LEN]);

#endif
