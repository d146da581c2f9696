/*
 * statefile: files that a crash leaves either old or new, never in between.
 *
 * Written beside and renamed over, both file and folder synced, mode 0600. For small state: keys,
 * the saved map, certificates. Blocks on the disk, so that it is called at start and at rare
 * changes only.
 */
#ifndef WARREN_STATEFILE_H
#define WARREN_STATEFILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/json.h"
#include "common/wire.h"

/* Makes dir and missing parents, mode 0700; one that exists keeps its mode. -EACCES where it is not
 * ours to use, or another -errno. */
MUST_CHECK int statefile_make_dir(const char *dir);

/* Replaces path by len bytes. On any error (-ENOSPC on a full disk) the old file stays whole and
 * nothing is left beside it. */
MUST_CHECK int statefile_write(const char *path, const void *bytes, size_t len);
/* Without waiting for the disk: whole after a crash of the process; after a power cut old, new, or
 * (where the file system reorders) damaged. For what can be done without. */
MUST_CHECK int statefile_write_unsynced(const char *path, const void *bytes, size_t len);
MUST_CHECK int statefile_write_json(const char *path, const struct json *tree);

/* Reads the whole file into *out (the caller frees it; a NUL stands behind). -ENOENT, -EFBIG where
 * it is longer than max_len, or another -errno. */
MUST_CHECK int statefile_read(const char *path, size_t max_len, char **out, size_t *len);
/* -EBADMSG with err where it is not JSON; err is untouched by other errors. */
MUST_CHECK int statefile_read_json(const char *path, size_t max_len, struct json **out,
				   struct json_error *err);

/* Removes path and syncs its folder; an absent one is fine. */
MUST_CHECK int statefile_remove(const char *path);

#endif
