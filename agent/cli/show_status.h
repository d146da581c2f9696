/*
 * show_status: `warren status` for people, out of the document of `status --json`: who we are, how
 * we reach coordinator and relays, and each peer's path with the reason for it.
 */
#ifndef WARREN_SHOW_STATUS_H
#define WARREN_SHOW_STATUS_H

#include <stdint.h>
#include <stdio.h>

#include "common/json.h"

/* now_unix_us gives the ages. A field that is missing or of another type shows as nothing. */
void show_status(const struct json_in *doc, uint64_t now_unix_us, FILE *out);

#endif
